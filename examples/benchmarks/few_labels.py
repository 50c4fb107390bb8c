"""A classifier from 100 labels: what the rows without labels are worth.

MNIST's 10,000 training rows (see `_data.py`), divided by 255, of which ten of each class
have their label; a seed draws which, and is the methods' random state. Test error is that
of the 5,000 test rows, in %; "unlabelled" is the error, in %, on the 9,900 training rows
whose labels were hidden, where a method uses them. Mean and worst are over seeds. Nobody
sees a test label, nor a hidden one: what is chosen is chosen by cross-validation of the
100 labelled rows (five folds, stratified), and nothing stops early.

- `AdversarialAutoencoder`: `n_clusters="labels"`, a code of 10, dense layers (400, 400),
  the Bernoulli likelihood, Gaussian noise of 0.3 in the input, `--epochs` epochs of all
  rows; and the same with ``cluster_init="random"``: told the 100 labels alone, as in the
  paper, not those to which they spread along the graph of neighbours.
- "its encoder, labels alone": 784-400-400-10 with the same activation and noise in the
  input, cross-entropy, Adam (0.001), 500 steps of all 100 labelled rows.
- `LogisticRegression` (C chosen) and `SVC` (C and gamma chosen) of pixels, labels alone.
- `LogisticRegression` (C chosen) of 32 standardised principal components of all rows, and
  of as many standardised codes of an `Autoencoder(32)`, fitted to all rows, at defaults
  but for `max_iter` (`--epochs`).
- `LabelSpreading` of 32 principal components, 500 iterations at most: kernel "knn", in
  which rows listen to their neighbours alone; and "both ways", the same graph made
  symmetric, as by those who proposed the method (Zhou et al., 2004). Number of neighbours
  (10, 20) and alpha (0.2, 0.8, 0.99) chosen, or theirs, alpha 0.99, with 10 neighbours.
- `SelfTrainingClassifier` of the logistic regression of 32 principal components, with the C
  chosen above; a row gets a label once its probability is above 0.9, for 10 rounds. (Of an
  `SVC` it changes nothing: calibrated by 100 rows, none is as sure as that.)
"""

import warnings

import numpy as np
import torch
from _common import machine, parser, quiet, seconds, table, use_threads
from _data import load
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import NearestNeighbors, kneighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.svm import SVC
from torch import nn

import skae

NOISE = 0.3
NOTE = """\
With 100 labels and all 60,000 training rows, the paper on adversarial autoencoders
(Makhzani et al., 2016) has an error of 1.90 %; independent reproductions have 5 to 5.5 %.
"""


class Task:
    """Rows, the labels that are known (-1: hidden), and the truth, for judging."""

    def __init__(self, seed, quick):
        data = load("mnist")
        n, n_test = (1000, 500) if quick else (None, None)
        self.seed = seed
        self.pictures, self.test_pictures = (
            data[name][:m].astype(np.float32) / 255
            for name, m in (("X_train", n), ("X_test", n_test))
        )
        self.X, self.X_test = (
            pictures.reshape(len(pictures), -1)
            for pictures in (self.pictures, self.test_pictures)
        )
        self.truth, self.truth_test = (
            data[name][:m].astype(int) for name, m in (("y_train", n), ("y_test", n_test))
        )
        rng = np.random.default_rng(seed)
        self.labelled = np.concatenate(
            [
                rng.choice(np.flatnonzero(self.truth == k), 10, replace=False)
                for k in range(10)
            ]
        )
        self.y = np.full(len(self.X), -1)
        self.y[self.labelled] = self.truth[self.labelled]
        self.pca = PCA(32, random_state=seed).fit(self.X)
        self.Z, self.Z_test = self.pca.transform(self.X), self.pca.transform(self.X_test)
        self.folds = StratifiedKFold(5, shuffle=True, random_state=seed)

    def errors(self, test, hidden=None):
        """Return the errors in %; `hidden` are predictions for all training rows."""
        first = 100 * float((test != self.truth_test).mean())
        if hidden is None:
            return first, None
        wrong = (hidden != self.truth)[self.y == -1]
        return first, 100 * float(wrong.mean())

    def search(self, model, grid, Z, Z_test):
        """Return the errors of a model chosen and fitted by the labelled rows alone."""
        best = GridSearchCV(model, grid, cv=self.folds)
        best.fit(Z[self.labelled], self.y[self.labelled])
        return best, self.errors(best.predict(Z_test))


def logistic(**params):
    """Return a logistic regression of standardised columns."""
    model = LogisticRegression(max_iter=5000, **params)
    return make_pipeline(StandardScaler(), model)


CS = {"logisticregression__C": np.logspace(-3, 2, 6)}


def by_logistic_pixels(task):
    """Labels alone, linear."""
    model = LogisticRegression(max_iter=5000)
    grid = {"C": np.logspace(-3, 2, 6)}
    return task.search(model, grid, task.X, task.X_test)[1]


def by_svc_pixels(task):
    """Labels alone, a support vector machine."""
    grid = {"C": [1, 10, 100], "gamma": ["scale", 0.003, 0.01, 0.03]}
    return task.search(SVC(), grid, task.X, task.X_test)[1]


def by_network(task, steps):
    """Labels alone, the encoder's layers."""
    torch.manual_seed(task.seed)
    net = nn.Sequential(
        nn.Linear(task.X.shape[1], 400),
        nn.SiLU(),
        nn.Linear(400, 400),
        nn.SiLU(),
        nn.Linear(400, 10),
    )
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    X, y = (torch.as_tensor(v[task.labelled]) for v in (task.X, task.y))
    for _ in range(steps):
        adam.zero_grad()
        noisy = X + NOISE * torch.randn_like(X)
        nn.functional.cross_entropy(net(noisy), y).backward()
        adam.step()
    with torch.no_grad():
        return task.errors(net(torch.as_tensor(task.X_test)).argmax(1).numpy())


def by_logistic_pca(task):
    """Labels, of components of all rows."""
    return task.search(logistic(), CS, task.Z, task.Z_test)[1]


def by_logistic_code(task, epochs):
    """Labels, of codes learnt from all rows."""
    inner = skae.Autoencoder(32, max_iter=epochs, random_state=task.seed)
    inner.fit(task.pictures)
    codes = (inner.transform(x) for x in (task.pictures, task.test_pictures))
    return task.search(logistic(), CS, *codes)[1]


SPREADING = {"max_iter": 500, "tol": 1e-6}


class BothWays:
    """A kernel for `LabelSpreading`: is one of two rows among the other's neighbours?"""

    def __init__(self, n_neighbors):
        self.n_neighbors = n_neighbors

    def __call__(self, X, Y):
        """Return the graph (n, n), or new rows' neighbours (n, n_new)."""
        if Y is not X:
            index = NearestNeighbors(n_neighbors=self.n_neighbors).fit(X)
            return index.kneighbors_graph(Y).T
        graph = kneighbors_graph(X, self.n_neighbors, include_self=True)
        return graph.maximum(graph.T)


def by_spreading(task, k, alpha, both_ways):
    """Labels spread along a graph of all rows."""
    kernel = BothWays(k) if both_ways else "knn"
    model = LabelSpreading(kernel=kernel, n_neighbors=k, alpha=alpha, **SPREADING)
    model.fit(task.Z, task.y)
    return task.errors(model.predict(task.Z_test), model.transduction_)


def by_chosen_spreading(task, both_ways):
    """The same, neighbours and alpha chosen."""
    y = task.y[task.labelled]
    best = (-1, 0, 0.0)
    for k in (10, 20):
        # What the kernel would make anew in each fit; a row is its own first neighbour.
        graph = kneighbors_graph(task.Z, k, include_self=True)
        if both_ways:
            graph = graph.maximum(graph.T)
        for alpha in (0.2, 0.8, 0.99):
            right = 0
            for _, held in task.folds.split(y, y):
                some = task.y.copy()
                some[task.labelled[held]] = -1
                model = LabelSpreading(
                    kernel=lambda X, Y, graph=graph: graph, alpha=alpha, **SPREADING
                )
                model.fit(task.Z, some)
                right += int((model.transduction_[task.labelled[held]] == y[held]).sum())
            best = max(best, (right, k, alpha))
    _, k, alpha = best
    print(f"({k} neighbours, alpha {alpha} chosen)", flush=True)
    return by_spreading(task, k, alpha, both_ways)


def by_self_training(task):
    """Labels, then the surest predictions as labels."""
    best, _ = task.search(logistic(), CS, task.Z, task.Z_test)
    model = SelfTrainingClassifier(best.best_estimator_, threshold=0.9)
    model.fit(task.Z, task.y)
    return task.errors(model.predict(task.Z_test), model.predict(task.Z))


def by_skae(task, epochs, **params):
    """Labels and rows at once, ours."""
    model = skae.AdversarialAutoencoder(
        10,
        n_clusters="labels",
        network=(400, 400),
        likelihood="bernoulli",
        corruption=skae.corruption.Gaussian(NOISE),
        max_iter=epochs,
        random_state=task.seed,
        **params,
    )
    model.fit(task.pictures, task.y)
    return task.errors(model.predict(task.test_pictures), model.predict(task.pictures))


def summary(found, seeds):
    """Print both tables."""
    for i, name in enumerate(("test error, %", "unlabelled, %")):
        rows = []
        for method, values in found.items():
            v = [value[i] for value in values]
            if v and v[0] is not None:
                rows.append((method, *(f"{x:.2f}" for x in (*v, np.mean(v), max(v)))))
        if rows:
            table((name, *(f"seed {seed}" for seed in seeds), "mean", "worst"), rows)


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, nargs="+", help="0 to 4, if not given")
    options.add_argument("--epochs", type=int, help="30, if not given")
    options.add_argument("--methods", nargs="+", help="those that have this in their name")
    only = options.add_mutually_exclusive_group()
    only.add_argument("--rivals-only", action="store_true")
    only.add_argument("--ours-only", action="store_true")
    args = options.parse_args()
    machine(args.threads)
    seeds = args.seeds or ([0] if args.quick else [0, 1, 2, 3, 4])
    epochs = args.epochs or (2 if args.quick else 30)
    methods = {}
    if not args.ours_only:
        methods |= {
            "LogisticRegression, pixels": by_logistic_pixels,
            "SVC, pixels": by_svc_pixels,
            "its encoder, labels alone": lambda t: by_network(t, 500),
            "LogisticRegression, PCA(32)": by_logistic_pca,
            "LogisticRegression, Autoencoder(32)": lambda t: by_logistic_code(t, epochs),
            "LabelSpreading, knn, chosen": lambda t: by_chosen_spreading(t, False),
            "LabelSpreading, both ways, chosen": lambda t: by_chosen_spreading(t, True),
            "LabelSpreading, both ways, alpha 0.99": (
                lambda t: by_spreading(t, 10, 0.99, True)
            ),
            "SelfTraining, logistic, PCA(32)": by_self_training,
        }
    if not args.rivals_only:
        methods["AdversarialAutoencoder"] = lambda t: by_skae(t, epochs)
        methods["AdversarialAutoencoder, labels alone"] = lambda t: by_skae(
            t, epochs, cluster_init="random"
        )
    methods = {
        method: learn
        for method, learn in methods.items()
        if not args.methods or any(part in method for part in args.methods)
    }
    found = {method: [] for method in methods}
    with use_threads(args.threads), quiet(), warnings.catch_warnings():
        # LabelSpreading divides by a sum that is 0 where a row has no labelled neighbour.
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="sklearn.semi")
        for i, seed in enumerate(seeds):
            task = Task(seed, args.quick)
            for method, learn in methods.items():
                t, errors = seconds(lambda learn=learn, task=task: learn(task))
                found[method].append(errors)
                hidden = "" if errors[1] is None else f", unlabelled {errors[1]:.2f} %"
                print(
                    f"seed {seed}, {method}: test {errors[0]:.2f} %{hidden}; {t:.1f} s",
                    flush=True,
                )
            print(flush=True)
            summary(found, seeds[: i + 1])
    print(f"{len(task.X):,} training rows, {len(task.X_test):,} test rows, {epochs} epochs")
    print(NOTE)


if __name__ == "__main__":
    main()
