"""
Find card fraud, and say why
============================

A bank wants payments stopped that are unlike what its customers do, a reason for each, and
no more than one honest payment in a hundred stopped for nothing. Nobody has told it which
frauds will come next, so the detector learns from honest payments alone.
"""

# %%
# Real payments
# -------------
# 3,600 honest payments by European cards in September 2013, and 400 frauds. The bank
# published principal components, V1 to V28, in the place of what it knows, and two columns
# as they were: the amount and the time. Among all payments frauds are rarer (1 in 600),
# which no share below depends on. Honest payments are in order of time: the first teach,
# the next set the threshold, the last are judged.

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest

from skae import AutoencoderOutlierDetector

data = Path(sys.argv[0]).resolve().parents[1] / "data"
payments = pd.read_csv(data / "card_payments.csv.gz")
payments["hour"] = payments.pop("Time") / 3600 % 24
payments["Amount"] = np.log10(1 + payments["Amount"])  # a few are very large
is_fraud = payments.pop("Class") == 1
honest, fraud = payments[~is_fraud], payments[is_fraud]
train, calibration, fresh = honest[:1800], honest[1800:2700], honest[2700:]

# %%
# A threshold by false alarms
# ---------------------------
# ``purify=False``, as the training rows are known to be clean. ``calibrate`` takes honest
# payments that were not trained on, and says which score one in a hundred falls below.

detector = AutoencoderOutlierDetector(purify=False, random_state=0).fit(train)
detector.calibrate(calibration).set_threshold(false_alarm_rate=0.01)
stopped = detector.predict(fraud) == -1
alarms = detector.predict(fresh) == -1
print(f"honest payments stopped: {alarms.sum()} of {len(fresh)}")

# %%
# A rival gets the same payments and a threshold of the same rate.

forest = IsolationForest(random_state=0).fit(train)
limit = np.quantile(forest.score_samples(calibration), 0.01)
by_forest = forest.score_samples(fraud) < limit
forest_alarms = (forest.score_samples(fresh) < limit).sum()
print(f"by an isolation forest:  {forest_alarms} of {len(fresh)}")

# %%
# Why
# ---
# ``explain`` names the columns that make a payment odd, and what they would be if the rest
# of the payment is to be believed. Here are the three frauds that are oddest.

worst = fraud.iloc[np.argsort(detector.score_samples(fraud))[:3]]
detector.explain(worst, top=2).round(2)

# %%
# On the left is how far from normal payments are, on the right what the stopped frauds are
# blamed for, on average.

shares = detector.feature_contributions(fraud[stopped]).mean().nlargest(8)[::-1]
edges = np.geomspace(0.7, 40, 50)
colours = {"honest": "#56B4E9", "fraud": "#D55E00"}

fig, (left, right) = plt.subplots(
    1, 2, figsize=(9, 4), width_ratios=(3, 2), layout="constrained"
)
for rows, (label, colour) in zip((fresh, fraud), colours.items(), strict=True):
    far = np.clip(-detector.score_samples(rows), *edges[[0, -1]])
    weights = np.full(len(rows), 100 / len(rows))
    left.hist(far, edges, weights=weights, label=label, color=colour, alpha=0.8)
left.axvline(-detector.offset_, color="black", linestyle="--", label="threshold")
left.legend(frameon=False)
left.set(
    title="Payments not trained on",
    xlabel="how abnormal (1 is usual)",
    ylabel="% of payments",
    xscale="log",
    xticks=(1, 10),
    xticklabels=(1, 10),
)
right.barh(shares.index, 100 * shares, color=colours["fraud"])
right.set(title="What stopped frauds are blamed for", xlabel="% of the blame")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
print(f"Frauds stopped: {stopped.mean():.0%} (an isolation forest: {by_forest.mean():.0%})")
