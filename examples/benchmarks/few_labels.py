"""Classes and numbers from few labels, by what unlabelled rows add and without them.

Parts `digits`, `mnist`, `faces` (pictures), `tables` (classes) and `numbers`; all but
`digits` need files in SKAE_DATA. Test rows are seen by no method.
"""

import copy
import math

import numpy as np
from _common import FIGURES, Table, pyplot, worst
from _data import load
from _tables import table
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ConvolutionalAutoencoder,
)
from skae.networks import ConvolutionalNetwork

OURS, OURS_ALONE, RANDOM = "skae", "skae, graph=None", "same network, random weights"
NETWORK = ConvolutionalNetwork(filters=(16, 32, 64), kernel_size=5)  # the default's


def logistic(C=1.0):
    return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))


def rivals(n_columns, n_labels, seed):
    """Return {name: classifier}; those that want unlabelled rows take y with -1."""
    n = min(32, n_columns, n_labels)
    return {
        "logistic regression": logistic(),
        "PCA, then the same": make_pipeline(PCA(n, random_state=seed), logistic()),
        "MLPClassifier": make_pipeline(
            StandardScaler(), MLPClassifier(max_iter=500, random_state=seed)
        ),
        "random forest": RandomForestClassifier(300, random_state=seed),
        "LabelSpreading": make_pipeline(
            StandardScaler(), LabelSpreading(kernel="knn", n_neighbors=7, max_iter=100)
        ),
        "SelfTrainingClassifier": SelfTrainingClassifier(logistic(), threshold=0.9),
    }


TRANSDUCTIVE = "LabelSpreading", "SelfTrainingClassifier"


def drawn(y, n, seed, least=1):
    """Return rows to be labelled: as many of each class, or at random with one of each."""
    rng, K = np.random.default_rng(seed), len(np.unique(y))
    by_class = [rng.permutation(np.flatnonzero(y == c)) for c in range(K)]
    if n % K == 0 and min(map(len, by_class)) >= n // K:
        return np.concatenate([rows[: n // K] for rows in by_class])
    first = np.array([rows[0] for rows in by_class])
    rest = rng.permutation(np.setdiff1d(np.arange(len(y)), first))
    return np.concatenate([first, rest])[: max(n, K)]


def unlearnt(autoencoder, seed):
    """Return the same fitted autoencoder with an encoder of random weights."""
    other, rng = copy.deepcopy(autoencoder), np.random.default_rng(seed)
    for p in other.net_.module_.encoder.parameters():
        fan_in = math.prod(p.shape[1:])
        values = (
            rng.normal(size=p.shape) / fan_in**0.5
            if p.ndim > 1
            else 0 * p.numpy(force=True)
        )
        p.data.copy_(p.new_tensor(values))
    return other


def compared(X, y, X_test, y_test, autoencoder, n_labels, seed):
    """Return the test accuracy by method, for labels of one draw."""
    labelled = drawn(y, n_labels, seed)
    told = np.full(len(y), -1)
    told[labelled] = y[labelled]
    A, B = (rows.reshape(len(rows), -1) for rows in (X, X_test))
    scores = {}
    for name, model in rivals(A.shape[1], len(labelled), seed).items():
        if name in TRANSDUCTIVE:
            model.fit(A, told)
        else:
            model.fit(A[labelled], y[labelled])
        scores[name] = model.score(B, y_test)
    codes = logistic().fit(autoencoder.transform(X[labelled]), y[labelled])
    scores["frozen codes, then the same"] = codes.score(
        autoencoder.transform(X_test), y_test
    )
    new, alone = unlearnt(autoencoder, seed), {"graph": None, "training": "fine-tune"}
    for name, start, params in (
        (RANDOM, new, alone),
        (OURS_ALONE, autoencoder, alone),
        (OURS, autoencoder, {}),
    ):
        model = AutoencoderClassifier(start, random_state=seed, **params).fit(X, told)
        scores[name] = model.score(X_test, y_test)
    return scores


def learning_curve(name, title, data, autoencoder, sizes, options, seeds, note=None):
    """Yield the table of accuracies by number of labels; mean and worst of the draws."""
    tasks = [(*data, autoencoder, n, 100 + s) for n in sizes for s in range(seeds(n))]
    found = options.each(compared, tasks)
    rows, by_method = [], {}
    for (*_, n, _), scores in zip(tasks, found, strict=True):
        for method, score in scores.items():
            by_method.setdefault(method, {}).setdefault(n, []).append(score)
    for method, scores in by_method.items():
        rows.append((method, *(worst(scores[n], low=True) for n in sizes)))
    header = ("accuracy on test rows", *(f"{n:,} labels" for n in sizes))
    yield Table(name, header, rows, max(map(seeds, sizes)), title, note)
    if not options.quick:
        draw(name, title, by_method, sizes)


def draw(name, title, by_method, sizes):
    """Draw the learning curves."""
    if (plt := pyplot()) is None:
        return
    figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    for method, scores in by_method.items():
        ours = method == OURS
        means = [np.mean(scores[n]) for n in sizes]
        style = {"linewidth": 2.5 if ours else 1, "color": "black" if ours else None}
        axes.plot(sizes, means, marker="o" if ours else ".", label=method, **style)
    axes.set(xscale="log", xlabel="labels", ylabel="accuracy on test rows", title=title)
    axes.set_ylim(bottom=0.4)
    axes.legend(fontsize=7)
    figure.savefig(FIGURES / f"{name}.png", dpi=96)
    plt.close(figure)


def halves(X, y, seed=0, share=0.6):
    order = np.random.default_rng(seed).permutation(len(X))
    n = int(share * len(X))
    return X[order[:n]], y[order[:n]], X[order[n:]], y[order[n:]]


def digits(options):
    """Digits of 8 x 8 pixels."""
    X, y = datasets.load_digits().images, datasets.load_digits().target
    data, epochs = halves(X, y), options.few(10, 2)
    encoder = ConvolutionalAutoencoder(network=NETWORK, max_iter=epochs, random_state=0)
    sizes = options.few((10, 50, 100, 500), (10, 50))
    seeds = lambda n: options.n_seeds(5)  # noqa: E731
    title = "Digits of 8 x 8 pixels, 1,078 rows to learn from"
    encoder.fit(data[0])
    yield from learning_curve(
        "few_labels_digits", title, data, encoder, sizes, options, seeds
    )


def mnist(options):
    """MNIST, 10,000 rows to learn from and 5,000 to test."""
    file, n = load("mnist"), options.few(10_000, 500)
    X, y = file["X_train"][:n] / 255.0, file["y_train"][:n].astype(int)
    data = X, y, file["X_test"] / 255.0, file["y_test"].astype(int)
    epochs = options.few(10, 1)
    encoder = ConvolutionalAutoencoder(network=NETWORK, max_iter=epochs, random_state=0)
    encoder.fit(X)
    sizes = options.few((10, 50, 100, 500, 1000), (10, 50))
    seeds = lambda n: options.n_seeds(5 if n in (10, 100) else 2)  # noqa: E731
    title = "MNIST, 10,000 rows to learn from"
    note = "five draws of 10 and of 100 labels, two of the others"
    yield from learning_curve(
        "few_labels_mnist", title, data, encoder, sizes, options, seeds, note
    )


def faces(options):
    """Olivetti's faces: a few pictures of each person are labelled, of six."""
    file, rows = load("olivetti"), []
    for side in options.few((16, 64), (16,)):
        X = file["X"].reshape(-1, side, 64 // side, side, 64 // side).mean((2, 4)) / 255.0
        sizes, draws = (2, 3, 4, 5), options.n_seeds(3 if side == 16 else 1)
        tasks = [
            (X, file["y"], k, 100 + s, options.few(100, 2))
            for k in sizes
            for s in range(draws)
        ]
        found = iter(options.each(recognised, tasks))
        scores = {k: [next(found) for _ in range(draws)] for k in sizes}
        for method in scores[2][0]:
            cells = [worst([s[method] for s in scores[k]], low=True) for k in sizes]
            rows.append((f"{side} x {side}", method, *cells))
    header = ("pixels", "accuracy on test rows", *(f"{k} pictures a person" for k in sizes))
    title = "Olivetti faces: 240 pictures of 40 persons to learn from, 160 to test"
    note = "three draws at 16 x 16, one at 64 x 64"
    yield Table("few_labels_faces", header, rows, options.n_seeds(3), title, note)


def recognised(X, y, k, seed, epochs):
    """Return the test accuracy by method, with k labelled pictures of each person."""
    rng = np.random.default_rng(seed)
    by_person = [rng.permutation(np.flatnonzero(y == c)) for c in range(40)]
    train = np.concatenate([rows[:6] for rows in by_person])
    test = np.concatenate([rows[6:] for rows in by_person])
    told = np.full(len(train), -1)
    for c in range(40):
        told[6 * c : 6 * c + k] = c
    X_train, known = X[train], told >= 0
    A, B = X_train.reshape(len(train), -1), X[test].reshape(len(test), -1)
    pca = PCA(60, whiten=True, random_state=0).fit(A)
    scores = {
        "logistic regression": logistic().fit(A[known], told[known]).score(B, y[test]),
        "PCA of 60, then the same": logistic()
        .fit(pca.transform(A[known]), told[known])
        .score(pca.transform(B), y[test]),
    }
    encoder = ConvolutionalAutoencoder(60, max_iter=epochs, random_state=seed)
    encoder.fit(X_train)
    codes = logistic().fit(encoder.transform(X_train[known]), told[known])
    scores["frozen codes, then the same"] = codes.score(encoder.transform(X[test]), y[test])
    for name, params in ((OURS_ALONE, {"graph": None}), (OURS, {})):
        model = AutoencoderClassifier(encoder, random_state=seed, **params)
        scores[name] = model.fit(X_train, told).score(X[test], y[test])
    return scores


def of_classes(options):
    """Yield (name, X, y) of tables with classes."""
    for name in ("wine", "breast_cancer", "digits"):
        yield name, *getattr(datasets, f"load_{name}")(return_X_y=True)
    file = load("pbmc68k_reduced")
    yield (
        "pbmc cell types",
        file["X"].astype(float),
        np.unique(file["y"], return_inverse=True)[1],
    )
    file = load("anomaly")
    for name in ("SpamBase", "satellite"):
        rows = np.random.default_rng(0).permutation(len(file[f"{name}__y"]))[:2000]
        yield (
            name,
            file[f"{name}__X"][rows].astype(float),
            file[f"{name}__y"][rows].astype(int),
        )


def tables(options):
    """Tables: labels at random, at least one of each class."""
    rows = []
    for name, X, y in of_classes(options):
        for n in options.few((20, 100, 500), (20,)):
            if n > 0.3 * len(X):
                continue
            tasks = [(X, y, n, 100 + s) for s in range(options.n_seeds(3))]
            found = options.each(labelled_table, tasks)
            cells = {method: [s[method] for s in found] for method in found[0]}
            rows.append((name, n, *(worst(v, low=True) for v in cells.values())))
    header = ("table", "labels", *cells)
    title = "Accuracy on test rows (40 %), by table and number of labels"
    yield Table("few_labels_tables", header, rows, options.n_seeds(3), title)


def labelled_table(X, y, n, seed):
    X, y, X_test, y_test = halves(X, y, seed)
    autoencoder = Autoencoder(random_state=seed).fit(X)
    return compared(X, y, X_test, y_test, autoencoder, n, seed)


def numbers(options):
    """Tables with a number to be told."""
    rows = []
    data = [(name, *datasets.load_diabetes(return_X_y=True)) for name in ("diabetes",)]
    for name, target in (("california_housing", "median_house_value"), ("abalone", None)):
        frame = table(name, 4000)
        y = frame.pop(target or frame.columns[-1]).to_numpy(float)
        data.append((name, frame, y))
    for name, X, y in data:
        for n in options.few((20, 100, 500), (20,)):
            if n > 0.3 * len(y):
                continue
            tasks = [(X, y, n, 100 + s) for s in range(options.n_seeds(3))]
            found = options.each(told_numbers, tasks)
            cells = {method: [s[method] for s in found] for method in found[0]}
            rows.append((name, n, *(worst(v, low=True) for v in cells.values())))
    header = ("table", "known", *cells)
    title = "R2 on test rows (40 %), by table and how many numbers are known"
    yield Table("few_labels_numbers", header, rows, options.n_seeds(3), title)


def told_numbers(X, y, n, seed):
    """Return R2 on test rows by method."""
    frame = X
    if not isinstance(X, np.ndarray):
        frame = X.reset_index(drop=True)
        categories = frame.select_dtypes("category").columns.tolist()
        X = np.column_stack(
            [frame.drop(columns=categories).to_numpy(float)]
            + [
                (frame[c] == v).to_numpy(float)
                for c in categories
                for v in frame[c].cat.categories
            ]
        )
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = order[: int(0.6 * len(y))], order[int(0.6 * len(y)) :]
    known = train[:n]
    plain = {
        "ridge": make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13))),
        "random forest": RandomForestRegressor(300, random_state=seed),
        "MLPRegressor": make_pipeline(
            StandardScaler(), MLPRegressor(max_iter=1000, random_state=seed)
        ),
    }
    scores = {}
    scale = y[known].mean(), y[known].std()  # which the network needs
    for name, model in plain.items():
        model.fit(X[known], (y[known] - scale[0]) / scale[1])
        scores[name] = r2_score(y[test], scale[0] + scale[1] * model.predict(X[test]))
    told = np.where(np.isin(np.arange(len(y)), known), y, np.nan)[train]

    def rows(index):
        return frame.iloc[index] if frame is not X else X[index]

    encoder = Autoencoder(random_state=seed).fit(rows(train))
    codes = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
    codes.fit(encoder.transform(rows(known)), y[known])
    scores["frozen codes, then ridge"] = r2_score(
        y[test], codes.predict(encoder.transform(rows(test)))
    )
    for name, params in (("skae, kernel=None", {"kernel": None}), (OURS, {})):
        model = AutoencoderRegressor(encoder, random_state=seed, **params)
        scores[name] = model.fit(rows(train), told).score(rows(test), y[test])
    return scores


PARTS = {
    "digits": digits, "mnist": mnist, "faces": faces, "tables": tables, "numbers": numbers
}  # fmt: skip
