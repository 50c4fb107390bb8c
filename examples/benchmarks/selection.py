"""Which columns say most of the others, and of labels that were not told.

Selectors choose k columns of the training rows. Measured are, as means ± standard
deviations over splits:

- the explained variance of all columns of the test rows, rebuilt from the k by the
  decoder that `AutoencoderFeatureSelector` trains, and by ridge regression: each is
  trained anew, and in the same way, on the columns of each selector. Columns count
  alike, but for digits, whose pixels are of one unit;
- the accuracy on the test rows of a logistic regression on the k columns;
- the share of the columns that planted data were made from, where there are any;
- the seconds that the choice takes, the decoder's training included.

Where there are more columns than rows, the default is the greedy choice, and
``scale="global"`` is the same where columns are not standardised, so that those of a large
variance count more. SelectKBest is told the labels, and is the only one that is. "largest
variance" takes the columns of the largest variance as they are, "PCA loadings" for each
component the column of the largest loading that is left, "the true columns" those that
planted data were made from, "all columns" all there are.

In the planted data 5 hidden columns are among 60: 10 are linear and 15 are curved
functions of them with noise of 0.3 standard deviations, and 30 are noise. Of nci60, the
classes of five tumour lines and more are kept.
"""

import numpy as np
from _common import Table, seconds, spread
from _data import load
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderFeatureSelector
from skae.likelihoods import Gaussian
from skae.metrics import explained_variance_ratio

SETS = {
    "planted": 5,
    "wine": 4,
    "breast_cancer": 5,
    "digits": 10,
    "pbmc68k": 20,
    "nci60": 20,
}
LOADED = {"wine": load_wine, "breast_cancer": load_breast_cancer, "digits": load_digits}
FILES = {"pbmc68k": "pbmc68k_reduced", "nci60": "nci60"}
ONE_UNIT = ("digits",)
SMALLEST_CLASS = 5
EMPTY = 5 * (np.nan,)


def planted(seed, n=600, hidden=5, linear=10, curved=15, noise=30):
    """Return rows, classes and the places of the columns that both were made from."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(n, hidden))
    made = [*(u @ rng.normal(size=(hidden, linear))).T]
    functions = (
        lambda a, b: np.sin(2 * a) + np.sin(2 * b),
        lambda a, b: a * b,
        lambda a, b: a**2 - b**2,
        lambda a, b: np.abs(a) + b,
        lambda a, b: np.tanh(2 * a) * b,
    )
    for i in range(curved):
        a, b = u.T[rng.choice(hidden, 2, replace=False)]
        made.append(functions[i % len(functions)](a, b))
    made = np.array([column / column.std() for column in made]).T
    made += 0.3 * rng.normal(size=made.shape)
    X = np.hstack([u, made, rng.normal(size=(n, noise))])
    y = (u[:, 0] + u[:, 1] * u[:, 2] > 0) + 2 * (u[:, 3] + u[:, 4] > 0)
    order = rng.permutation(X.shape[1])
    units = 10 ** rng.uniform(-1, 1, size=X.shape[1])
    return X[:, order] * units, y, np.argsort(order)[:hidden]


def rows_of(name, seed):
    """Return a set's rows, classes and the true columns, or None."""
    if name == "planted":
        return planted(seed)
    if name in LOADED:
        return *LOADED[name](return_X_y=True), None
    data = load(FILES[name])
    X, y = data["X"].astype(np.float64), np.unique(data["y"], return_inverse=True)[1]
    keep = np.bincount(y)[y] >= SMALLEST_CLASS
    return X[keep], y[keep], None


def by_loadings(X, k, one_unit):
    """Return for each principal component the column of the largest loading left."""
    X = X if one_unit else StandardScaler().fit_transform(X)
    columns = []
    for loadings in PCA(k, random_state=0).fit(X).components_:
        order = np.argsort(-np.abs(loadings))
        columns.append(next(j for j in order if j not in columns))
    return columns


def choices(X, y, k, true, one_unit, seed):
    """Yield (name, a function that returns the chosen columns)."""
    likelihood = Gaussian(scale="global" if one_unit else "auto")

    def ours(likelihood=likelihood, **params):
        selector = AutoencoderFeatureSelector(
            k, likelihood=likelihood, random_state=seed, **params
        )
        return selector.fit(X).get_support(indices=True)

    yield "AutoencoderFeatureSelector", ours
    if X.shape[1] > len(X):
        yield 'the same, method="concrete"', lambda: ours(method="concrete", n_init=1)
        yield 'the same, scale="global"', lambda: ours(Gaussian(scale="global"))
    else:
        yield 'the same, method="concrete"', lambda: ours(method="concrete")
    yield 'the same, method="greedy"', lambda: ours(method="greedy")
    yield "PCA loadings", lambda: by_loadings(X, k, one_unit)
    yield "largest variance", lambda: np.argsort(-X.var(0))[:k]
    rng = np.random.default_rng(seed)
    yield "random columns", lambda: rng.choice(X.shape[1], k, replace=False)
    kbest = SelectKBest(f_classif, k=k)
    yield "SelectKBest, told the labels", lambda: kbest.fit(X, y).get_support(indices=True)
    if true is not None:
        yield "the true columns", lambda: true


class Given(AutoencoderFeatureSelector):
    """The decoder alone, of columns that are given."""

    def _greedy(self, *_):
        return np.asarray(self.columns)


def decoded(X, X_test, columns, one_unit, seed):
    """Return the test rows, rebuilt by the selector's decoder from any columns."""
    likelihood = Gaussian(scale="global" if one_unit else "auto")
    given = Given(len(columns), method="greedy", likelihood=likelihood, random_state=seed)
    given.columns = columns
    given.fit(X)
    assert (given.get_support(indices=True) == columns).all()
    return given.reconstruct(X_test)


def choose(name, seed):
    """Return {selector: (decoder's, ridge's, accuracy, share that is true, seconds)}."""
    X, y, true = rows_of(name, seed)
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.3, random_state=seed, stratify=y
    )
    one_unit, result = name in ONE_UNIT, {}
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))

    def explained(rebuilt):
        return explained_variance_ratio(
            X_test, rebuilt, standardize=not one_unit, X_train=X
        )

    for selector, chosen in choices(X, y, SETS[name], true, one_unit, seed):
        time, columns = seconds(lambda chosen=chosen: np.sort(chosen()))
        scaler = StandardScaler().fit(X[:, columns])
        known, known_test = (scaler.transform(A[:, columns]) for A in (X, X_test))
        ridge = RidgeCV(np.logspace(-2, 4, 13)).fit(known, X).predict(known_test)
        result[selector] = (
            explained(decoded(X, X_test, columns, one_unit, seed)),
            explained(ridge),
            100 * classifier.fit(X[:, columns], y).score(X_test[:, columns], y_test),
            np.nan if true is None else np.isin(true, columns).mean(),
            time,
        )
    right = 100 * classifier.fit(X, y).score(X_test, y_test)
    return result | {"all columns": (np.nan, np.nan, right, np.nan, np.nan)}


def selection(options):
    """Choose columns of each set, in each split."""
    sets, seeds = options.few(list(SETS), ["wine"]), range(options.n_seeds(5))
    results = iter(options.each(choose, [(name, seed) for name in sets for seed in seeds]))
    runs = {name: [next(results) for _ in seeds] for name in sets}
    header = ["columns chosen by"]
    for name in sets:
        n_columns = rows_of(name, 0)[0].shape[1]
        header.append(f"{name.replace('_', ' ')}, {SETS[name]} of {n_columns:,}")
    tables = ("decoder", 3), ("ridge", 3), ("accuracy", 1), ("true", 2), ("seconds", 2)
    for i, (table, digits) in enumerate(tables):
        rows = []
        for selector in dict.fromkeys(s for of_set in runs.values() for s in of_set[0]):
            values = [[run.get(selector, EMPTY)[i] for run in runs[name]] for name in sets]
            cells = [spread(v, digits) if np.isfinite(v).all() else None for v in values]
            if any(cells):
                rows.append([selector, *cells])
        yield Table(f"selection_{table}", header, rows, len(seeds))


PARTS = {"selection": selection}
