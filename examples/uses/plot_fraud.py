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
from skae.plotting import OutlierScoresDisplay, ReasonsDisplay

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
# ``report`` is the list for those who look into what was stopped, with the columns that
# make a payment odd: here of the five frauds that are oddest.

worst = fraud.iloc[np.argsort(detector.score_samples(fraud))[:5]]
report = detector.report(worst, n_reasons=2).drop(columns=["flagged", "why"])
report.round(3)

# %%
# On the left are the scores of payments that were not trained on, on the right the reasons
# for stopping the oddest: what a column held, and what it would hold if the rest of the
# payment is to be believed.

fig, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4.5), width_ratios=(3, 2), layout="constrained"
)
judged = pd.concat([fresh, fraud])
kind = np.repeat(["honest", "fraud"], [len(fresh), len(fraud)])
OutlierScoresDisplay.from_estimator(detector, judged, kind, ax=left)
ReasonsDisplay.from_estimator(detector, worst[:1], max_columns=8, ax=right)
plt.show()

# %%
print(f"Frauds stopped: {stopped.mean():.0%} (an isolation forest: {by_forest.mean():.0%})")
