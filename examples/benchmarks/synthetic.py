"""Made-up tables: rows of numbers and categories that are drawn, judged beside real ones.

synthetic: a table is halved at random; a generator learns from one half and draws as many
    rows as the other has, and the other half judges them. "shares" is the largest error of
    a level's share, over all categories; "KS" the mean Kolmogorov-Smirnov distance of the
    numbers; "pairs" the mean error of Spearman's correlation over all pairs of numbers;
    "told apart" the area under the curve of a random forest that tells drawn rows from
    real ones (0.5 is best); "use" the score of a random forest that learns the table's
    target from the drawn rows (R2, or accuracy for a category), on real ones, less that of
    one that learns from the real training half. "real half" are the real training rows
    themselves: what chance alone does. Means over tables and seeds; the second table has
    "told apart" by table.
    Ours are at defaults, but for ``likelihood="mixed"``. "as before" are likeliest levels
    and means, as `sample` returned them by default. Rivals: a Gaussian copula (copulas,
    its margins beta distributions) and TVAE (ctgan, 300 epochs), each with what SDV does
    around them by default: categories as numbers for the copula, numbers rounded as in
    training and kept in its range (rdt).
"""

import itertools

import numpy as np
import pandas as pd
import torch
from _common import Table, optional, told_apart
from _tables import table
from scipy.stats import ks_2samp
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.preprocessing import OrdinalEncoder

import skae

TARGETS = {
    "abalone": "rings",
    "california_housing": "median_house_value",
    "diabetes": "target",
    "breast_cancer": "target",
}
ROWS, TREES = 1200, 100
MEASURES = ("shares", "KS", "pairs", "told apart", "use")
OURS = {"likelihood": "mixed"}
PIP = "copulas ctgan rdt"


def halves(name, seed):
    """Return the halves of a table, and its target's column."""
    frame = table(name, ROWS, seed)
    frame.columns = [str(column).lower().replace(" ", "_") for column in frame]
    if name == "diabetes":
        frame["sex"] = frame["sex"].gt(0).map({False: "a", True: "b"}).astype("category")
    cut = len(frame) // 2
    return frame[:cut].reset_index(drop=True), frame[cut:].reset_index(drop=True)


def _is_category(frame):
    return [str(dtype) == "category" for dtype in frame.dtypes]


class _Formatted:
    """A rival within what SDV does around it: formats learnt, undone and kept."""

    def __init__(self, frame, numbers_only):
        transformers = optional("rdt.transformers", pip=PIP)
        self.parts = {}
        for column, is_category in zip(frame, _is_category(frame), strict=True):
            if is_category and numbers_only:
                self.parts[column] = transformers.UniformEncoder()
            elif not is_category:
                self.parts[column] = transformers.FloatFormatter(
                    learn_rounding_scheme=True, enforce_min_max_values=True
                )
        frame = frame.astype({c: str for c in frame if str(frame[c].dtype) == "category"})
        frame = frame.astype({c: object for c in frame if frame[c].dtype != float})
        for column, part in self.parts.items():
            frame = part.fit_transform(frame, column)
        self.frame = frame

    def back(self, drawn):
        """Return drawn rows in the table's format."""
        for part in self.parts.values():
            drawn = part.reverse_transform(drawn)
        return drawn


def copula(frame, n, seed):
    """Draw rows by a Gaussian copula."""
    multivariate = optional("copulas.multivariate", pip=PIP)
    univariate = optional("copulas.univariate", pip=PIP)
    formatted = _Formatted(frame, numbers_only=True)
    model = multivariate.GaussianMultivariate(distribution=univariate.BetaUnivariate)
    model.fit(formatted.frame)
    model.set_random_state(seed)
    return formatted.back(model.sample(n))


def tvae(frame, n, seed):
    """Draw rows by TVAE."""
    ctgan = optional("ctgan", pip=PIP)
    formatted = _Formatted(frame, numbers_only=False)
    model = ctgan.TVAE(epochs=300, enable_gpu=False)
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    model.fit(formatted.frame, [c for c in frame if formatted.frame[c].dtype == object])
    return formatted.back(model.sample(n))


def drawn_by(seed, train, n):
    """Yield (name, drawn rows) of each generator."""
    yield "real half", train
    vae = skae.VariationalAutoencoder(**OURS, random_state=seed).fit(train)
    yield "VariationalAutoencoder", vae.sample(n, seed)
    yield "the same, as before", vae.sample(n, seed, noise=False)
    inner = skae.Autoencoder(**OURS)
    sampler = skae.LatentSampler(inner, random_state=seed).fit(train)
    yield "LatentSampler", sampler.sample(n, seed)
    aae = skae.AdversarialAutoencoder(**OURS, random_state=seed).fit(train)
    yield "AdversarialAutoencoder", aae.sample(n, seed)
    if optional("copulas", pip=PIP) and optional("rdt", pip=PIP):
        yield "Gaussian copula", copula(train, n, seed)
    if optional("ctgan", pip=PIP) and optional("rdt", pip=PIP):
        yield "TVAE", tvae(train, n, seed)


def shares_off(drawn, real):
    """Return the largest error of a level's share."""
    shares = (f.value_counts(normalize=True) for f in (drawn, real))
    return pd.concat(list(shares), axis=1).fillna(0).diff(axis=1).iloc[:, 1].abs().max()


def usefulness(rows, test, target, is_category, seed):
    """Return the score on test rows of a forest that learns the target from rows."""
    forest = RandomForestClassifier if is_category else RandomForestRegressor
    rest = [i for i in range(rows.shape[1]) if i != target]
    model = forest(TREES, random_state=seed).fit(rows[:, rest], rows[:, target])
    return model.score(test[:, rest], test[:, target])


def judged(name, seed):
    """Return {generator: its measures} of a table."""
    train, test = halves(name, seed)
    is_category = np.array(_is_category(train))
    labels, numbers = train.columns[is_category], train.columns[~is_category]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    both = pd.concat([train, test])
    encoder.fit(both[labels].astype(str))

    def coded(frame):
        codes = encoder.transform(frame[labels].astype(str))
        return np.column_stack([codes, frame[numbers].to_numpy(float)])

    order = [*labels, *numbers]
    target = order.index(TARGETS[name])
    args = coded(test), target, target < len(labels), seed
    found, best = {}, usefulness(coded(train), *args)
    pairs = np.triu_indices(len(numbers), 1)
    for generator, drawn in drawn_by(seed, train, len(test)):
        off = [shares_off(drawn[c].astype(str), test[c].astype(str)) for c in labels]
        ks = [ks_2samp(drawn[c].astype(float), test[c]).statistic for c in numbers]
        rank = [f[numbers].astype(float).corr("spearman") for f in (drawn, test)]
        gap = np.abs(rank[0].fillna(0).to_numpy() - rank[1].to_numpy())[pairs]
        apart = told_apart(coded(drawn), coded(test), seed, n_trees=TREES)
        try:
            use = usefulness(coded(drawn), *args) - best
        except ValueError:  # one class only
            use = np.nan
        found[generator] = max(off, default=0), np.mean(ks), gap.mean(), apart, use
    return found


def synthetic(options):
    """Judge each generator on each table."""
    names = options.few(list(TARGETS), ["diabetes"])
    seeds = range(options.n_seeds())
    tasks = list(itertools.product(names, seeds))
    found = options.each(judged, tasks)
    generators = list(found[0])
    values = np.array([[f[g] for g in generators] for f in found])
    rows = [
        (g, *(f"{v:.3f}" for v in values[:, i].mean(0))) for i, g in enumerate(generators)
    ]
    yield Table("synthetic", ("", *MEASURES), rows, len(seeds))
    apart = values[:, :, MEASURES.index("told apart")].reshape(len(names), len(seeds), -1)
    rows = [
        (g, *(f"{v:.3f}" for v in apart[:, :, i].mean(1))) for i, g in enumerate(generators)
    ]
    yield Table("synthetic_told_apart", ("", *names), rows, len(seeds))


PARTS = {"synthetic": synthetic}
