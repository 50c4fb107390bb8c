"""Codes that are told what they are for: `target_weight` against PCA, PLS and raw columns.

Reducers are fitted on 60 % of at most 700 rows, and a model on what they make of these:
logistic or ridge regression, 10 nearest neighbours, a random forest of 25 trees, as in
`downstream.py`. The figure is the accuracy or R² of the other rows, the mean over models,
two sizes of the code and splits. What "auto" compares and how it decides, and that training
starts at partial least squares, was chosen by sixteen tables; 27 had no part in that, nor
in any other default of skae's.
"""

import numpy as np
import pandas as pd
from _common import MissingError, Table
from _targets import CATEGORIES, OTHERS, mixed_table, table
from downstream import REDUCERS, interval, judged
from sklearn.model_selection import train_test_split

import skae

SIZES = (2, 8)
CHOSEN_BY = [
    "digits", "ionosphere", "vehicle", "california", "abalone", "boston", "caschool",
    "diamonds", "housing", "wage", "diabetes", "breast cancer", "satimage", "crx",
    "schooling", "working hours",
]  # fmt: skip
NOT = [name for name in [*OTHERS, *CATEGORIES] if name not in CHOSEN_BY]
WEIGHTS = {"y: 0": 0, "y: 0.5": 0.5, "y: auto": "auto"}
NAMES = ["PCA", "PLS", *WEIGHTS, "raw columns"]


def rows_of(name):
    """Return X, y and whether y is classes, a column for each level of a category."""
    try:
        return table(name)
    except KeyError:
        frame, y, is_class = mixed_table(name)
        return pd.get_dummies(frame, dtype=float).to_numpy(float), y, is_class


def evaluate(name, seed, sizes):
    """Return the mean score of each reducer on one split; (reducers,)."""
    X, y, is_class = rows_of(name)
    A, B, y_A, y_B = train_test_split(
        X, y, test_size=0.4, random_state=seed, stratify=y if is_class else None
    )
    seen = np.ptp(A, axis=0) > 0  # of columns that never change PLS would warn
    A, B = A[:, seen], B[:, seen]
    if not is_class:
        y_A, y_B = ((part - y_A.mean()) / y_A.std() for part in (y_A, y_B))
    scores = []
    for k in [k for k in sizes if k < A.shape[1]]:
        reducers = [REDUCERS[r](k, seed, is_class) for r in ("PCA", "PLS")]
        reducers += [
            skae.Autoencoder(k, target_weight=w, random_state=seed, device="cpu")
            for w in WEIGHTS.values()
        ]
        codes = [(r.fit(A, y_A).transform(A), r.transform(B)) for r in reducers]
        raw = REDUCERS["raw columns"](k, seed, is_class).fit(A)
        codes.append((raw.transform(A), raw.transform(B)))
        scores.append([np.mean(judged(*z, y_A, y_B, is_class, seed)) for z in codes])
    return np.mean(scores, axis=0)


def target_codes(options):
    """Judge codes for y on tables that their defaults were and were not chosen by."""
    groups = {"no": NOT, "yes": CHOSEN_BY}
    if options.quick:
        groups = {chosen: names[:2] for chosen, names in groups.items()}
    seeds, found = range(options.n_seeds(2)), {}
    for chosen, names in groups.items():
        for name in names:
            try:
                rows_of(name)
            except MissingError as error:
                print(f"{name} is left out: {error}", flush=True)
                continue
            each = options.each(evaluate, [(name, seed, SIZES) for seed in seeds])
            found[chosen, name] = np.mean(each, axis=0)
    rows = []
    for (chosen, name), scores in found.items():
        best = f"{scores[:5].max():.3f}"
        cells = [f"{s:.3f}" for s in scores]
        marked = [f"**{c}**" if c == best else c for c in cells[:5]]
        over = 100 * (scores[4] - scores[:2].max())
        rows.append((name, chosen, *marked, cells[5], f"{over:+.1f}"))
    yield Table(
        "target_codes",
        ("data", "chosen by", *NAMES, "auto over PCA, PLS"),
        rows,
        len(seeds),
        "Accuracy or R² of held-out rows: mean of three models and two sizes",
        "bold: the best but for raw columns; last: points over the better of PCA and PLS",
    )
    summary = []
    for chosen in groups:
        scores = np.array([s for (c, _), s in found.items() if c == chosen])
        for i, name in enumerate(NAMES[1:], 1):
            over = 100 * (scores[:, i] - scores[:, :2].max(1))
            worst = f"{over.min():+.1f}" if len(over) else ""
            summary.append(
                (
                    f"{len(scores)} {'' if chosen == 'yes' else 'not '}chosen by",
                    name,
                    interval(scores[:, i] - scores[:, 0]),
                    interval(scores[:, i] - scores[:, 1]),
                    worst,
                    f"{(over < -2).sum()}",
                )
            )
    header = ("tables", "", "over PCA", "over PLS", "worst", "2 points under")
    note = "worst: points over the better of PCA and PLS, and tables 2 or more under it"
    title = "Points, mean and 95 % confidence interval over tables"
    yield Table("target_codes_summary", header, summary, len(seeds), title, note)


PARTS = {"target_codes": target_codes}
