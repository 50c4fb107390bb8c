"""
Cluster handwritten digits, and draw each cluster
=================================================

Nobody says which digit a picture shows, only that there are ten kinds. A
`skae.AdversarialAutoencoder` finds them, and keeps apart what kind a picture is of and how
it is written: so it can draw any kind in any handwriting.
"""

# %%
# The data
# --------
# 1,797 pictures of 8 x 8 pixels. A quarter of them is kept for the end; the labels are only
# used there. The pictures are passed as pictures, not as rows of 64 pixels: two that differ
# by a slightly moved stroke then are neighbours.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.model_selection import train_test_split

from skae import AdversarialAutoencoder

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images, digits.target, stratify=digits.target, random_state=0
)

# %%
# Ten clusters, by two methods
# ----------------------------
# Both learn from the same pictures and put pictures that they have not seen into one of ten
# clusters. The adjusted Rand index is 1 if clusters are the digits, and 0 if they have
# nothing to do with them.

k_means = KMeans(10, n_init=10, random_state=0).fit(X_train.reshape(-1, 64))
clustering = AdversarialAutoencoder(4, n_clusters=10, max_iter=30, random_state=0)
clustering.fit(X_train)

found = clustering.predict(X_test)
by_k_means = adjusted_rand_score(y_test, k_means.predict(X_test.reshape(-1, 64)))
ours = adjusted_rand_score(y_test, found)

# %%
# Which digits became which cluster? One row for each digit, one column for each cluster:
# two digits in a column were taken for one kind, two columns of a digit are two ways of
# writing it. Clusters have no names; here they are in the order of their commonest digit.

table = contingency_matrix(y_test, found)
order = np.argsort(table.argmax(axis=0), kind="stable")
print(table[:, order])

# %%
# Found and drawn
# ---------------
# On the left are pictures that were put into a cluster, on the right pictures that were
# never written: each row a cluster, each column one handwriting, which slants, widens or
# thickens all ten alike.

drawn = [clustering.sample(9, random_state=0, cluster=c) for c in order]
real = [X_test[found == c][:5] for c in order]

fig, axes = plt.subplots(
    1, 2, figsize=(8, 6), width_ratios=(5, 9), layout="constrained", facecolor="white"
)
for ax, rows, title in zip(axes, (real, drawn), ("Found", "Drawn"), strict=True):
    sheet = np.full((10 * 9, len(rows[0]) * 9), 0.0)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            sheet[9 * i : 9 * i + 8, 9 * j : 9 * j + 8] = picture
    ax.imshow(sheet, cmap="gray_r", vmin=0, vmax=16)
    ax.set(title=title, xticks=[], yticks=[])
    ax.hlines(9 * np.arange(1, 10) - 1, -0.5, sheet.shape[1] - 1.5, color="0.8", lw=0.8)
axes[0].set(ylabel="ten clusters", xlabel="new pictures of a cluster")
axes[1].set(xlabel="one handwriting in each column")
plt.show()

# %%
# The number
# ----------

print(f"Adjusted Rand index of new pictures: {ours:.2f} (k-means: {by_k_means:.2f})")
