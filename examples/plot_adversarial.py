"""
Codes of a shape of one's choice, and style apart from content
==============================================================

An adversarial autoencoder is told what its codes should look like by draws of a prior.
Here 1,797 digits are laid out as a normal distribution, as ten of them on a circle and as
a spiral; and, put into ten clusters without labels, they are drawn by style and cluster.
"""

# %%
# The data: 1797 pictures of 8 x 8 pixels, as they are.

import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from skae import AdversarialAutoencoder

X, y = load_digits().images, load_digits().target  # (1797, 8, 8)

# %%
# One autoencoder for each prior. Shapes as fine as these take rates at which the adversary
# has more to say than the reconstruction, and as many epochs as are asked for.
# `prior_distance_` says how well codes match the prior, from 0 to 1.

fitted = {
    prior: AdversarialAutoencoder(
        2,
        prior=prior,
        learning_rate=5e-4,
        adversarial_learning_rate=3e-3,
        early_stopping=False,
        max_iter=200,
        random_state=0,
    ).fit(X)
    for prior in ("gaussian", "mixture", "swiss_roll")
}
for prior, aae in fitted.items():
    print(f"{prior}: codes are {aae.prior_distance_:.3f} from the prior")

# %%
# Ten clusters, found without labels. The codes' other part, the style, is the same
# distribution in each of them, so that styles can be carried over.

clustering = AdversarialAutoencoder(4, n_clusters=10, random_state=0).fit(X)
print(f"adjusted Rand index: {adjusted_rand_score(y, clustering.labels_):.3f}")
drawn = [clustering.sample(12, random_state=0, cluster=c) for c in range(10)]

# %%
# Above, the codes, coloured by digit; below, a cluster in each row and a style in each
# column.

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

fig = plt.figure(figsize=(8, 7), layout="constrained")
above, below = fig.subfigures(2, 1, height_ratios=(1, 1.5))
for ax, (prior, aae) in zip(above.subplots(1, 3), fitted.items(), strict=True):
    codes = aae.transform(X)
    ax.scatter(*codes.T, c=y, cmap="tab10", s=3)
    ax.set(title=prior, aspect="equal", xticks=[], yticks=[])
ax = below.subplots()
ax.imshow(np.vstack([np.hstack(row) for row in drawn]), cmap="gray_r", vmin=0, vmax=16)
ax.set(xticks=[], yticks=[], xlabel="styles", ylabel="clusters")

path = sys.argv[1] if len(sys.argv) > 1 else "adversarial.png"
fig.savefig(path, dpi=90)
print(f"saved {path}")
