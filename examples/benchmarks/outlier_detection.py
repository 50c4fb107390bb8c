"""Outlier detection on 16 real sets: `skae.AutoencoderOutlierDetector` and its rivals.

Two protocols, at defaults throughout. "contaminated": train on 70 % of all rows, outliers
among them, score the rest. "novelty": train on half of the normal rows, score all
others; our detector is told so (``purify=False``), and nothing else is. All rivals get
columns standardised by the training rows, as they do not do so themselves.

- "KNN" is the mean distance to the 5 nearest training rows; "forest, then KNN" drops the
  quarter of the training rows that an isolation forest likes least beforehand, also where
  all are clean.
- "untrained" is our detector around a network that stays as it was drawn.
- ECOD, AE and VAE are PyOD's, if it is installed (``pip install pyod``).

The first tables give the area under the ROC curve and the average precision over sets and
seeds, in how many sets ours is ahead, and Wilcoxon's p over the sets (each a mean over the
seeds; two-sided). The last gives CPU seconds of `fit` on 3,000 rows of 20 columns.
"""

import time
import warnings

import numpy as np
from _common import curved, machine, parser, pyod_autoencoder, table, use_threads
from _data import load
from joblib import Parallel, delayed
from scipy.stats import wilcoxon
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skae import Autoencoder, AutoencoderOutlierDetector

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
    if (AutoEncoder := pyod_autoencoder()) is not None:
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
    scaler = StandardScaler().fit(train)
    results = {}
    with use_threads(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, make in rivals(seed, not novelty).items():
            ours = name in (OURS, "untrained")
            a, b = (train, test) if ours else map(scaler.transform, (train, test))
            try:
                score = -np.asarray(make().fit(a).score_samples(b))
            except ValueError as error:  # no covariance in some sets, no ranks in others
                print(f"{name}: {error}")
                score = np.zeros(len(b))
            score = np.nan_to_num(score, posinf=np.finfo(float).max)
            results[name] = (
                roc_auc_score(labels, score),
                average_precision_score(labels, score),
            )
    return results


def cpu_seconds(n_rounds):
    """Return {name: CPU seconds of `fit`} on 3,000 rows of 20 columns."""
    X = curved(3000, 20, latent=6, dtype=np.float64)
    scaled = StandardScaler().fit_transform(X)
    makers = {k: v for k, v in rivals(0, True).items() if k in (OURS, "PyOD's AE")}
    times = {name: [] for name in makers}
    with use_threads(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(n_rounds):
            for name, make in makers.items():
                start = time.process_time()
                make().fit(X if name == OURS else scaled)
                times[name].append(time.process_time() - start)
    return {name: float(np.median(values)) for name, values in times.items()}


def main():
    """Measure and print."""
    args = parser(__doc__)
    args.add_argument("--seeds", type=int, default=3)
    args.add_argument("--jobs", type=int, default=2, help="splits measured at a time")
    args = args.parse_args()
    data = load("anomaly")
    names = sorted(key[:-3] for key in data if key.endswith("__X"))
    names = names[:3] if args.quick else names
    seeds = range(1 if args.quick else args.seeds)
    machine(1)
    for novelty in (False, True):
        runs = Parallel(n_jobs=args.jobs)(
            delayed(measured)(data[f"{name}__X"], data[f"{name}__y"], seed, novelty)
            for name in names
            for seed in seeds
        )
        methods = list(runs[0])
        values = np.array([[run[m] for m in methods] for run in runs])
        values = values.reshape(len(names), len(seeds), len(methods), 2).mean(1)
        auroc, precision = values[..., 0], values[..., 1]
        print(f"## {'novelty' if novelty else 'contaminated'}\n")
        rows = []
        for i, method in enumerate(methods):
            row = [method, auroc[:, i].mean(), float(np.median(auroc[:, i]))]
            row += [precision[:, i].mean()]
            if method != OURS:
                ahead = (auroc[:, 0] > auroc[:, i]).sum()
                p = wilcoxon(auroc[:, 0], auroc[:, i]).pvalue
                row += [f"{ahead} of {len(names)}", float(p)]
                p = wilcoxon(precision[:, 0], precision[:, i]).pvalue
                row += [float(p)]
            rows.append(row + [""] * (7 - len(row)))
        header = ["", "AUROC, mean", "median", "average precision"]
        header += ["ours ahead", "p (AUROC)", "p (precision)"]
        table(header, rows)
        table(
            ["AUROC", *methods],
            [[name, *map(float, auroc[i])] for i, name in enumerate(names)],
        )
    times = cpu_seconds(1 if args.quick else 5)
    print("## CPU seconds of fit, 3,000 rows of 20 columns, one thread\n")
    table(["", "CPU s", "to ours"], [[k, v, v / times[OURS]] for k, v in times.items()])


if __name__ == "__main__":
    main()
