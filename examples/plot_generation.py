"""
Generating digits, also on demand
=================================

A variational autoencoder learns what handwritten digits look like, and draws new ones: any,
of a class that is asked for, or on the way from one to another.
"""

# %%
# The data: 1797 pictures of 8 x 8 pixels. Grey values between 0 and 1 are taken as
# probabilities of ink: the Bernoulli likelihood.

import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from skae import Autoencoder, LatentSampler, VariationalAutoencoder

X, y = load_digits().images / 16, load_digits().target
params = {"likelihood": "bernoulli", "max_iter": 200, "random_state": 0}
vae = VariationalAutoencoder(8, **params).fit(X)
any_digits = vae.sample(10, random_state=0)
print(f"{vae.active_units_.sum()} of 8 components carry something")

# %%
# Told the classes in training, the decoder can be asked for one. A classifier of real
# digits says whether it obeys.

conditional = VariationalAutoencoder(8, conditional=True, **params).fit(X, y)
asked = conditional.sample(10, random_state=0, y=np.arange(10))
many = np.repeat(np.arange(10), 100)
drawn = conditional.sample(1000, random_state=1, y=many)
judge = SVC().fit(X.reshape(len(X), -1), y)
print(f"{judge.score(drawn.reshape(1000, -1), many):.1%} are labelled as asked for")

# %%
# The same handwriting, ten digits: one code, decoded as each class.

style = conditional.inverse_transform(
    np.repeat(conditional.transform(X[:1], y=y[:1]), 10, axis=0), np.arange(10)
)

# %%
# A plain autoencoder has no prior; a density of its codes stands in for it.

sampler = LatentSampler(Autoencoder(8, max_iter=60), random_state=0).fit(X)
from_codes = sampler.sample(10, random_state=0)

# %%
# On the way from a 0 to a 1.

way = vae.interpolate(X[:1], X[1:2], 10, kind="spherical")[0]

# %%
# What that looks like.

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

rows = {
    "Real": [X[y == digit][0] for digit in range(10)],
    "Generated": any_digits,
    "Asked for 0 to 9": asked,
    "One style": style,
    "LatentSampler": from_codes,
    "From 0 to 1": way,
}
fig, axes = plt.subplots(6, 10, figsize=(8, 5), layout="constrained")
fig.get_layout_engine().set(w_pad=0.03, h_pad=0.03, rect=(0.01, 0.01, 0.98, 0.98))
for row, (label, pictures) in zip(axes, rows.items(), strict=True):
    for ax, picture in zip(row, pictures, strict=True):
        ax.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color("0.8")
    row[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=8)
fig.suptitle("Digits from variational autoencoders")
fig.savefig(sys.argv[1] if len(sys.argv) > 1 else "skae-generation.png", dpi=110)
