"""Clusters without labels: the adversarial autoencoder, beside what else finds groups.

MNIST's 10,000 training rows (see `_data.py`), divided by 255, and scikit-learn's 1,797
digits, divided by 16, are put into 10, 16 and 30 clusters by rows alone. Labels are for
judging only, and clusters are judged on the very rows they were found in; the rows stay
the same, and a seed is a method's random state.

Errors are the share of rows, in %, whose label is not that of their cluster. Clusters get
their labels

- "matched": one cluster for each class, so that most rows are right (the Hungarian
  algorithm). Clusters beyond the number of classes get none: their rows are errors;
- "majority": the commonest label among a cluster's rows;
- "one example": the label of a single row, the best example of its cluster, the rule of
  the paper on adversarial autoencoders (Makhzani et al., 2016, though there it is a row
  of a validation set). That row has the highest `predict_proba` of the cluster where a
  method has it (of several, the first), otherwise it is nearest to the mean of the
  cluster's rows, in the space they were clustered in.

"ARI" and "NMI" are scikit-learn's adjusted Rand index and normalised mutual information.
Each cell is the median over seeds, with the worst seed in parentheses: the largest error,
the lowest index. "seconds" is the median time of a fit, without that of PCA, code or
pretraining, which several methods share.

Rivals: `KMeans(n_init=10)` of pixels, of 32 principal components, and of the code of
`skae.Autoencoder(10)`, at defaults but for `max_iter`; `GaussianMixture` of 32 components
with full covariances (`reg_covar` 0.001, in units in which pixels are in 0 to 1; one start,
from k-means); `SpectralClustering` of 32 components (8 nearest neighbours, k-means); the
adversarial autoencoder starts from nearly that. DEC and IDEC are clustpy's, where it is
installed:
pixels less their mean, divided by their one standard deviation, dense layers
d-400-400-10-400-400-d, 50 epochs of pretraining (shared by both and by all numbers of
clusters of a seed) and 50 of clustering, otherwise defaults.

Ours: "dense (400, 400)" has a code of 5, that network, the Bernoulli likelihood, and on
MNIST Gaussian noise of 0.3 in the input; "defaults" has none of that; "random start" is
"dense (400, 400)" whose clusters start at random, as in the paper; "t-SNE start" starts
from a Gaussian mixture of t-SNE's two dimensions (only with --tsne). All of them and the
`Autoencoder` see pictures (n, height, width).
"""

import importlib.util

import numpy as np
from _common import machine, parser, quiet, seconds, table, use_threads
from _data import load
from scipy.optimize import linear_sum_assignment
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.mixture import GaussianMixture

import skae

EPOCHS = {"mnist": 30, "digits": 100}
NETWORK = (400, 400)
MEASURES = ("matched, %", "majority, %", "one example, %", "ARI", "NMI")
PAPER = """\
The paper on adversarial autoencoders has, with 60,000 rows of MNIST, by the label of one
example and on test rows, errors of 9.55 % for 16 clusters and 4.10 % for 30.
"""


def rows_of(name, quick):
    """Return pictures in 0 to 1, and their labels."""
    if name == "digits":
        digits = load_digits()
        X, y = digits.images / 16, digits.target
    else:
        data = load("mnist")
        X, y = data["X_train"] / 255, data["y_train"]
    n = 600 if quick else None
    return X[:n].astype(np.float32), y[:n].astype(int)


# Judging


def nearest_rows(Z, labels):
    """Return for each cluster the row nearest to the mean of its rows."""
    found = []
    for cluster in np.unique(labels):
        rows = np.flatnonzero(labels == cluster)
        away = np.square(Z[rows] - Z[rows].mean(0)).sum(1)
        found.append(rows[away.argmin()])
    return np.array(found)


def likeliest_rows(probability, labels):
    """Return for each cluster that has rows the one of the highest probability."""
    return probability[:, np.unique(labels)].argmax(0)


def scores(y, labels, examples):
    """Return the `MEASURES`; `examples` holds a row for each cluster, in their order."""
    counts = contingency_matrix(y, labels)  # (classes, clusters that have rows)
    matched = counts[linear_sum_assignment(counts, maximize=True)].sum()
    _, cluster = np.unique(labels, return_inverse=True)
    by_example = y[examples][cluster] == y
    return (
        100 * (1 - float(matched) / len(y)),
        100 * (1 - float(counts.max(0).sum()) / len(y)),
        100 * (1 - float(by_example.mean())),
        float(adjusted_rand_score(y, labels)),
        float(normalized_mutual_info_score(y, labels)),
    )


# Rivals


class Spaces:
    """What rivals cluster in, made once for each seed."""

    def __init__(self, X, epochs):
        self.X, self.epochs, self.made = X, epochs, {}

    def get(self, kind, seed):
        """Return rows (n, d) as "pixels", "pca" or "code"."""
        if (kind, seed) not in self.made:
            flat = self.X.reshape(len(self.X), -1)
            if kind == "pca":
                Z = PCA(32, random_state=seed).fit_transform(flat)
            elif kind == "code":
                inner = skae.Autoencoder(10, max_iter=self.epochs, random_state=seed)
                Z = inner.fit(self.X).transform(self.X)
            else:
                Z = flat
            self.made[kind, seed] = Z
        return self.made[kind, seed]

    def pretrained(self, epochs, seed):
        """Return standardised pixels and clustpy's autoencoder, trained on them."""
        if ("clustpy", seed) not in self.made:
            import torch
            from clustpy.deep.neural_networks import FeedforwardAutoencoder

            Z = self.get("pixels", seed)
            Z = (Z - Z.mean()) / Z.std()
            torch.manual_seed(seed)
            net = FeedforwardAutoencoder([Z.shape[1], *NETWORK, 10], random_state=seed)
            net.fit(n_epochs=epochs, optimizer_params={"lr": 1e-3}, batch_size=256, data=Z)
            self.made["clustpy", seed] = Z, net
        return self.made["clustpy", seed]


def by_kmeans(kind):
    """Return k-means in a space, as a function of (spaces, clusters, seed)."""

    def cluster(spaces, c, seed):
        Z = spaces.get(kind, seed)
        t, model = seconds(lambda: KMeans(c, n_init=10, random_state=seed).fit(Z))
        return t, model.labels_, nearest_rows(Z, model.labels_)

    return cluster


def by_mixture(spaces, c, seed):
    """Cluster by a mixture of normal distributions."""
    Z = spaces.get("pca", seed)
    model = GaussianMixture(c, reg_covar=1e-3, random_state=seed)
    t, labels = seconds(lambda: model.fit_predict(Z))
    return t, labels, likeliest_rows(model.predict_proba(Z), labels)


def by_spectrum(spaces, c, seed):
    """Cluster by the graph of nearest neighbours."""
    Z = spaces.get("pca", seed)
    model = SpectralClustering(
        c,
        affinity="nearest_neighbors",
        n_neighbors=8,
        assign_labels="kmeans",
        random_state=seed,
    )
    t, labels = seconds(lambda: model.fit_predict(Z))
    return t, labels, nearest_rows(Z, labels)


def by_clustpy(name, epochs):
    """Return clustpy's DEC or IDEC."""

    def cluster(spaces, c, seed):
        from clustpy import deep

        Z, net = spaces.pretrained(epochs, seed)
        model = getattr(deep, name)(
            c, clustering_epochs=epochs, neural_network=net, random_state=seed
        )
        t, labels = seconds(lambda: np.asarray(model.fit_predict(Z)).astype(int))
        return t, labels, nearest_rows(model.transform(Z), labels)

    return cluster


def rivals(quick):
    """Return {name: function}."""
    result = {
        "KMeans, pixels": by_kmeans("pixels"),
        "KMeans, PCA(32)": by_kmeans("pca"),
        "KMeans, code of Autoencoder(10)": by_kmeans("code"),
        "GaussianMixture, PCA(32)": by_mixture,
        "SpectralClustering, PCA(32)": by_spectrum,
    }
    if importlib.util.find_spec("clustpy") is None:
        print("clustpy is not installed: no DEC, no IDEC\n", flush=True)
        return result
    for name in ("DEC", "IDEC"):
        result[f"clustpy's {name}"] = by_clustpy(name, 2 if quick else 50)
    return result


# Ours


class MixtureOfTSNE(ClusterMixin, BaseEstimator):
    """A mixture of normal distributions in t-SNE's two dimensions of 32 components."""

    def __init__(self, n_clusters=10, random_state=None):
        self.n_clusters = n_clusters
        self.random_state = random_state

    def fit(self, X, y=None):
        """Fit it."""
        Z = PCA(32, random_state=self.random_state).fit_transform(X.reshape(len(X), -1))
        Z = TSNE(random_state=self.random_state).fit_transform(Z)
        model = GaussianMixture(self.n_clusters, n_init=5, random_state=self.random_state)
        self.labels_ = model.fit_predict(Z)
        return self


def ours(name, epochs, quick, tsne):
    """Return {name: function}."""
    dense = {"network": NETWORK, "likelihood": "bernoulli", "max_iter": epochs}
    if name == "mnist":
        dense["corruption"] = skae.corruption.Gaussian(0.3)

    def by(*args, start=None, **params):
        def cluster(spaces, c, seed):
            more = {"cluster_init": MixtureOfTSNE(c, seed)} if start == "t-SNE" else {}
            model = skae.AdversarialAutoencoder(
                *args, n_clusters=c, random_state=seed, **params, **more
            )
            t, _ = seconds(lambda: model.fit(spaces.X))
            labels = model.labels_
            return t, labels, likeliest_rows(model.predict_proba(spaces.X), labels)

        return cluster

    result = {
        "AdversarialAutoencoder, dense (400, 400)": by(5, **dense),
        "AdversarialAutoencoder, defaults": by(**({"max_iter": epochs} if quick else {})),
        "AdversarialAutoencoder, random start": by(5, cluster_init="random", **dense),
    }
    if tsne:
        result["AdversarialAutoencoder, t-SNE start"] = by(5, start="t-SNE", **dense)
    return result


# Tables


def summary(found, n_seeds):
    """Print medians and worst over seeds."""
    rows = []
    for method, values in found.items():
        if not values:
            continue
        times, *columns = zip(*values, strict=True)
        cells = []
        for measure, v in zip(MEASURES, columns, strict=True):
            worst, digits = (max, 1) if "%" in measure else (min, 3)
            cells.append(f"{np.median(v):.{digits}f} ({worst(v):.{digits}f})")
        rows.append((method, *cells, float(np.median(times))))
    print(f"median (worst) of {n_seeds} seed{'s' if n_seeds > 1 else ''}\n")
    table(("method", *MEASURES, "seconds"), rows)


def compare(name, methods, clusters, seeds, epochs, quick):
    """Print the tables of one data set."""
    X, y = rows_of(name, quick)
    spaces = Spaces(X, epochs)
    for c in clusters:
        print(f"## {name}: {len(X):,} rows, {c} clusters, {epochs} epochs\n", flush=True)
        found = {method: [] for method in methods}
        for i, seed in enumerate(seeds):
            for method, cluster in methods.items():
                t, labels, examples = cluster(spaces, c, seed)
                values = scores(y, labels, examples)
                found[method].append((t, *values))
                print(
                    f"seed {seed}, {method}: "
                    + ", ".join(
                        f"{measure.removesuffix(', %')} {v:.{1 if '%' in measure else 3}f}"
                        for measure, v in zip(MEASURES, values, strict=True)
                    )
                    + f"; {t:.1f} s",
                    flush=True,
                )
            print(flush=True)
            summary(found, i + 1)
    if name == "mnist":
        print(PAPER, flush=True)


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--data", choices=("mnist", "digits", "both"), default="both")
    options.add_argument("--clusters", type=int, nargs="+", default=[10, 16, 30])
    options.add_argument("--seeds", type=int, nargs="+", help="0 to 4, if not given")
    options.add_argument("--epochs", type=int, help="30 on MNIST, 100 on digits")
    options.add_argument("--tsne", action="store_true", help="start from t-SNE, too: slow")
    options.add_argument("--methods", nargs="+", help="those that have this in their name")
    only = options.add_mutually_exclusive_group()
    only.add_argument("--rivals-only", action="store_true")
    only.add_argument("--ours-only", action="store_true")
    args = options.parse_args()
    machine(args.threads)
    seeds = args.seeds or ([0] if args.quick else [0, 1, 2, 3, 4])
    with use_threads(args.threads), quiet():
        others = {} if args.ours_only else rivals(args.quick)
        for name in ("digits", "mnist") if args.data == "both" else (args.data,):
            epochs = args.epochs or (2 if args.quick else EPOCHS[name])
            own = {}
            if not args.rivals_only:
                own = ours(name, epochs, args.quick, args.tsne)
            methods = {
                method: cluster
                for method, cluster in (others | own).items()
                if not args.methods or any(part in method for part in args.methods)
            }
            compare(name, methods, args.clusters, seeds, epochs, args.quick)


if __name__ == "__main__":
    main()
