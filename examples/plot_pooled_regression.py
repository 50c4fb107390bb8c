"""
Fill a table with holes, and regress as surely as it allows
===========================================================

A regression needs complete rows. Leaving the others out loses rows and, if the holes are
not there by chance, bends the result; filling them in once makes it look surer than it is.
`skae.AutoencoderImputer` fills them in for a pipeline, and draws several completed tables
for an analysis, which `skae.impute.pool` makes one result of.
"""

# %%
# The data
# --------
# 442 patients with diabetes, and how far the disease has come a year later. Whoever was
# better off was often not sent to the laboratory: that is what we do to the table, so that
# it is known what is right. Age is an integer and sex a category, and may stay so.

import matplotlib.pyplot as plt
import numpy as np
import statsmodels.formula.api as smf
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skae import AutoencoderImputer
from skae.impute import pool

whole = load_diabetes(as_frame=True, scaled=False).frame
names = {"bp": "pressure", "s3": "hdl", "s5": "triglycerides", "s6": "glucose"}
whole = whole.rename(columns=names).rename(columns={"target": "progression"})
whole["age"] = whole["age"].astype(int)
whole["sex"] = whole["sex"].map({1: "a", 2: "b"}).astype("category")

rng = np.random.default_rng(0)
better_off = whole["progression"] < whole["progression"].median()
gone = rng.random((442, 4)) < np.where(better_off, 0.6, 0.1)[:, None]
table = whole.assign(**whole[list(names.values())].mask(gone))
print(f"{table.isna().any(axis=1).mean():.0%} of the rows have a hole")

# %%
# In a pipeline
# -------------
# The imputer is a step like any other. A quarter of the patients is new to all steps.

X, y = table.drop(columns="progression"), table["progression"]
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
one_hot = make_column_transformer((OneHotEncoder(), ["sex"]), remainder="passthrough")
imputer = AutoencoderImputer(max_iter=30, random_state=0)
pipeline = make_pipeline(imputer, one_hot, LinearRegression()).fit(X_train, y_train)
print(f"R2 of new patients: {pipeline.score(X_test, y_test):.2f}")

# %%
# In an analysis
# --------------
# Whatever the analysis uses belongs into the imputer's table, the outcome too. Twenty
# tables are drawn, which differ in the filled cells only; each is analysed, and the results
# are pooled by Rubin's rules.

formula = "progression ~ bmi + pressure + hdl + triglycerides + glucose + sex"
imputer = AutoencoderImputer(n_estimators=8, max_iter=60, random_state=0).fit(table)
tables = imputer.sample_imputations(table, n_draws=20, random_state=0)
pooled = pool([smf.ols(formula, t).fit() for t in tables])
print(pooled[["estimate", "standard_error", "missing_information"]].round(2))

# %%
# What the table says without a hole is right. Other results are drawn in its standard
# errors, with intervals of 95 %.

right = smf.ols(formula, whole).fit()
results = {"pooled": pooled[["low", "high"]]}
for name, t in {
    "complete rows only": table.dropna(),
    "holes filled with means": table.fillna(table.mean(numeric_only=True)),
}.items():
    results[name] = smf.ols(formula, t).fit().conf_int()

fig, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
away, y = {}, np.arange(len(right.params) - 1)
for i, (name, colour) in enumerate(zip(results, ("C0", "C1", "0.6"), strict=True)):
    ends = results[name].sub(right.params, axis=0).div(right.bse, axis=0).iloc[1:]
    middle = ends.mean(axis=1)
    away[name] = middle.abs().mean()
    style = {"color": colour, "marker": "os^"[i], "linestyle": "", "capsize": 3}
    ax.errorbar(middle, y + 0.22 * i, xerr=ends.iloc[:, 1] - middle, label=name, **style)
ax.axvline(0, color="0.3", zorder=0)
ax.set_yticks(y + 0.22, ["sex" if name[:3] == "sex" else name for name in middle.index])
ax.invert_yaxis()
ax.set(title="Coefficients, beside those without a hole", xlabel="standard errors away")
ax.legend(loc="upper left", frameon=False)
plt.show()

# %%
# The number
# ----------

print("Mean distance of the coefficients from the right ones, in standard errors:")
print(", ".join(f"{name} {value:.2f}" for name, value in away.items()))
