"""Outliers: `AutoencoderOutlierDetector` beside other detectors, its reasons, its alarms.

sets: 16 real sets, by two protocols, at defaults throughout. "contaminated": train on 70 %
    of all rows, outliers among them, score the rest. "novelty": train on half of the normal
    rows, score all others; our detector is told so (``purify=False``), and nothing else
    is. All rivals get columns standardised by the training rows, as they do not do so
    themselves. "KNN" is the mean distance to the 5 nearest training rows; "forest, then
    KNN" drops the quarter of the training rows that an isolation forest likes least
    beforehand, also where all are clean; "untrained" is our detector around a network that
    stays as it was drawn; ECOD, AE and VAE are PyOD's, if it is installed. Area under the
    ROC curve and average precision, over sets and seeds, in how many sets ours is ahead,
    and Wilcoxon's p over the sets (each a mean over the seeds; two-sided).
cost: CPU seconds of `fit` on 3,000 rows of 20 columns.
digits: each class of scikit-learn's digits in turn is what is normal. Detectors learn half
    of its pictures and score its other half and all other classes; ours is told that the
    rows are clean. AUROC, a mean over seeds.
far, inside: which column is to blame. Held-out rows get one column, drawn at random,
    changed; a method is right if it names that column first. "far" moves it by 5 of its
    standard deviations; "inside" puts it at the end of the column's own middle 98 % that is
    the farther one from its value, so that nothing but the other columns tells. Rivals: the
    squared standardised residual of one `Autoencoder` and of the detector's own, of a PCA
    that explains 90 %, and the largest |z|.
patches: a 7 x 7 patch of held-out MNIST digits is replaced by noise, by a bright square or
    by that of another digit; the heat maps' area under the ROC curve over the pixels, a
    mean over the pictures.
false_alarms: the share of fresh clean rows whose conformal p-values are at most 1, 5 and
    10 %, over many draws of 500 calibration rows.
"""

import time
from functools import partial

import numpy as np
from _common import Table, curved, pyod_autoencoder
from _data import load
from scipy.stats import wilcoxon
from sklearn.covariance import EllipticEnvelope
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skae import Autoencoder, AutoencoderOutlierDetector, ConvolutionalAutoencoder

OURS = "AutoencoderOutlierDetector"


class KNN:
    """The mean distance to the 5 nearest training rows."""

    def fit(self, X):
        """Keep the rows."""
        self.search = NearestNeighbors(n_neighbors=min(5, len(X))).fit(X)
        return self

    def score_samples(self, X):
        """Return the negative distance."""
        return -self.search.kneighbors(X)[0].mean(1)


class ForestThenKNN(KNN):
    """KNN among the three quarters of the rows that an isolation forest likes."""

    def __init__(self, seed):
        self.seed = seed

    def fit(self, X):
        """Keep three quarters of the rows, standardised anew."""
        scores = IsolationForest(random_state=self.seed).fit(X).score_samples(X)
        X = X[scores >= np.quantile(scores, 0.25)]
        self.scaler = StandardScaler().fit(X)
        return super().fit(self.scaler.transform(X))

    def score_samples(self, X):
        """Return the negative distance."""
        return super().score_samples(self.scaler.transform(X))


class PyOD:
    """A PyOD detector with scikit-learn's sign."""

    def __init__(self, detector):
        self.detector = detector

    def fit(self, X):
        """Fit it."""
        self.detector.fit(X)
        return self

    def score_samples(self, X):
        """Return the negative score."""
        return -self.detector.decision_function(X)


def untrained(seed, purify):
    """Return our detector around a network that training does not change."""
    net = Autoencoder(network=(40,), learning_rate=1e-12, early_stopping=False, alpha=0.0)
    return AutoencoderOutlierDetector(net, max_iter=1, purify=purify, random_state=seed)


def rivals(seed, purify):
    """Return {name: function that makes a detector}."""
    result = {
        OURS: lambda: AutoencoderOutlierDetector(purify=purify, random_state=seed),
        "IsolationForest": lambda: IsolationForest(random_state=seed),
        "LocalOutlierFactor": lambda: LocalOutlierFactor(novelty=True),
        "OneClassSVM": OneClassSVM,
        "KNN": KNN,
        "MCD": lambda: EllipticEnvelope(random_state=seed),
        "untrained": lambda: untrained(seed, purify),
        "forest, then KNN": lambda: ForestThenKNN(seed),
    }
    if AutoEncoder := pyod_autoencoder():
        from pyod.models.ecod import ECOD
        from pyod.models.vae import VAE

        result["ECOD"] = lambda: PyOD(ECOD())
        result["PyOD's AE"] = lambda: PyOD(AutoEncoder(verbose=0, random_state=seed))
        result["PyOD's VAE"] = lambda: PyOD(VAE(verbose=0, random_state=seed))
    return result


def split(X, y, seed, novelty):
    """Return training rows, test rows and the test rows' labels."""
    rng = np.random.default_rng(seed)
    if novelty:
        normal = rng.permutation(np.flatnonzero(y == 0))
        train = normal[: len(normal) // 2]
    else:
        train = rng.permutation(len(y))[: int(0.7 * len(y))]
    test = np.setdiff1d(np.arange(len(y)), train)
    return X[train].astype(float), X[test].astype(float), y[test]


def measured(X, y, seed, novelty):
    """Return {name: (AUROC, average precision)} of one split."""
    train, test, labels = split(X, y, seed, novelty)
    scaler, results = StandardScaler().fit(train), {}
    for name, make in rivals(seed, not novelty).items():
        ours = name in (OURS, "untrained")
        a, b = (train, test) if ours else map(scaler.transform, (train, test))
        try:
            score = -np.asarray(make().fit(a).score_samples(b))
        except ValueError as error:  # no covariance in some sets, no ranks in others
            print(f"{name}: {error}")
            score = np.zeros(len(b))
        score = np.nan_to_num(score, posinf=np.finfo(float).max)
        results[name] = roc_auc_score(labels, score), average_precision_score(labels, score)
    return results


def sets(options):
    """Score the real sets, contaminated and clean."""
    data = load("anomaly")
    names = sorted(key[:-3] for key in data if key.endswith("__X"))
    names, seeds = options.few(names, names[:2]), range(options.n_seeds())
    for kind in ("contaminated", "novelty"):
        tasks = [
            (data[f"{name}__X"], data[f"{name}__y"], seed, kind == "novelty")
            for name in names
            for seed in seeds
        ]
        runs = options.each(measured, tasks)
        methods = list(runs[0])
        values = np.array([[run[m] for m in methods] for run in runs])
        values = values.reshape(len(names), len(seeds), len(methods), 2).mean(1)
        auroc, precision = values[..., 0], values[..., 1]
        rows = []
        for i, method in enumerate(methods):
            row = [auroc[:, i].mean(), np.median(auroc[:, i]), precision[:, i].mean()]
            if method != OURS:
                ahead = (auroc[:, 0] > auroc[:, i]).sum()
                row.append(f"{ahead} of {len(names)}")
                row += [
                    float(wilcoxon(v[:, 0], v[:, i]).pvalue) for v in (auroc, precision)
                ]
            rows.append([method, *row, *[None] * (6 - len(row))])
        header = (
            "method", "AUROC, mean", "median", "average precision",
            "ours ahead", "p (AUROC)", "p (precision)",
        )  # fmt: skip
        yield Table(f"outliers_{kind}", header, rows, len(seeds))
        rows = [[name, *map(float, auroc[i])] for i, name in enumerate(names)]
        yield Table(f"outliers_{kind}_sets", ("AUROC", *methods), rows, len(seeds))


def cost(options):
    """Take the CPU seconds of ours and of PyOD's AutoEncoder."""
    X = curved(3000, 20, latent=6, dtype=np.float64)
    scaled = StandardScaler().fit_transform(X)
    makers = {k: v for k, v in rivals(0, True).items() if k in (OURS, "PyOD's AE")}
    times = {name: [] for name in makers}
    for _ in range(options.few(5, 1)):
        for name, make in makers.items():
            start = time.process_time()
            make().fit(X if name == OURS else scaled)
            times[name].append(time.process_time() - start)
    middle = {name: float(np.median(values)) for name, values in times.items()}
    rows = [(name, value, value / middle[OURS]) for name, value in middle.items()]
    yield Table("outliers_cost", ("method", "CPU s", "to ours"), rows)


# Digits


def scores(train, test, seed):
    """Return {name: score of the test pictures, higher for outliers}."""
    ours = partial(AutoencoderOutlierDetector, purify=False, random_state=seed)
    convolutional = ConvolutionalAutoencoder(16, image_shape=(8, 8))
    detectors = {
        "detector": ours(),
        "detector, on a table": ours(),
        "detector, convolutional": ours(convolutional, n_estimators=2),
        "KNN": KNN(),
        "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
        "OneClassSVM": OneClassSVM(),
        "IsolationForest": IsolationForest(random_state=seed),
    }
    result = {}
    for name, detector in detectors.items():
        rows = train, test
        if name not in ("detector", "detector, convolutional"):
            rows = [X.reshape(len(X), -1) for X in rows]
        result[name] = -detector.fit(rows[0]).score_samples(rows[1])
    return result


def digits(options):
    """Take each class for the normal one."""
    X, y = load_digits().images, load_digits().target
    rows, seeds = [], range(options.n_seeds())
    for digit in range(options.few(10, 2)):
        runs = []
        for seed in seeds:
            normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == digit))
            train = normal[: len(normal) // 2]
            test = np.setdiff1d(np.arange(len(y)), train)
            found = scores(X[train], X[test], seed)
            runs.append([roc_auc_score(y[test] != digit, s) for s in found.values()])
        rows.append([str(digit), *map(float, np.mean(runs, axis=0))])
    rows.append(["mean", *map(float, np.mean([row[1:] for row in rows], axis=0))])
    yield Table("outliers_digits", ("normal", *found), rows, len(seeds))


# Reasons

TABLES = ("thyroid", "cardio", "WDBC", "pendigits", "vowels", "breastw")


def tables(seed):
    """Yield (name, normal rows)."""
    rng = np.random.default_rng(seed)
    for rho in (0.0, 0.5, 0.9):
        common = rng.normal(size=(2000, 1))
        own = rng.normal(size=(2000, 10))
        yield f"normal, correlation {rho}", rho**0.5 * common + (1 - rho) ** 0.5 * own
    yield "curved", curved(2000, 20, latent=4, seed=seed, dtype=np.float64)
    data = load("anomaly")
    for name in TABLES:
        yield name, data[f"{name}__X"][data[f"{name}__y"] == 0].astype(float)


def planted(train, rows, kind, rng):
    """Return rows with one column changed, and which."""
    rows, varying = rows.copy(), np.flatnonzero(train.std(0) > 0)
    column = rng.choice(varying, len(rows))
    at = np.arange(len(rows)), column
    if kind == "far":
        rows[at] += 5 * train.std(0)[column] * rng.choice([-1, 1], len(rows))
    else:
        low, high = np.quantile(train, [0.01, 0.99], axis=0)[:, column]
        rows[at] = np.where(rows[at] - low > high - rows[at], low, high)
    return rows, column


def blamed(train, rows, column, seed):
    """Return {method: share of the rows whose changed column is named first}."""
    scaler = StandardScaler().fit(train)
    pca = PCA(0.9, svd_solver="full").fit(scaler.transform(train))
    plain = Autoencoder(random_state=seed).fit(train)
    detector = AutoencoderOutlierDetector(purify=False, random_state=seed).fit(train)
    z, scale = scaler.transform(rows), scaler.scale_
    theirs = np.mean(
        [np.square(rows - m.reconstruct(rows)) for m in detector.estimators_], 0
    )
    shares = {
        "contributions": detector.feature_contributions(rows).to_numpy(),
        "its squared error": theirs / scale**2,
        "Autoencoder's": np.square((rows - plain.reconstruct(rows)) / scale),
        "PCA's": np.square(z - pca.inverse_transform(pca.transform(z))),
        "largest |z|": np.abs(z),
    }
    return {name: (s.argmax(1) == column).mean() for name, s in shares.items()}


def defects(pictures, kind, rng):
    """Return pictures with a patch replaced, and where."""
    pictures, mask = pictures.copy(), np.zeros(pictures.shape, dtype=bool)
    others = rng.permutation(len(pictures))
    source = pictures[others].copy()
    for i in range(len(pictures)):
        row, column = rng.integers(4, 17, 2)
        patch = np.s_[row : row + 7, column : column + 7]
        mask[i][patch] = True
        pictures[i][patch] = {
            "noise": lambda: 255 * rng.random((7, 7)),
            "square": lambda: np.full((7, 7), 200.0),
            "another's": lambda p=patch, i=i: 255 - source[i][p],
        }[kind]()
    return pictures, mask


def pixel_auroc(heat, mask):
    """Return the mean over the pictures of the maps' AUROC."""
    pairs = zip(heat.reshape(len(heat), -1), mask.reshape(len(mask), -1), strict=True)
    return float(np.mean([roc_auc_score(m, h) for h, m in pairs]))


def changed(kind, options):
    """Change one column of rows, and see who names it."""
    results, seeds = {}, range(options.n_seeds())
    for seed in seeds:
        rng = np.random.default_rng(seed)
        for name, X in list(tables(seed))[: options.few(None, 5)]:
            X = X[rng.permutation(len(X))]
            n = min(200, len(X) // 4)
            rows, column = planted(X[n:], X[:n], kind, rng)
            found = blamed(X[n:], rows, column, seed)
            results.setdefault(name, []).append(list(found.values()))
    rows = [(name, *np.mean(runs, axis=0).tolist()) for name, runs in results.items()]
    yield Table(f"outliers_{kind}", ("data", *found), rows, len(seeds))


def patches(options):
    """Replace patches of digits, and see who finds them."""
    mnist, results, seeds = load("mnist"), {}, range(options.n_seeds())
    kinds = "noise", "square", "another's"
    for seed in seeds:
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(len(mnist["X_train"]))[: options.few(3000, 500)]
        X = mnist["X_train"][chosen].astype(float)
        test = mnist["X_test"][rng.permutation(5000)[:200]].astype(float)
        ours = partial(AutoencoderOutlierDetector, purify=False, random_state=seed)
        convolutional = ConvolutionalAutoencoder(32, image_shape=(28, 28))
        epochs = options.few(10, 2)
        models = {
            "detector": ours().fit(X),
            "detector, convolutional": ours(
                convolutional, n_estimators=2, max_iter=epochs
            ).fit(X),
        }
        pca = PCA(32, random_state=seed).fit(X.reshape(len(X), -1))
        for kind in kinds:
            bad, mask = defects(test, kind, rng)
            flat = bad.reshape(len(bad), -1)
            heats = {n: m.feature_contributions(bad) for n, m in models.items()}
            back = pca.inverse_transform(pca.transform(flat))
            heats["PCA's squared error"] = np.square(flat - back)
            heats["from the mean"] = np.square(bad - X.mean(0))
            for name, heat in heats.items():
                found = results.setdefault(name, {}).setdefault(kind, [])
                found.append(pixel_auroc(heat, mask))
    rows = [(n, *(float(np.mean(v[k])) for k in kinds)) for n, v in results.items()]
    yield Table("outliers_patches", ("method", *kinds), rows, len(seeds))


def false_alarms(options):
    """Count clean rows of low p-values."""
    X, rng = curved(6000, 10, latent=3, dtype=np.float64), np.random.default_rng(0)
    detector = AutoencoderOutlierDetector(purify=False, random_state=0).fit(X[:1000])
    levels, shares, n_draws = (0.01, 0.05, 0.1), [], options.few(200, 20)
    for _ in range(n_draws):
        drawn = 1000 + rng.permutation(5000)
        p = detector.calibrate(X[drawn[:500]]).p_values(X[drawn[500:1500]])
        shares.append([(p <= level).mean() for level in levels])
    errors = np.std(shares, axis=0) / n_draws**0.5
    rows = np.transpose([levels, np.mean(shares, axis=0), errors]).tolist()
    yield Table("outliers_false_alarms", ("level", "share", "standard error"), rows)


PARTS = {
    "sets": sets,
    "cost": cost,
    "digits": digits,
    "far": partial(changed, "far"),
    "inside": partial(changed, "inside"),
    "patches": patches,
    "false_alarms": false_alarms,
}
