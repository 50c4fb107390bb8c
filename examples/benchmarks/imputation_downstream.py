"""What imputation is worth to a classifier.

A category of a table is to be predicted from its other columns, of which a part is
missing in training and test rows alike. Each imputer learns from the training rows'
columns (not from what is to be predicted); a logistic regression, and gradient boosting,
are then trained on completed rows. Beside them stands gradient boosting that is given the
rows as they are, with holes. Printed is the share of test rows that are right, as means
over seeds. Rivals are those of imputation.py.
"""

import warnings
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy as np
from _common import machine, parser, table, use_threads
from _tables import holes, rivals
from _tables import table as read
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skae import AutoencoderImputer

TARGETS = {
    "iris": "target",
    "wine": "target",
    "breast_cancer": "target",
    "abalone": "sex",
    "california_housing": "ocean_proximity",
    "diamonds": "cut",
    "Computers": "premium",
}
RAW = "boosting, raw"


def classifiers(seed):
    """Return {name: classifier of a completed table}."""
    encode = make_column_transformer(
        (
            OneHotEncoder(handle_unknown="ignore"),
            make_column_selector(dtype_include="category"),
        ),
        remainder=StandardScaler(),
    )
    boosting = HistGradientBoostingClassifier(
        categorical_features="from_dtype", random_state=seed
    )
    return {
        "logistic": make_pipeline(encode, LogisticRegression(max_iter=2000)),
        "boosting": boosting,
    }


def run(arguments):
    """Return {(classifier, imputer): accuracy}."""
    name, mechanism, rate, seed, rows = arguments
    X = read(name, rows, seed)
    y = X.pop(TARGETS[name]).astype(str).to_numpy()
    holed, n = X.mask(holes(X, mechanism, rate, seed)), len(X) * 7 // 10
    result = {}
    with warnings.catch_warnings(), use_threads(1):
        warnings.simplefilter("ignore")
        imputers = {"skae": AutoencoderImputer(random_state=seed), **rivals(seed)}
        for method, imputer in imputers.items():
            imputer.fit(holed[:n])
            train, test = imputer.transform(holed[:n]), imputer.transform(holed[n:])
            for kind, classifier in classifiers(seed).items():
                right = classifier.fit(train, y[:n]).score(test, y[n:])
                result[kind, method] = float(right)
        raw = classifiers(seed)["boosting"].fit(holed[:n], y[:n])
        result["boosting", RAW] = float(raw.score(holed[n:], y[n:]))
    return result


def main():
    arguments = parser(__doc__)
    arguments.add_argument("--rows", type=int, default=2000, help="of a table, at most")
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--rate", type=float, default=0.3)
    arguments.add_argument("--mechanisms", nargs="+", default=["MCAR", "MAR"])
    arguments.add_argument("--sets", nargs="+", default=list(TARGETS))
    arguments.add_argument("--jobs", type=int, default=1)
    arguments = arguments.parse_args()
    if arguments.quick:
        arguments.sets, arguments.seeds = ["iris"], 1
    machine(1)
    cells = list(product(arguments.mechanisms, arguments.sets))
    jobs = [
        (name, mechanism, arguments.rate, seed, arguments.rows)
        for mechanism, name in cells
        for seed in range(arguments.seeds)
    ]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        results = iter(list(pool.map(run, jobs)))
    tables = {"logistic": [], "boosting": []}
    for mechanism, name in cells:
        runs = [next(results) for _ in range(arguments.seeds)]
        for kind, rows in tables.items():
            methods = [m for k, m in runs[0] if k == kind]
            means = [float(np.mean([run[kind, m] for run in runs])) for m in methods]
            rows.append([f"{mechanism} {arguments.rate:.0%}", name, *means])
    for kind, rows in tables.items():
        methods = [m for k, m in runs[0] if k == kind]
        means = np.mean([row[2:] for row in rows], axis=0).tolist()
        print(f"Share of right classes, {kind} after imputation\n")
        table(["holes", "table", *methods], [*rows, ["mean", "", *means]])


if __name__ == "__main__":
    main()
