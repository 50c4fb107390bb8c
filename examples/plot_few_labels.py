"""
Classify pictures of which thirty are labelled
==============================================

Pictures are cheap and labels dear. A `skae.AutoencoderClassifier` learns what pictures have
in common from all of them, and from thirty labels what that means. It is an ordinary
classifier: fit, predict, score.
"""

# %%
# The data
# --------
# 1,797 handwritten digits, a quarter of which is kept for the end. Of the others, the first
# three of each digit are labelled; -1 says that a label is not known.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from skae import AutoencoderClassifier

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images, digits.target, stratify=digits.target, random_state=0
)
labelled = np.array([np.flatnonzero(y_train == digit)[:3] for digit in range(10)])
y_few = np.full(len(y_train), -1)
y_few[labelled] = y_train[labelled]

# %%
# Who knows the digits?
# ---------------------
# Two classifiers learn from the thirty alone. `~sklearn.semi_supervised.LabelSpreading` and
# ours also see the other pictures, without labels. Ours is told that they are pictures (by
# their shape), of which two with slightly moved strokes are alike.

rows_train, rows_test = X_train.reshape(-1, 64), X_test.reshape(-1, 64)
few = labelled.ravel()
alone = {
    "Logistic regression": LogisticRegression(max_iter=1000),
    "Support vector machine": SVC(),
}
score = {
    name: classifier.fit(rows_train[few], y_train[few]).score(rows_test, y_test)
    for name, classifier in alone.items()
}
scaler = MinMaxScaler().fit(rows_train)
spreading = LabelSpreading(kernel="knn", n_neighbors=20)
spreading.fit(scaler.transform(rows_train), y_few)
score["LabelSpreading"] = spreading.score(scaler.transform(rows_test), y_test)

ours = AutoencoderClassifier(random_state=0).fit(X_train, y_few)
score["AutoencoderClassifier"] = ours.score(X_test, y_test)

# %%
# As an upper end, what the support vector machine makes of all 1,347 labels.

with_all = SVC().fit(rows_train, y_train).score(rows_test, y_test)

# %%
# The thirty, and what comes of them
# ----------------------------------

fig = plt.figure(figsize=(8, 5.2), layout="constrained")
above, below = fig.subfigures(2, 1, height_ratios=(1, 1.1))
sheet = np.pad(X_train[labelled], ((0, 0), (0, 0), (1, 1), (1, 1)))  # (10, 3, 10, 10)
ax = above.subplots()
ax.imshow(sheet.transpose(1, 2, 0, 3).reshape(30, 100), cmap="gray_r")
ax.set(xticks=[], yticks=[], title="All that is labelled: 30 of 1,347 pictures")

ax = below.subplots()
colours = ["0.45"] * 3 + ["tab:blue"]
bars = ax.barh(list(score), list(score.values()), color=colours)
ax.bar_label(bars, fmt="{:.1%}", padding=-40, color="white", fontweight="bold")
ax.axvline(with_all, color="0.2", linestyle="--")
ax.text(with_all - 0.01, 3.55, f"with all labels {with_all:.1%}", ha="right", va="bottom")
ax.set(xlim=(0, 1), xticks=[], title="New pictures that are put right\n")
ax.spines[["top", "right", "bottom"]].set_visible(False)
plt.show()

# %%
# The number
# ----------

print(f"Accuracy on new pictures: {score['AutoencoderClassifier']:.1%}", end=" ")
print(f"(LabelSpreading: {score['LabelSpreading']:.1%}; all labels: {with_all:.1%})")
