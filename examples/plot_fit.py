"""
What a fit looks like
=====================

Three pictures to look at after every fit: how training went, where rows are in the code,
and what comes back of them. Each takes one line, by `skae.plotting`.
"""

# %%
# The data
# --------
# 1,797 handwritten digits of 8 x 8 pixels, a quarter of which is kept for the end; a code
# of two numbers, so that it can be drawn.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.metrics import explained_variance_ratio
from skae.plotting import LatentMapDisplay, LossCurveDisplay, ReconstructionDisplay

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images, digits.target, stratify=digits.target, random_state=0
)
autoencoder = Autoencoder(2, max_iter=250, random_state=0).fit(X_train)

# %%
# Training
# --------
# `~skae.plotting.LossCurveDisplay`: the curve of the held-out rows should have become flat,
# and not have risen for long. Weights are those of its best epoch, which is marked.
#
# The code
# --------
# `~skae.plotting.LatentMapDisplay`: digits that are alike should be near each other. The
# labels are used for the colours only.
#
# What comes back
# ---------------
# `~skae.plotting.ReconstructionDisplay`: new digits, and what two numbers say of them.

fig = plt.figure(figsize=(10, 6.8), layout="constrained")
above, below = fig.subfigures(2, 1, height_ratios=(1.7, 1))
left, right = above.subplots(1, 2, width_ratios=(1, 1.1))
LossCurveDisplay.from_estimator(autoencoder, ax=left)
left.set_title(left.get_title(), fontsize="medium")
LatentMapDisplay.from_estimator(autoencoder, X_test, c=y_test, c_name="digit", ax=right)
ReconstructionDisplay.from_estimator(
    autoencoder, X_test, n_samples=10, cmap="gray_r", ax=below.subplots()
)
plt.show()

# %%
# The number
# ----------

rows_train, rows_test = X_train.reshape(-1, 64), X_test.reshape(-1, 64)
pca = PCA(2).fit(rows_train)
share = {
    "Autoencoder": autoencoder.reconstruct(X_test),
    "PCA": pca.inverse_transform(pca.transform(rows_test)),
}
for name, back in share.items():
    share[name] = explained_variance_ratio(
        rows_test, back.reshape(-1, 64), standardize=False, X_train=rows_train
    )
print("Variance of new digits that two numbers explain:", end=" ")
print("{Autoencoder:.1%} (PCA: {PCA:.1%})".format(**share))
