"""Binary codes: retrieval, bytes and speed, beside PCA's signs, ITQ, random projections.

mnist, digits: codes are learnt from the training rows of MNIST (10,000 pictures) and
of digits (1,497, another split for each seed), without labels. Each test picture (5,000,
300) ranks the training rows by the Hamming distance of codes; those of its own class are
relevant. Mean average precision over the whole ranking (rows at one distance count
together, as in scikit-learn's `average_precision_score`), and the precision among the
first 10 and 100 (of rows at the distance that is cut through, the expected share). Mean
and spread (half the range) over seeds.

"PCA signs" are the signs of as many principal components; "ITQ" rotates these first so
that signs lose least (Gong and Lazebnik, 2011; 50 turns); "random projections" are signs
of normal projections of centred rows. "bit_noise=0, n_neighbors=0" is
`BinaryAutoencoder` with neither. Euclidean distances of the pixels are the yardstick.

speed: bytes a row, and queries a second: the ten nearest of 10,000 MNIST codes for each
of 1,000, one thread. Rivals take turns in one process; medians, and medians of the ratios
of a turn. All rank by the same distances, so that they find the same up to ties.
"""

from functools import partial
from itertools import product

import numpy as np
from _common import Table, interleaved, optional
from _data import load
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from skae import BinaryAutoencoder
from skae.metrics import hamming_distances

FIRST, BITS = (10, 100), (32, 64)


# Retrieval


def scores(distances, relevant):
    """Return mean average precision and the precisions, from whole distances (q, n)."""
    n_levels = int(distances.max()) + 1
    place = distances.astype(np.int64) + n_levels * np.arange(len(distances))[:, None]
    shape, size = (len(distances), n_levels), len(distances) * n_levels
    n = np.bincount(place.ravel(), minlength=size).reshape(shape)
    hits = np.bincount(place[relevant], minlength=size).reshape(shape)
    n_so_far, hits_so_far = n.cumsum(1), hits.cumsum(1)
    precision = hits_so_far / np.maximum(n_so_far, 1)
    result = [(hits * precision).sum(1) / hits_so_far[:, -1]]
    every = np.arange(len(distances))
    for k in FIRST:
        cut = (n_so_far >= k).argmax(1)
        inside = n_so_far[every, cut] - n[every, cut]
        found = hits_so_far[every, cut] - hits[every, cut]
        share = hits[every, cut] / n[every, cut]
        result.append((found + (k - inside) * share) / k)
    return [float(values.mean()) for values in result]


def ranks(distances):
    """Return the places of distances (q, n) in their row: whole, without ties."""
    return distances.argsort(1, kind="stable").argsort(1)


def by_pca(X, k, seed):
    """Return the signs of principal components, as a function."""
    pca = PCA(k, random_state=seed).fit(X)
    return lambda rows: pca.transform(rows) > 0


def by_itq(X, k, seed):
    """Return the signs of rotated principal components."""
    pca = PCA(k, random_state=seed).fit(X)
    codes = pca.transform(X)
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((k, k)))[0]
    for _ in range(50):
        signs = np.where(codes @ rotation > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(codes.T @ signs)
        rotation = left @ right
    return lambda rows: pca.transform(rows) @ rotation > 0


def by_chance(X, k, seed):
    """Return the signs of random projections."""
    rng = np.random.default_rng(seed)
    mean, directions = X.mean(0), rng.standard_normal((X.shape[1], k))
    return lambda rows: (rows - mean) @ directions > 0


def by_skae(shape, **params):
    """Return the bits of a `BinaryAutoencoder`, which sees pictures."""

    def learn(X, k, seed):
        hashing = BinaryAutoencoder(k, random_state=seed, **params)
        hashing.fit(X.reshape(-1, *shape))
        return lambda rows: hashing.transform(rows.reshape(-1, *shape))

    return learn


def mnist_rows(seed, quick):
    """Return MNIST's training and test rows with their labels; always the same."""
    data = load("mnist")
    n, n_test = (1000, 300) if quick else (10_000, 5000)
    X, X_test = (
        data[name][:m].reshape(m, -1).astype(np.float32) / 255
        for name, m in (("X_train", n), ("X_test", n_test))
    )
    return X, X_test, data["y_train"][:n], data["y_test"][:n_test]


def digits_rows(seed, quick):
    """Return a split of digits by seed."""
    X, y = load_digits(return_X_y=True)
    return train_test_split(X.astype(np.float32), y, test_size=300, random_state=seed)


def retrieval(name, data, shape, options):
    """Rank the training rows of one data set."""
    epochs, seeds = options.few({}, {"max_iter": 5}), range(options.n_seeds(5))
    methods = {
        "random projections": by_chance,
        "PCA signs": by_pca,
        "ITQ (rotated PCA signs)": by_itq,
        "bit_noise=0, n_neighbors=0": by_skae(
            shape, bit_noise=0.0, n_neighbors=0, **epochs
        ),
        "BinaryAutoencoder": by_skae(shape, **epochs),
    }
    found, pixels = {}, []
    for seed in seeds:
        X, X_test, y, y_test = data(seed, options.quick)
        relevant = y_test[:, None] == y
        if seed == 0 or name == "digits":
            distances = ranks(pairwise_distances(X_test, X))
            pixels.append(scores(distances, relevant))
        for (method, learn), k in product(methods.items(), BITS):
            encode = learn(X, k, seed)
            codes, queries = (np.packbits(encode(r), axis=1) for r in (X, X_test))
            distances = hamming_distances(queries, codes)
            found.setdefault(method, {}).setdefault(k, []).append(
                scores(distances, relevant)
            )

    def cells(values):
        first, *others = 100 * np.transpose(values)
        half = f" ± {np.ptp(first) / 2:.1f}" if len(first) > 1 else ""
        return f"{first.mean():.1f}{half}", *(f"{v.mean():.1f}" for v in others)

    rows = [(m, *sum((cells(of[k]) for k in BITS), ())) for m, of in found.items()]
    rows.append(("pixels, Euclidean distance", *cells(pixels), *[None] * 3))
    columns = ("mAP", *(f"first {n}" for n in FIRST))
    header = ["codes", *(f"{what}, {k} bits" for k in BITS for what in columns)]
    title = f"{name}, {len(X):,} rows, {len(X_test):,} queries"
    yield Table(f"hashing_{name.lower()}", header, rows, len(seeds), title)


# Bytes and speed


def nearest(metric, X, queries, algorithm="brute"):
    """Return a function that finds ten neighbours, its index already built."""
    index = NearestNeighbors(n_neighbors=10, metric=metric, algorithm=algorithm).fit(X)
    return lambda: index.kneighbors(queries, return_distance=False)


def packed(codes, queries):
    """Return the same by packed codes: distances in blocks, then scikit-learn's search."""
    nothing = np.zeros((len(codes), len(codes)), dtype=np.float32)  # never looked at
    index = NearestNeighbors(n_neighbors=10, metric="precomputed").fit(nothing)
    return lambda: index.kneighbors(
        hamming_distances(queries, codes), return_distance=False
    )


def faiss_index(codes, queries):
    """Return the same by faiss, or None where it is not installed."""
    if not (faiss := optional("faiss", "faiss-cpu")):
        return None
    faiss.omp_set_num_threads(1)
    index = faiss.IndexBinaryFlat(8 * codes.shape[1])
    index.add(codes)
    return lambda: index.search(queries, 10)


def speed(options):
    """Count bytes, and queries a second."""
    X, X_test, *_ = mnist_rows(0, options.quick)
    X_test = X_test[:1000]
    searches = {"pixels, Euclidean": (3136, nearest("euclidean", X, X_test))}
    pca = PCA(32, random_state=0).fit(X)
    dense, dense_test = pca.transform(X), pca.transform(X_test)
    searches["32 numbers (PCA), Euclidean"] = 128, nearest("euclidean", dense, dense_test)
    for k in BITS:
        epochs = options.few(20, 2)
        hashing = BinaryAutoencoder(k, max_iter=epochs, random_state=0)
        hashing.fit(X.reshape(-1, 28, 28))
        bits, queries = (hashing.transform(x.reshape(-1, 28, 28)) for x in (X, X_test))
        codes = [np.packbits(b, axis=1) for b in (bits, queries)]
        numbers = [b.astype(np.float32) for b in (bits, queries)]
        of_k = {
            'bits, metric="hamming", brute': (k, nearest("hamming", bits, queries)),
            'bits, metric="hamming", ball tree': (
                k,
                nearest("hamming", bits, queries, "ball_tree"),
            ),
            "bits as float32, Euclidean": (4 * k, nearest("euclidean", *numbers)),
            'bits packed, hamming_distances and metric="precomputed"': (
                k // 8,
                packed(*codes),
            ),
            "bits packed, hamming_distances alone": (
                k // 8,
                lambda codes=codes: hamming_distances(codes[1], codes[0]),
            ),
            "bits packed, faiss.IndexBinaryFlat": (k // 8, faiss_index(*codes)),
        }
        searches |= {f"{k} {name}": found for name, found in of_k.items() if found[1]}
    functions = {name: search for name, (_, search) in searches.items()}
    times = interleaved(functions, options.few(9, 3))
    first = times["pixels, Euclidean"]
    rows = [
        (
            name,
            searches[name][0],
            int(len(X_test) / np.median(t)),
            float(np.median(first / t)),
        )
        for name, t in times.items()
    ]
    header = "search", "bytes a row", "queries a second", "ratio to pixels"
    yield Table("hashing_speed", header, rows)


PARTS = {
    "digits": partial(retrieval, "digits", digits_rows, (8, 8)),
    "mnist": partial(retrieval, "MNIST", mnist_rows, (28, 28)),
    "speed": speed,
}
