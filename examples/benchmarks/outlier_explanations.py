"""Which column is to blame: planted anomalies of one column, on correlated columns.

Held-out rows get one column, drawn at random, changed; a method is right if it names that
column first. "far" moves it by 5 of its standard deviations; "inside" puts it at the end of
the column's own middle 98 % that is the farther one from its value, so that nothing but
the other columns tells. Rivals: the squared standardised residual of one `Autoencoder` and
of the detector's own, of a PCA that explains 90 %, and the largest |z|.

Then defects planted in pictures: a 7 x 7 patch of held-out MNIST digits is replaced by
noise, by a bright square or by that of another digit; the heat maps' area under the ROC
curve over the pixels, a mean over the pictures.

Last, false alarms of thresholds by conformal p-values: the share of fresh clean rows at or
below 1, 5 and 10 %, over many draws of calibration rows.
"""

import numpy as np
from _common import curved, machine, parser, quiet, table, use_threads
from _data import load
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, AutoencoderOutlierDetector, ConvolutionalAutoencoder

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


def false_alarms(n_draws, rng):
    """Return the mean share of clean rows at or below each level, and its error."""
    X = curved(6000, 10, latent=3, dtype=np.float64)
    detector = AutoencoderOutlierDetector(purify=False, random_state=0).fit(X[:1000])
    levels, shares = (0.01, 0.05, 0.1), []
    for _ in range(n_draws):
        drawn = 1000 + rng.permutation(5000)
        p = detector.calibrate(X[drawn[:500]]).p_values(X[drawn[500:1500]])
        shares.append([(p <= level).mean() for level in levels])
    shares = np.array(shares)
    return levels, shares.mean(0), shares.std(0) / n_draws**0.5


def main():
    """Measure and print."""
    args = parser(__doc__)
    args.add_argument("--seeds", type=int, default=3)
    args = args.parse_args()
    seeds = range(1 if args.quick else args.seeds)
    machine(args.threads)
    with use_threads(args.threads), quiet():
        for kind in ("far", "inside"):
            results = {}
            for seed in seeds:
                rng = np.random.default_rng(seed)
                for name, X in tables(seed):
                    X = X[rng.permutation(len(X))]
                    n = min(200, len(X) // 4)
                    rows, column = planted(X[n:], X[:n], kind, rng)
                    found = blamed(X[n:], rows, column, seed)
                    results.setdefault(name, []).append(found)
            methods = list(found)
            print(f"## changed column named first: {kind}\n")
            rows = [
                [name, *(float(np.mean([run[m] for run in runs])) for m in methods)]
                for name, runs in results.items()
            ]
            table(["", *methods], rows)
        mnist = load("mnist")
        n_train = 500 if args.quick else 3000
        results = {}
        for seed in seeds:
            rng = np.random.default_rng(seed)
            chosen = rng.permutation(len(mnist["X_train"]))[:n_train]
            X = mnist["X_train"][chosen].astype(float)
            test = mnist["X_test"][rng.permutation(5000)[:200]].astype(float)
            epochs = 2 if args.quick else 10
            convolutional = ConvolutionalAutoencoder(32, image_shape=(28, 28))
            models = {
                "detector": AutoencoderOutlierDetector(purify=False, random_state=seed),
                "detector, convolutional": AutoencoderOutlierDetector(
                    convolutional,
                    n_estimators=2,
                    max_iter=epochs,
                    purify=False,
                    random_state=seed,
                ),
            }
            models = {name: model.fit(X) for name, model in models.items()}
            pca = PCA(32, random_state=seed).fit(X.reshape(len(X), -1))
            for kind in ("noise", "square", "another's"):
                bad, mask = defects(test, kind, rng)
                flat = bad.reshape(len(bad), -1)
                heats = {n: m.feature_contributions(bad) for n, m in models.items()}
                back = pca.inverse_transform(pca.transform(flat))
                heats["PCA's squared error"] = np.square(flat - back)
                mean = X.mean(0)
                heats["from the mean"] = np.square(bad - mean)
                for name, heat in heats.items():
                    results.setdefault((name, kind), []).append(pixel_auroc(heat, mask))
        names = list(dict.fromkeys(name for name, _ in results))
        kinds = list(dict.fromkeys(kind for _, kind in results))
        print("## defects in pictures: AUROC over the pixels\n")
        rows = [[n, *(float(np.mean(results[n, k])) for k in kinds)] for n in names]
        table(["", *kinds], rows)
        rng = np.random.default_rng(0)
        alarms = false_alarms(20 if args.quick else 200, rng)
        print("## false alarms of conformal p-values (500 calibration rows)\n")
        table(["level", "share", "standard error"], np.transpose(alarms).tolist())


if __name__ == "__main__":
    main()
