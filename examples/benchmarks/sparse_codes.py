"""How sparse are sparse codes, what do they explain, and what do they take to store?

Pictures are MNIST's (see `_data.py`), 10,000 to train on, 5,000 to judge by (2,000 in
part C), as they are: (n, 28, 28). Cells are pbmc68k's, of which a fifth is held out, as of
digits. Values are means over seeds.

Part A: defaults, but for `penalty` (and `max_iter` on MNIST, see --epochs). "zeros" is
the share of exact zeros in codes of held-out rows, "mean" that of the training rows' codes
(the target of "kl" is 0.05), "dead" the share of units that no training row turns on,
"explained" the share of held-out rows' variance.

Part B: dead units of 1,024 on MNIST, with and without `revive`: units chosen by matching
pursuit (the default), by a linear encoder, by one with a hidden layer of 128, and by L1.

Part C: variance explained against units that are on in a held-out picture, 512 units on
5,000 MNIST pictures. MiniBatchDictionaryLearning is fitted at several `alpha`; "lasso"
codes with the same, "OMP" with as many units as wanted, the `alpha` that explains most.
KL's codes have no zeros: all but so many of a row's units, those furthest from their mean,
are set to it. "PCA" has as many components as units are on. "fit time" is in units of
PCA's fit.

Part D: bytes on disk of 5,000 test pictures: as they are, compressed, as dense float32
codes and as CSR codes (scipy's save_npz, compressed), and what is explained.
"""

import io

import numpy as np
import scipy.sparse as sp
from _common import machine, parser, quiet, seconds, table, use_threads
from _data import load
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, MiniBatchDictionaryLearning
from sklearn.model_selection import train_test_split

import skae

UNITS, ON = 512, (5, 10, 20, 40)
ALPHAS, BETAS = (0.5, 1.0, 2.0, 4.0), (0.5, 1.0, 2.0, 4.0)


def mnist(n=None):
    """Return pictures to train on and to judge by."""
    data = load("mnist")
    return data["X_train"][:n], data["X_test"][:n]


def split(X, seed):
    """Return four fifths of the rows, and the others."""
    return train_test_split(X, test_size=0.2, random_state=seed)


def flat(X):
    return np.asarray(X, dtype=np.float64).reshape(len(X), -1)


def explained(X_train, X, reconstruction):
    """Return the share of the variance around the training rows' mean."""
    X, mean = flat(X), flat(X_train).mean(0)
    return float(1 - np.square(X - flat(reconstruction)).sum() / np.square(X - mean).sum())


def fitted(X, seed, **params):
    """Return the seconds a fit takes, and the estimator."""
    return seconds(lambda: skae.SparseAutoencoder(random_state=seed, **params).fit(X))


def defaults(seeds, epochs, quick):
    """Part A."""
    sets = {
        "digits": (lambda seed: split(load_digits().data, seed), {}),
        "pbmc68k": (lambda seed: split(load("pbmc68k_reduced")["X"], seed), {}),
        "MNIST": (lambda seed: mnist(1000 if quick else None), {"max_iter": epochs}),
    }
    rows = []
    for name, (data, params) in sets.items():
        for penalty in ("topk", "batch_topk", "l1", "kl"):
            values = []
            for seed in range(seeds):
                X, X_test = data(seed)
                _, model = fitted(X, seed, penalty=penalty, **params)
                codes = model.transform(X_test)
                values.append(
                    (
                        (codes == 0).mean(),
                        model.n_active_units_,
                        model.mean_activation_.mean(),
                        model.dead_units_.mean(),
                        explained(X, X_test, model.reconstruct(X_test)),
                    )
                )
            means = [float(v) for v in np.mean(values, axis=0)]
            rows.append([name, model.n_components_, penalty, *means])
    names = [
        "data",
        "units",
        "penalty",
        "zeros",
        "on in a row",
        "mean",
        "dead",
        "explained",
    ]
    table(names, rows)


def revival(seeds, epochs, quick):
    """Part B."""
    X, X_test = mnist(1000 if quick else None)
    ways = {
        "matching pursuit": {},
        "linear encoder": {"network": ()},
        "hidden layer of 128": {"network": (128,)},
        "L1": {"penalty": "l1"},
    }
    rows = []
    for name, params in ways.items():
        line = [name]
        for revive in (True, False):
            values = []
            for seed in range(seeds):
                _, model = fitted(
                    X, seed, n_components=1024, revive=revive, max_iter=epochs, **params
                )
                score = explained(X, X_test, model.reconstruct(X_test))
                values.append((model.dead_units_.mean(), score))
            line += [float(v) for v in np.mean(values, axis=0)]
        rows.append(line)
    table(["units chosen by", "dead", "explained", "dead, no revival", "explained"], rows)


def nearest_mean(codes, mean, n_on):
    """Return codes in which all but the n_on furthest from a unit's mean are it."""
    far = np.argsort(-np.abs(codes - mean), axis=1)[:, :n_on]
    out = np.broadcast_to(mean, codes.shape).copy()
    np.put_along_axis(out, far, np.take_along_axis(codes, far, 1), 1)
    return out


def curve(seeds, epochs, quick):
    """Part C."""
    X, X_test = mnist(500 if quick else 5000)
    X_test = X_test[:2000]
    mean = flat(X).mean(0)
    scale = flat(X).std()
    A, B = (flat(x - mean.reshape(28, 28)) / scale for x in (X, X_test))
    points, times = {}, {}

    def add(name, on, score, time):
        points.setdefault(name, []).append((float(on), score))
        times.setdefault(name, []).append(time)

    for k in ON:
        time, pca = seconds(lambda k=k: PCA(k, random_state=0).fit(flat(X)))
        score = explained(X, X_test, pca.inverse_transform(pca.transform(flat(X_test))))
        add("PCA", k, score, time)
    pca_time = np.median(times["PCA"])
    for seed in range(seeds):
        params = {"n_components": UNITS, "max_iter": epochs}
        for name, more in (
            ("top-k, pursuit", {}),
            ("the same, codes with signs", {"positive_code": False}),
            ("top-k, linear encoder", {"network": ()}),
        ):
            for k in ON:
                time, model = fitted(X, seed, n_nonzero_coefs=k, **more, **params)
                on = (model.transform(X_test) != 0).sum(1).mean()
                add(name, on, explained(X, X_test, model.reconstruct(X_test)), time)
        for beta in BETAS:
            time, model = fitted(X, seed, penalty="l1", beta=beta, **params)
            on = (model.transform(X_test) != 0).sum(1).mean()
            add("L1", on, explained(X, X_test, model.reconstruct(X_test)), time)
        time, model = fitted(X, seed, penalty="kl", **params)
        codes = model.transform(X_test)
        for k in ON:
            kept = nearest_mean(codes, model.transform(X).mean(0), k)
            add("KL", k, explained(X, X_test, model.inverse_transform(kept)), time)
        coded = {k: [] for k in ON}
        for alpha in ALPHAS:
            time, model = seconds(
                lambda alpha=alpha, seed=seed: MiniBatchDictionaryLearning(
                    UNITS, alpha=alpha, fit_algorithm="cd", random_state=seed
                ).fit(A)
            )
            model.set_params(transform_algorithm="lasso_cd", transform_alpha=alpha)
            codes = model.transform(B)
            score = explained(A, B, codes @ model.components_)
            add("dictionary learning, lasso", (codes != 0).sum(1).mean(), score, time)
            for k in ON:
                model.set_params(transform_algorithm="omp", transform_n_nonzero_coefs=k)
                score = explained(A, B, model.transform(B) @ model.components_)
                coded[k].append((score, time))
        for k in ON:
            add("dictionary learning, OMP", k, *max(coded[k]))
    rows = []
    for name, values in points.items():
        for on, score in np.array(values).reshape(-1, len(ON), 2).mean(0):
            rows.append([name, float(on), float(score), np.median(times[name]) / pca_time])
    table(["method", "on in a row", "explained", "fit time"], rows)


def storage(epochs, quick):
    """Part D."""
    X, X_test = mnist(1000 if quick else None)

    def size(save, *args, **kwargs):
        file = io.BytesIO()
        save(file, *args, **kwargs)
        return len(file.getvalue())

    rows = [
        ["pixels, uint8", size(np.save, X_test), 1.0],
        ["pixels, compressed", size(np.savez_compressed, X_test), 1.0],
    ]
    for k in (10, 51):
        _, model = fitted(
            X, 0, n_components=1024, n_nonzero_coefs=k, sparse_output=True, max_iter=epochs
        )
        codes = model.transform(X_test)
        score = explained(X, X_test, model.inverse_transform(codes))
        dense = codes.toarray()
        half = sp.csr_array(codes.astype(np.float32))
        half.indices = half.indices.astype(np.int16)
        packed = size(
            np.savez_compressed, half.data.astype(np.float16), half.indices, half.indptr
        )
        rows += [
            [f"dense codes, {k} of 1,024 on", size(np.save, dense), score],
            ["the same, CSR, save_npz", size(sp.save_npz, codes), score],
            ["the same, float16 and int16", packed, score],
        ]
    for row in rows:
        row.insert(2, row[1] / rows[0][1])
    table(["5,000 test pictures as", "bytes", "of the pixels'", "explained"], rows)


def main():
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--epochs", type=int, default=30, help="on MNIST")
    arguments.add_argument("--parts", default="ABCD", help="which to run")
    options = arguments.parse_args()
    seeds, epochs = (1, 3) if options.quick else (options.seeds, options.epochs)
    machine(options.threads)
    print(f"{seeds} seeds, {epochs} epochs on MNIST\n")
    parts = {"A": defaults, "B": revival, "C": curve}
    with use_threads(options.threads), quiet():
        for part, run in parts.items():
            if part in options.parts:
                print(f"Part {part}\n")
                run(seeds, epochs, options.quick)
        if "D" in options.parts:
            print("Part D\n")
            storage(epochs, options.quick)


if __name__ == "__main__":
    main()
