"""Binary codes: retrieval, bytes and speed, beside PCA's signs, ITQ, random projections.

Part 1, retrieval: codes are learnt from the training rows of MNIST (10,000 pictures) and
of digits (1,497, another split for each seed), without labels. Each test picture (5,000,
300) ranks the training rows by the Hamming distance of codes; those of its own class are
relevant. Mean average precision over the whole ranking (rows at one distance count
together, as in scikit-learn's `average_precision_score`), and the precision among the
first 10 and 100 (of rows at the distance that is cut through, the expected share). Mean
and spread (half the range) over seeds.

"PCA signs" are the signs of as many principal components; "ITQ" rotates these first so
that signs lose least (Gong and Lazebnik, 2011; 50 turns); "random projections" are signs
of normal projections of centred rows. "plain bits" is `BinaryAutoencoder` with neither
bit noise nor neighbours. Euclidean distances of the pixels are the yardstick.

Part 2, bytes a row, and queries a second: the ten nearest of 10,000 MNIST codes for each
of 1,000, one thread. Rivals take turns in one process; medians, and medians of the ratios
of a turn. All rank by the same distances, so that they find the same up to ties.
"""

import numpy as np
from _common import interleaved, machine, parser, quiet, table, use_threads
from _data import load
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from skae import BinaryAutoencoder
from skae.metrics import hamming_distances

FIRST = (10, 100)


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


def mnist(seed, quick):
    """Return MNIST's training and test rows with their labels; always the same."""
    data = load("mnist")
    n, n_test = (1000, 300) if quick else (10_000, 5000)
    X, X_test = (
        data[name][:m].reshape(m, -1).astype(np.float32) / 255
        for name, m in (("X_train", n), ("X_test", n_test))
    )
    return X, X_test, data["y_train"][:n], data["y_test"][:n_test]


def digits(seed, quick):
    """Return a split of digits by seed."""
    X, y = load_digits(return_X_y=True)
    return train_test_split(X.astype(np.float32), y, test_size=300, random_state=seed)


def retrieval(name, data, shape, seeds, quick):
    """Print the table of one data set."""
    epochs = {"max_iter": 5} if quick else {}
    methods = {
        "random projections": by_chance,
        "PCA signs": by_pca,
        "ITQ": by_itq,
        "BinaryAutoencoder, plain bits": by_skae(
            shape, bit_noise=0.0, n_neighbors=0, **epochs
        ),
        "BinaryAutoencoder": by_skae(shape, **epochs),
    }
    found, rows = {}, []
    for seed in range(seeds):
        X, X_test, y, y_test = data(seed, quick)
        relevant = y_test[:, None] == y
        if seed == 0 or name == "digits":
            distances = ranks(pairwise_distances(X_test, X))
            found.setdefault(("pixels, Euclidean", None), []).append(
                scores(distances, relevant)
            )
        for k in (32, 64):
            for method, learn in methods.items():
                encode = learn(X, k, seed)
                codes, queries = (np.packbits(encode(r), axis=1) for r in (X, X_test))
                distances = hamming_distances(queries, codes)
                found.setdefault((method, k), []).append(scores(distances, relevant))
    for (method, k), values in found.items():
        cells = [
            f"{100 * np.mean(v):.1f} +- {50 * np.ptp(v):.1f}"
            for v in zip(*values, strict=True)
        ]
        rows.append((method, k, *cells))
    rows.sort(key=lambda row: row[1] or 0)
    print(f"{name}: {len(X):,} rows to rank, {len(X_test):,} queries, {seeds} seeds\n")
    table(("codes", "bits", "mAP, %", *(f"precision at {k}, %" for k in FIRST)), rows)


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
    try:
        import faiss
    except ImportError:
        return None
    faiss.omp_set_num_threads(1)
    index = faiss.IndexBinaryFlat(8 * codes.shape[1])
    index.add(codes)
    return lambda: index.search(queries, 10)


def speed(quick, repeats):
    """Print the table of bytes and queries a second."""
    X, X_test, *_ = mnist(0, quick)
    X_test = X_test[:1000]
    epochs = 2 if quick else 20
    searches = {"pixels, Euclidean": (3136, nearest("euclidean", X, X_test))}
    pca = PCA(32, random_state=0).fit(X)
    dense, dense_test = pca.transform(X), pca.transform(X_test)
    searches["32 numbers (PCA), Euclidean"] = 128, nearest("euclidean", dense, dense_test)
    for k in (32, 64):
        hashing = BinaryAutoencoder(k, max_iter=epochs, random_state=0)
        hashing.fit(X.reshape(-1, 28, 28))
        bits, bits_test = (
            hashing.transform(rows.reshape(-1, 28, 28)) for rows in (X, X_test)
        )
        codes, codes_test = np.packbits(bits, axis=1), np.packbits(bits_test, axis=1)
        numbers, numbers_test = bits.astype(np.float32), bits_test.astype(np.float32)
        searches |= {
            f"{k} bits, metric='hamming', brute": (k, nearest("hamming", bits, bits_test)),
            f"{k} bits, metric='hamming', ball tree": (
                k,
                nearest("hamming", bits, bits_test, "ball_tree"),
            ),
            f"{k} bits as float32, Euclidean": (
                4 * k,
                nearest("euclidean", numbers, numbers_test),
            ),
            f"{k} bits packed, hamming_distances and precomputed": (
                k // 8,
                packed(codes, codes_test),
            ),
            f"{k} bits packed, hamming_distances alone": (
                k // 8,
                lambda q=codes_test, c=codes: hamming_distances(q, c),
            ),
            f"{k} bits packed, faiss.IndexBinaryFlat": (
                k // 8,
                faiss_index(codes, codes_test),
            ),
        }
    searches = {name: found for name, found in searches.items() if found[1] is not None}
    times = interleaved({name: search for name, (_, search) in searches.items()}, repeats)
    first = np.array(times["pixels, Euclidean"])
    rows = [
        (
            name,
            searches[name][0],
            float(len(X_test) / np.median(t)),
            float(np.median(first / np.array(t))),
        )
        for name, t in times.items()
    ]
    print(f"{len(X_test):,} queries among {len(X):,} rows, {repeats} turns\n")
    table(("search", "bytes a row", "queries a second", "ratio to pixels"), rows)


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--only", choices=("mnist", "digits", "speed"), help="one part")
    args = options.parse_args()
    machine(args.threads)
    seeds, repeats = (1, 3) if args.quick else (5, 9)
    with use_threads(args.threads), quiet():
        if args.only in (None, "digits"):
            retrieval("digits", digits, (8, 8), seeds, args.quick)
        if args.only in (None, "mnist"):
            retrieval("MNIST", mnist, (28, 28), seeds, args.quick)
        if args.only in (None, "speed"):
            speed(args.quick, repeats)


if __name__ == "__main__":
    main()
