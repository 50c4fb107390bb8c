"""Who finds the directions that rows were made of?

Rows are sums of a few directions out of four times as many as there are columns, plus
noise of 5 % of their deviation: directions are drawn at random on the sphere, which of
them a row has too, and how much of each between 0.5 and 1.5, with a random sign ("signed")
or none. 10,000 rows, several seeds. A direction is found if some component's cosine with
it is above 0.9 (in absolute value, if signed).

All are told the number of directions, and ours by top-k and
MiniBatchDictionaryLearning's codes how many are in a row; its `alpha` is the one of three
whose codes explain most, the `beta` of L1 the one of four whose rows have the most nearly
so many units on. MiniBatchDictionaryLearning stops at its defaults after a few batches
without gain: "20 passes", with an `alpha` of 0.1, goes on. NMF gets the rows less each
column's least value. SparsePCA's components are sparse, not its codes:
it is there as the one that is easily confused, and gets 1,000 rows and 50 iterations.
"explained" is the share of 2,000 fresh rows' variance, with so many directions in a row
as there are (SparsePCA and NMF: with all; L1: with those that are on).

Time is in units of ours, in the same run: one process, one thread, one after another.
"""

import numpy as np
from _common import machine, parser, quiet, seconds, table, use_threads
from sklearn.decomposition import NMF, MiniBatchDictionaryLearning, SparsePCA

import skae
from skae.likelihoods import Gaussian

ROWS, FRESH, NOISE = 10_000, 2_000, 0.05


def planted(n, d, k, signed, seed):
    """Return rows, fresh rows and the 4 d directions they were made of."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(4 * d, d))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    codes = np.zeros((n + FRESH, 4 * d))
    for row in codes:
        sign = rng.choice([-1, 1], k) if signed else 1
        row[rng.choice(4 * d, k, replace=False)] = sign * rng.uniform(0.5, 1.5, k)
    X = codes @ directions
    X += NOISE * X.std() * rng.normal(size=X.shape)
    return X[:n], X[n:], directions


def found(components, directions, signed):
    """Return the share of the directions that a component is close to."""
    norm = np.linalg.norm(components, axis=1, keepdims=True)
    cosine = directions @ (components / np.maximum(norm, 1e-12)).T
    return float(((np.abs(cosine) if signed else cosine).max(1) > 0.9).mean())


def explained(X, reconstruction):
    """Return the share of the rows' variance."""
    return float(1 - np.square(X - reconstruction).sum() / np.square(X - X.mean(0)).sum())


def best(candidates, fit):
    """Return what the best candidate found and explains, and the seconds it took.

    `fit` returns the components, the share explained, and what is to be largest.
    """
    results = []
    for candidate in candidates:
        time, (components, score, merit) = seconds(lambda c=candidate: fit(c))
        results.append((merit, components, score, time))
    return max(results, key=lambda r: r[0])[1:]


def sparse(X, fresh, k, seed, **params):
    """Return the components of ours, what they explain, and how near k are on."""
    autoencoder = skae.SparseAutoencoder(
        4 * X.shape[1], likelihood=Gaussian(scale="global"), random_state=seed, **params
    ).fit(X)
    score = explained(fresh, autoencoder.reconstruct(fresh))
    return autoencoder.components_, score, -abs(autoencoder.n_active_units_ - k)


def dictionary(X, fresh, k, alpha, seed, **params):
    """Return the components of dictionary learning, and what they explain, twice."""
    mean = X.mean(0)
    model = MiniBatchDictionaryLearning(
        4 * X.shape[1],
        alpha=alpha,
        fit_algorithm="cd",
        transform_algorithm="omp",
        transform_n_nonzero_coefs=k,
        random_state=seed,
        **params,
    ).fit(X - mean)
    score = explained(fresh, model.transform(fresh - mean) @ model.components_ + mean)
    return model.components_, score, score


def sparse_pca(X, fresh, seed):
    """Return the components of SparsePCA, and what they explain, twice."""
    model = SparsePCA(4 * X.shape[1], max_iter=50, random_state=seed).fit(X[:1000])
    score = explained(fresh, model.inverse_transform(model.transform(fresh)))
    return model.components_, score, score


def nmf(X, fresh, seed):
    """Return the components of NMF, and what they explain, twice."""
    low = np.minimum(X.min(0), fresh.min(0))
    model = NMF(4 * X.shape[1], init="random", random_state=seed).fit(X - low)
    score = explained(fresh, model.inverse_transform(model.transform(fresh - low)) + low)
    return model.components_, score, score


def methods(X, fresh, k, seed):
    """Return what finds components, by name."""
    return {
        "top-k, matching pursuit": lambda: best(
            [None], lambda _: sparse(X, fresh, k, seed, n_nonzero_coefs=k)
        ),
        "top-k, linear encoder": lambda: best(
            [None], lambda _: sparse(X, fresh, k, seed, n_nonzero_coefs=k, network=())
        ),
        "L1": lambda: best(
            [0.3, 1.0, 2.0, 3.0],
            lambda beta: sparse(X, fresh, k, seed, penalty="l1", beta=beta),
        ),
        "MiniBatchDictionaryLearning": lambda: best(
            [0.03, 0.1, 0.3], lambda alpha: dictionary(X, fresh, k, alpha, seed)
        ),
        "the same, 20 passes": lambda: best(
            [0.1],
            lambda alpha: dictionary(
                X, fresh, k, alpha, seed, max_iter=20, tol=0, max_no_improvement=None
            ),
        ),
        "NMF": lambda: best([None], lambda _: nmf(X, fresh, seed)),
        "SparsePCA": lambda: best([None], lambda _: sparse_pca(X, fresh, seed)),
    }


def main():
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, default=3)
    options = arguments.parse_args()
    n, seeds = (2_000, 1) if options.quick else (ROWS, options.seeds)
    settings = [(32, 3, False), (32, 3, True), (64, 5, False), (64, 5, True)]
    machine(options.threads)
    print(f"{n:,} rows, {seeds} seeds; mean (least) over the seeds\n")
    rows = []
    with use_threads(options.threads), quiet():
        for d, k, signed in settings[:1] if options.quick else settings:
            results = {}
            for seed in range(seeds):
                X, fresh, directions = planted(n, d, k, signed, seed)
                for name, method in methods(X, fresh, k, seed).items():
                    components, score, time = method()
                    share = found(components, directions, signed)
                    results.setdefault(name, []).append((share, score, time))
            ours = np.median([r[2] for r in results["top-k, matching pursuit"]])
            for name, values in results.items():
                share, score, time = np.array(values).T
                rows.append(
                    [
                        f"{4 * d} in {d}, {k} a row, {'signed' if signed else 'positive'}",
                        name,
                        f"{share.mean():.3f} ({share.min():.3f})",
                        float(score.mean()),
                        float(np.median(time) / ours),
                    ]
                )
            table(
                ["planted", "method", "found", "explained", "time"], rows[-len(results) :]
            )


if __name__ == "__main__":
    main()
