"""
Flag messages, and say why
==========================

Moderators want unwanted messages held back, and those who wrote them want to know why. A
sparse autoencoder learns, without labels, what messages are made of: 64 units of words, of
which each message uses eight. A linear model on them flags, and its reasons can be read.
"""

# %%
# Real messages
# -------------
# 4,534 text messages of the SMS Spam Collection, 561 of them spam. Telephone numbers and
# other numbers become words of their own. A third is held out.

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skae import SparseAutoencoder
from skae.likelihoods import Gaussian

data = Path(sys.argv[0]).resolve().parents[1] / "data"
messages = pd.read_csv(data / "sms_spam.csv.gz")
text = messages["text"].str.lower()
named = {"£": " pounds ", r"\d[\d ]{6,}\d": " phonenumber ", r"\d+": " # "}
for pattern, word in named.items():
    text = text.str.replace(pattern, word, regex=True)
is_spam = (messages["label"] == "spam").to_numpy()
rows = np.arange(len(text))
train, test = train_test_split(rows, test_size=1 / 3, stratify=is_spam, random_state=0)
words = TfidfVectorizer(min_df=5, sublinear_tf=True, token_pattern="[a-z']{2,}|#")
X_train = words.fit_transform(text[train])
X_test = words.transform(text[test])

# %%
# Units, and what they say
# ------------------------
# All words are scaled as one, so that rare ones stay small.

units = SparseAutoencoder(
    64, n_nonzero_coefs=8, likelihood=Gaussian(scale="global"), max_iter=30, random_state=0
).fit(X_train)
flag = LogisticRegression(C=10, class_weight="balanced", max_iter=1000)
flag.fit(units.transform(X_train), is_spam[train])
codes_test = units.transform(X_test)
scores = flag.decision_function(codes_test)
names = words.get_feature_names_out()
for unit in np.argsort(-flag.coef_[0])[:3]:
    said = units.top_features(unit, 6, absolute=False, input_features=names)
    print(f"unit {unit} speaks for spam: {', '.join(said.index)}")

# %%
# The rivals: 64 directions of a singular value decomposition, and the words themselves.

by_svd = make_pipeline(TruncatedSVD(64, random_state=0), clone(flag))
by_svd = by_svd.fit(X_train, is_spam[train]).decision_function(X_test)
by_words = clone(flag).fit(X_train, is_spam[train]).decision_function(X_test)

# %%
# Why this one was flagged
# ------------------------
# What a unit adds to a message's score is its code times its weight. It is named by those
# of its words that the message has. The message is spam with the median score of spam.

spam = np.flatnonzero(is_spam[test])
shown = spam[np.argsort(scores[spam])[len(spam) // 2]]
why = units.explain(X_test[[shown]], flag.coef_[0], input_features=names)
why = why.sort_values("contribution")
parts = why["contribution"].to_numpy()

fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
ax.barh(range(len(parts)), parts, color=np.where(parts > 0, "#D55E00", "#0072B2"))
ax.set_yticks(range(len(parts)), why["features"])
ax.axvline(0, color="black", linewidth=0.8)
ax.set(xlabel="what a unit adds to the score for spam (blue: against)")
title = f"Why this was flagged: “{messages['text'][test[shown]]}”"
ax.set_title(title, loc="left", wrap=True, fontsize=10)
plt.show()

# %%
# Reasons in units cost a little: the words themselves flag best.

precision = [average_precision_score(is_spam[test], s) for s in (scores, by_svd, by_words)]
print("Average precision: {:.2f} (SVD: {:.2f}, words: {:.2f})".format(*precision))
