"""Sparse codes: how sparse they are, what they explain, what they find and take to store.

Pictures are MNIST's (see `_data.py`), 10,000 to train on, 5,000 to judge by (2,000 in
"curve"), as they are: (n, 28, 28). Cells are pbmc68k's, of which a fifth is held out, as of
digits. Values are means over seeds.

planted: who finds the directions that rows were made of? Rows are sums of a few directions
    out of four times as many as there are columns, plus noise of 5 % of their deviation:
    directions are drawn at random on the sphere, which of them a row has too, and how much
    of each between 0.5 and 1.5, with a random sign ("signed") or none. 10,000 rows. A
    direction is found if some component's cosine with it is above 0.9 (in absolute value,
    if signed); mean (least) over seeds. All are told the number of directions, and ours by
    top-k and MiniBatchDictionaryLearning's codes how many are in a row; its `alpha` is the
    one of three whose codes explain most, the `beta` of L1 the one of four whose rows have
    the most nearly so many units on. MiniBatchDictionaryLearning stops at its defaults
    after a few batches without gain: "20 passes", with an `alpha` of 0.1, goes on. NMF gets
    the rows less each column's least value. SparsePCA's components are sparse, not its
    codes: it is there as the one that is easily confused, and gets 1,000 rows and 50
    iterations. "explained" is the share of 2,000 fresh rows' variance, with so many
    directions in a row as there are (SparsePCA and NMF: with all; L1: with those that are
    on). Time is in units of the first method's.
defaults: but for `penalty` (and 15 epochs on MNIST, as in "revival" and "storage").
    "zeros" is the share of exact zeros in codes of held-out rows, "mean" that of the
    training rows' codes (the target of "kl" is 0.05), "dead" the share of units that no
    training row turns on.
revival: dead units of 1,024 on MNIST, with and without `revive`: units chosen by matching
    pursuit (the default), by a linear encoder, by one with a hidden layer of 128, by L1.
curve: variance explained against units that are on in a held-out picture, 512 units, 30
    epochs, 5,000 MNIST pictures. MiniBatchDictionaryLearning is fitted at several `alpha`;
    "lasso" codes with the same, "OMP" with as many units as wanted, the `alpha` that
    explains most. KL's codes have no zeros: all but so many of a row's units, those
    furthest from their mean, are set to it. "PCA" has as many components as units are on.
    Time is in units of its.
storage: bytes of 5,000 test pictures: as they are, compressed, as dense float32 codes and
    as CSR codes (scipy's save_npz, compressed), and what is explained; one seed.
"""

import io

import numpy as np
import scipy.sparse as sp
from _common import Table, explained, seconds, worst
from _data import load
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF, PCA, MiniBatchDictionaryLearning, SparsePCA
from sklearn.model_selection import train_test_split

import skae
from skae.likelihoods import Gaussian

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
    """Return rows."""
    return np.asarray(X, dtype=np.float64).reshape(len(X), -1)


def fitted(X, seed, **params):
    """Return the seconds a fit takes, and the estimator."""
    return seconds(lambda: skae.SparseAutoencoder(random_state=seed, **params).fit(X))


# A planted dictionary

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


def best(candidates, fit):
    """Return what the best candidate found and explains, and the seconds it took.

    `fit` returns the components, the share explained, and what is to be largest.
    """
    results = []
    for candidate in candidates:
        time, (components, score, merit) = seconds(lambda c=candidate: fit(c))
        results.append((merit, components, score, time))
    return max(results, key=lambda r: r[0])[1:]


def by_skae(X, fresh, k, seed, **params):
    """Return the components of ours, what they explain, and how near k are on."""
    autoencoder = skae.SparseAutoencoder(
        4 * X.shape[1], likelihood=Gaussian(scale="global"), random_state=seed, **params
    ).fit(X)
    score = explained(fresh, autoencoder.reconstruct(fresh), fresh.mean(0))
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
    score = explained(
        fresh, model.transform(fresh - mean) @ model.components_ + mean, fresh.mean(0)
    )
    return model.components_, score, score


def sparse_pca(X, fresh, seed):
    """Return the components of SparsePCA, and what they explain, twice."""
    model = SparsePCA(4 * X.shape[1], max_iter=50, random_state=seed).fit(X[:1000])
    score = explained(fresh, model.inverse_transform(model.transform(fresh)), fresh.mean(0))
    return model.components_, score, score


def nmf(X, fresh, seed):
    """Return the components of NMF, and what they explain, twice."""
    low = np.minimum(X.min(0), fresh.min(0))
    model = NMF(4 * X.shape[1], init="random", random_state=seed).fit(X - low)
    score = explained(
        fresh, model.inverse_transform(model.transform(fresh - low)) + low, fresh.mean(0)
    )
    return model.components_, score, score


def methods(X, fresh, k, seed):
    """Return what finds components, by name."""
    return {
        "top-k, matching pursuit": lambda: best(
            [None], lambda _: by_skae(X, fresh, k, seed, n_nonzero_coefs=k)
        ),
        "top-k, linear encoder": lambda: best(
            [None], lambda _: by_skae(X, fresh, k, seed, n_nonzero_coefs=k, network=())
        ),
        "L1": lambda: best(
            [0.3, 1.0, 2.0, 3.0],
            lambda beta: by_skae(X, fresh, k, seed, penalty="l1", beta=beta),
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


def dictionaries(options):
    """Find planted directions."""
    n, seeds = options.few((ROWS, options.n_seeds()), (1_000, 1))
    settings = [
        ("positive", 32, 3, False),
        ("signed", 32, 3, True),
        ("256 in 64, positive", 64, 5, False),
        ("256 in 64, signed", 64, 5, True),
    ]
    rows = []
    for title, d, k, signed in options.few(settings, settings[:1]):
        results = {}
        for seed in range(seeds):
            X, fresh, directions = planted(n, d, k, signed, seed)
            for name, method in methods(X, fresh, k, seed).items():
                components, score, time = method()
                share = found(components, directions, signed)
                results.setdefault(name, []).append((share, score, time))
        ours = np.median([r[2] for r in results["top-k, matching pursuit"]])
        for name, values in results.items():
            share, score, time = np.transpose(values)
            ratio = float(np.median(time) / ours)
            rows.append([title, name, worst(share, low=True), float(score.mean()), ratio])
    header = "planted", "method", "found", "explained", "time"
    yield Table("sparse_planted", header, rows, seeds)


# Codes


def score(model, X, X_test):
    """Return what a fitted autoencoder explains of test rows."""
    return explained(flat(X_test), flat(model.reconstruct(X_test)), flat(X).mean(0))


def defaults(options):
    """Look at the codes of each penalty."""
    epochs, seeds = options.few(15, 2), options.n_seeds()
    sets = {
        "digits": (lambda seed: split(load_digits().data, seed), {}),
        "pbmc68k": (lambda seed: split(load("pbmc68k_reduced")["X"], seed), {}),
        "MNIST": (lambda seed: mnist(options.few(None, 500)), {"max_iter": epochs}),
    }
    rows = []
    for name, (data, params) in sets.items():
        for penalty in ("topk", "batch_topk", "l1", "kl"):
            values = []
            for seed in range(seeds):
                X, X_test = data(seed)
                _, model = fitted(X, seed, penalty=penalty, **params)
                values.append(
                    (
                        (model.transform(X_test) == 0).mean(),
                        model.n_active_units_,
                        model.mean_activation_.mean(),
                        model.dead_units_.mean(),
                        score(model, X, X_test),
                    )
                )
            means = np.mean(values, axis=0).tolist()
            rows.append([name, model.n_components_, penalty, *means])
    header = (
        "data", "units", "penalty", "zeros", "on in a row", "mean", "dead", "explained",
    )  # fmt: skip
    yield Table("sparse_defaults", header, rows, seeds)


def revival(options):
    """Count dead units."""
    X, X_test = mnist(options.few(None, 500))
    epochs, seeds = options.few(15, 2), options.n_seeds()
    ways = {
        "matching pursuit": {},
        "linear encoder": {"network": ()},
        "hidden layer of 128": {"network": (128,)},
        "L1": {"penalty": "l1"},
    }
    rows = []
    for name, params in ways.items():
        row = [name]
        for revive in (True, False):
            more = {"n_components": 1024, "revive": revive, "max_iter": epochs} | params
            models = [fitted(X, seed, **more)[1] for seed in range(seeds)]
            values = [(m.dead_units_.mean(), score(m, X, X_test)) for m in models]
            row += np.mean(values, axis=0).tolist()
        rows.append(row)
    header = (
        "units chosen by", "dead", "explained", "dead, no revival", "explained, no revival",
    )  # fmt: skip
    yield Table("sparse_revival", header, rows, seeds)


def nearest_mean(codes, mean, n_on):
    """Return codes in which all but the n_on furthest from a unit's mean are it."""
    far = np.argsort(-np.abs(codes - mean), axis=1)[:, :n_on]
    out = np.broadcast_to(mean, codes.shape).copy()
    np.put_along_axis(out, far, np.take_along_axis(codes, far, 1), 1)
    return out


def curve(options):
    """Explain by more and more units."""
    (X, X_test), seeds = mnist(options.few(5000, 300)), options.n_seeds()
    X_test, mean, scale = X_test[:2000], flat(X).mean(0), flat(X).std()
    A, B = ((flat(x) - mean) / scale for x in (X, X_test))
    points, times = {}, {}

    def add(name, on, score, time):
        points.setdefault(name, []).append((float(on), score))
        times.setdefault(name, []).append(time)

    def of(model, codes, name, time):
        add(name, (codes != 0).sum(1).mean(), score(model, X, X_test), time)

    for k in ON:
        time, pca = seconds(lambda k=k: PCA(k, random_state=0).fit(flat(X)))
        back = pca.inverse_transform(pca.transform(flat(X_test)))
        add("PCA", k, explained(flat(X_test), back, mean), time)
    params = {"n_components": options.few(UNITS, 128), "max_iter": options.few(30, 2)}
    for seed in range(seeds):
        for name, more in (
            ("top-k, pursuit", {}),
            ("the same, codes with signs", {"positive_code": False}),
            ("top-k, linear encoder", {"network": ()}),
        ):
            for k in ON:
                time, model = fitted(X, seed, n_nonzero_coefs=k, **more, **params)
                of(model, model.transform(X_test), name, time)
        for beta in BETAS:
            time, model = fitted(X, seed, penalty="l1", beta=beta, **params)
            of(model, model.transform(X_test), "L1", time)
        time, model = fitted(X, seed, penalty="kl", **params)
        codes, middle = model.transform(X_test), model.transform(X).mean(0)
        for k in ON:
            back = model.inverse_transform(nearest_mean(codes, middle, k))
            add("KL", k, explained(flat(X_test), flat(back), mean), time)
        coded = {k: [] for k in ON}
        for alpha in ALPHAS:
            model = MiniBatchDictionaryLearning(
                params["n_components"], alpha=alpha, fit_algorithm="cd", random_state=seed
            )
            time, _ = seconds(lambda model=model: model.fit(A))
            model.set_params(transform_algorithm="lasso_cd", transform_alpha=alpha)
            codes = model.transform(B)
            share = explained(B, codes @ model.components_, A.mean(0))
            add("dictionary learning, lasso", (codes != 0).sum(1).mean(), share, time)
            for k in ON:
                model.set_params(transform_algorithm="omp", transform_n_nonzero_coefs=k)
                share = explained(B, model.transform(B) @ model.components_, A.mean(0))
                coded[k].append((share, time))
        for k in ON:
            add("dictionary learning, OMP", k, *max(coded[k]))
    pca_time, rows = np.median(times["PCA"]), []
    for name, values in points.items():
        means = np.array(values).reshape(-1, len(ON), 2).mean(0)
        cells = ", ".join(f"{on:.3g}: {share:.3f}" for on, share in means)
        rows.append([name, cells, float(np.median(times[name]) / pca_time)])
    yield Table("sparse_curve", ("method", "on in a row: explained", "fit"), rows, seeds)


def storage(options):
    """Count bytes."""
    X, X_test = mnist(options.few(None, 500))

    def size(save, *args, **kwargs):
        file = io.BytesIO()
        save(file, *args, **kwargs)
        return len(file.getvalue())

    rows = [
        ["pixels, uint8", size(np.save, X_test), 1.0],
        ["pixels, compressed", size(np.savez_compressed, X_test), 1.0],
    ]
    params = {"n_components": 1024, "sparse_output": True, "max_iter": options.few(15, 2)}
    for k in (10, 51):
        _, model = fitted(X, 0, n_nonzero_coefs=k, **params)
        codes, share = model.transform(X_test), score(model, X, X_test)
        half = sp.csr_array(codes.astype(np.float32))
        half.indices = half.indices.astype(np.int16)
        parts = half.data.astype(np.float16), half.indices, half.indptr
        rows += [
            [f"dense codes, {k} of 1,024 on", size(np.save, codes.toarray()), share],
            ["the same, CSR, save_npz", size(sp.save_npz, codes), share],
            ["the same, float16 and int16", size(np.savez_compressed, *parts), share],
        ]
    rows = [(name, n, n / rows[0][1], share) for name, n, share in rows]
    header = f"{len(X_test):,} test pictures as", "bytes", "of the pixels'", "explained"
    yield Table("sparse_storage", header, rows, 1)


PARTS = {
    "planted": dictionaries,
    "defaults": defaults,
    "revival": revival,
    "curve": curve,
    "storage": storage,
}
