"""One-class novelty on scikit-learn's digits: each class in turn is what is normal.

Detectors learn half of a class's pictures and score its other half and all other classes.
Ours is told that the rows are clean; everything else is at defaults. KNN is the mean
distance to the 5 nearest training pictures, in grey values. AUROC, a mean over the seeds.
"""

import numpy as np
from _common import machine, parser, quiet, table, use_threads
from sklearn.datasets import load_digits
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.svm import OneClassSVM

from skae import AutoencoderOutlierDetector, ConvolutionalAutoencoder


def scores(train, test, seed):
    """Return {name: score of the test pictures, higher for outliers}."""
    flat, flat_test = (X.reshape(len(X), -1) for X in (train, test))

    def ours(autoencoder=None, **params):
        detector = AutoencoderOutlierDetector(
            autoencoder, purify=False, random_state=seed, **params
        )
        return detector

    convolutional = ConvolutionalAutoencoder(16, image_shape=(8, 8))
    return {
        "detector": -ours().fit(train).score_samples(test),
        "detector, on a table": -ours().fit(flat).score_samples(flat_test),
        "detector, convolutional": -ours(convolutional, n_estimators=2)
        .fit(train)
        .score_samples(test),
        "KNN": NearestNeighbors(n_neighbors=5).fit(flat).kneighbors(flat_test)[0].mean(1),
        "LocalOutlierFactor": -LocalOutlierFactor(novelty=True)
        .fit(flat)
        .score_samples(flat_test),
        "OneClassSVM": -OneClassSVM().fit(flat).score_samples(flat_test),
        "IsolationForest": -IsolationForest(random_state=seed)
        .fit(flat)
        .score_samples(flat_test),
    }


def main():
    """Measure and print."""
    args = parser(__doc__)
    args.add_argument("--seeds", type=int, default=3)
    args = args.parse_args()
    machine(args.threads)
    digits = load_digits()
    X, y = digits.images, digits.target
    results = []
    with use_threads(args.threads), quiet():
        for digit in range(2 if args.quick else 10):
            of_seeds = []
            for seed in range(1 if args.quick else args.seeds):
                normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == digit))
                train = normal[: len(normal) // 2]
                test = np.setdiff1d(np.arange(len(y)), train)
                found = scores(X[train], X[test], seed)
                auroc = [roc_auc_score(y[test] != digit, s) for s in found.values()]
                of_seeds.append(auroc)
            results.append([str(digit), *map(float, np.mean(of_seeds, axis=0))])
    mean = np.mean([row[1:] for row in results], axis=0)
    table(["normal", *found], [*results, ["mean", *map(float, mean)]])


if __name__ == "__main__":
    main()
