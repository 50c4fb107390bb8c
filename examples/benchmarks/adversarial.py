"""The adversarial autoencoder: do codes match the prior, clusters, few labels, samples.

priors: 10,000 of MNIST's pictures in [0, 1] to train on and 5,000 to judge on. Every model
    has two hidden layers of 128, the Bernoulli likelihood and 40 epochs, all else at
    defaults (early stopping included). "close" ones are trained to match the prior at the
    cost of the reconstruction: ``learning_rate=5e-4``, ``adversarial_learning_rate=3e-3``,
    ``batch_size=128``, ``early_stopping=False``. Of a `VariationalAutoencoder`, whose
    prior is the standard normal, codes drawn from the posterior, which is what its bound
    compares with the prior, and the posterior's means. "fresh draws" of each prior against
    others, as many: what chance leaves. "energy" is the energy coefficient (2 E|a-b| -
    E|a-a'| - E|b-b'|) / (2 E|a-b|) of the codes of the test rows and as many fresh draws,
    from 0 to 1, without bias, times 1,000; "p" that of a permutation test of the same
    statistic; "AUC" that of a random forest that learns to tell 1,000 codes from draws:
    0.5 where it cannot. Mean (worst) over seeds. The bar: ours (at defaults) at or below
    the variational autoencoder's codes, drawn, of as many components.
samples: the two-sample test of `generation.py`, of generated digits.
clusters_digits, clusters_mnist: MNIST's 10,000 training rows, divided by 255, and
    scikit-learn's 1,797 digits, divided by 16 (20 and 100 epochs), are put into 10, 16 and
    30 clusters by rows alone, and judged on the very rows they were found in, by errors in
    % of the rows. Clusters get their labels "matched": one cluster for each class, so that
    most rows are right (the Hungarian algorithm; further clusters are errors);
    "commonest": the commonest label among a cluster's rows; "example": the label of its
    single best example (Makhzani et al., 2016, though there it is a row of a validation
    set), of the highest `predict_proba`, otherwise nearest to the mean of the cluster's
    rows. Median (worst) over seeds. "seconds" is without PCA, code or pretraining, which
    several methods share. Rivals: `KMeans(n_init=10)` of pixels, of 32 principal
    components, and of the code of an `Autoencoder(10)`; `GaussianMixture` (`reg_covar`
    0.001) and `SpectralClustering` (8 nearest neighbours, k-means) of 32 components;
    clustpy's DEC and IDEC, where it is installed: one scale, dense layers
    d-400-400-10-400-400-d, 50 epochs of pretraining (shared) and 50 of clustering. Ours:
    "dense (400, 400)" has a code of 5, that network, the Bernoulli likelihood, and on
    MNIST Gaussian noise of 0.3 in the input; "defaults" has none of that; "random start"
    is "dense" whose clusters start at random, as in the paper; "t-SNE start" from a
    Gaussian mixture of t-SNE's two dimensions.
labels: a classifier from 100 labels. Of MNIST's 10,000 training rows ten of each class
    have their label; a seed draws which. Errors in % on the 5,000 test rows and on the
    9,900 training rows whose labels were hidden; mean (worst). What is chosen is chosen by
    cross-validation of the 100 labelled rows (five folds), and nothing stops early. Ours:
    `n_clusters="labels"`, a code of 10, dense layers (400, 400), the Bernoulli likelihood,
    Gaussian noise of 0.3, 20 epochs; "told the 100 labels alone" is with
    ``cluster_init="random"``, as in the paper; "the same encoder" is 784-400-400-10 with
    the same activation and noise, cross-entropy, Adam (0.001), 500 steps.
    `LogisticRegression` and `SVC` of pixels, and the former of 32 principal components or
    codes; `LabelSpreading` of 32 principal components, kernel "knn" or the same graph made
    symmetric, as by those who proposed the method (Zhou et al., 2004), neighbours (10, 20)
    and alpha (0.2, 0.8, 0.99) chosen, or theirs; `SelfTrainingClassifier` of the logistic
    regression of 32 components, where a row gets a label once its probability is above
    0.9. The paper has 1.90 % with all 60,000 rows; independent reproductions have 5 to 5.5
    %.
"""

from functools import partial

import numpy as np
import torch
from _common import (
    FIGURES,
    Table,
    explained,
    needed,
    optional,
    pyplot,
    seconds,
    spread,
    told_apart,
    worst,
)
from _data import load
from generation import whole
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.neighbors import NearestNeighbors, kneighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.svm import SVC
from torch import nn

import skae
from skae import AdversarialAutoencoder, VariationalAutoencoder
from skae.networks import ConvolutionalNetwork
from skae.priors import as_prior

WIDE, NOISE = (400, 400), 0.3

# Priors


def energy_coefficient(a, b):
    """Return (2 E|a-b| - E|a-a'| - E|b-b'|) / (2 E|a-b|) of two samples, without bias.

    Pairs of a row with itself are left out, so that it is about 0, perhaps below, where
    both are draws of one distribution.
    """
    between = cdist(a, b).mean()
    within = sum(cdist(x, x).sum() / (len(x) * (len(x) - 1)) for x in (a, b))
    return 1 - 0.5 * within / between


def permutation_p(a, b, seed, *, rows=1000, times=500):
    """Return how often samples that were mixed are as far apart: a p-value.

    Of `rows` of each, at most; the distance is the energy statistic.
    """
    rng = np.random.default_rng(seed)
    a, b = (x[rng.permutation(len(x))[:rows]] for x in (a, b))
    both = np.concatenate([a, b])
    distance = cdist(both, both)
    is_a = np.arange(len(both)) < len(a)
    sides = np.stack([is_a, *(rng.permutation(is_a) for _ in range(times))]).astype(float)
    sign = sides / len(a) - (1 - sides) / len(b)
    statistic = -np.einsum("ti,ti->t", sign @ distance, sign)
    return (1 + (statistic[1:] >= statistic[0]).sum()) / (1 + times)


def draws(prior, n, k, seed):
    """Return draws (n, k) of a prior, by a seed that no training uses."""
    return as_prior(prior).sample(n, k, 10_000 + seed)


PRIORS = [("gaussian", 2), ("mixture", 2), ("swiss_roll", 2), ("gaussian", 8)]
NARROW = {"network": (128, 128), "likelihood": "bernoulli", "device": "cpu"}
RATES = {
    "learning_rate": 5e-4,
    "adversarial_learning_rate": 3e-3,
    "batch_size": 128,
    "early_stopping": False,
}
OURS, CLOSE = "adversarial", "adversarial, close"
DRAWN, MEANS = "variational, drawn", "variational, means"
CHANCE = "fresh draws"


def models(epochs, seed):
    """Yield (prior, components, estimator that is not fitted)."""
    params = NARROW | {"max_iter": epochs, "random_state": seed}
    for prior, k in PRIORS:
        yield prior, k, AdversarialAutoencoder(k, prior=prior, **params)
        yield prior, k, AdversarialAutoencoder(k, prior=prior, **params, **RATES)
    for k in sorted({k for _, k in PRIORS}):
        yield "gaussian", k, VariationalAutoencoder(k, **params)


def judged(codes, prior, seed):
    """Return 1,000 x the energy coefficient, p, and the forest's AUC."""
    real = draws(prior, len(codes), codes.shape[1], seed)
    return (
        1000 * energy_coefficient(codes, real),
        permutation_p(codes, real, seed),
        told_apart(codes, real, seed, rows=1000, n_trees=200),
    )


def codes_of(estimator, X, seed):
    """Yield (name, codes of X)."""
    if isinstance(estimator, AdversarialAutoencoder):
        name = OURS if estimator.batch_size == "auto" else CLOSE
        yield name, estimator.transform(X)
    else:
        drawn = estimator.encode_samples(X, random_state=seed)
        yield DRAWN, drawn.reshape(len(X), -1)
        yield MEANS, estimator.transform(X)


def draw(panels, y, seed):
    """Save a figure of codes {(prior, name): (n, 2)} beside draws."""
    if not (plt := pyplot()):
        return
    titles = {CLOSE: "adversarial, {}", DRAWN: "variational, drawn"}
    panels = {key: codes for key, codes in panels.items() if key[1] in titles}
    fig, axes = plt.subplots(
        2, len(panels), figsize=(1.9 * len(panels), 4.2), layout="constrained"
    )
    for (top, bottom), ((prior, name), codes) in zip(axes.T, panels.items(), strict=True):
        real = draws(prior, len(codes), 2, seed)
        side = (
            1.05 * np.abs(np.quantile(np.concatenate([codes, real]), [0.002, 0.998])).max()
        )
        dots = {"s": 2.5, "linewidths": 0, "rasterized": True}
        top.scatter(*codes[:3000].T, c=y[:3000], cmap="tab10", **dots)
        bottom.scatter(*real[:3000].T, c="0.4", **dots)
        top.set_title(titles[name].format(prior.replace("_", " ")), fontsize=9)
        for ax in (top, bottom):
            ax.set(xlim=(-side, side), ylim=(-side, side), xticks=[], yticks=[], aspect=1)
    axes[0, 0].set_ylabel("codes of test digits")
    axes[1, 0].set_ylabel("draws of the prior")
    fig.savefig(FIGURES / "priors.png", dpi=90)
    plt.close(fig)


def priors(options):
    """Judge codes by draws."""
    data, (n, n_test) = load("mnist"), options.few((None, None), (1000, 500))
    X, X_test = data["X_train"][:n] / 255, data["X_test"][:n_test] / 255
    epochs, found, panels = options.few(40, 2), {}, {}
    for seed in range(options.n_seeds()):
        for prior, k in PRIORS:
            chance = draws(prior, len(X_test), k, 5000 + seed)
            values = (*judged(chance, prior, seed), np.nan)
            found.setdefault((prior, k, CHANCE), []).append(values)
        for prior, k, estimator in models(epochs, seed):
            estimator.fit(X)
            R = estimator.inverse_transform(estimator.transform(X_test))
            share = explained(X_test, R, X.mean(0))
            for name, codes in codes_of(estimator, X_test, seed):
                values = (*judged(codes, prior, seed), share)
                found.setdefault((prior, k, name), []).append(values)
                if k == 2:
                    panels.setdefault((prior, name), codes)
        if seed == 0 and not options.quick:
            draw(panels, data["y_test"], seed)
    energy = {key: np.mean([v[0] for v in values]) for key, values in found.items()}
    rows = []
    for (prior, k, name), values in sorted(
        found.items(), key=lambda f: PRIORS.index(f[0][:2])
    ):
        far, p, auc, share = np.transpose(values)
        bar = energy["gaussian", k, DRAWN]
        verdict = ("holds" if far.mean() <= bar else "is missed") if name == OURS else None
        rows.append(
            (
                f"{prior}, {k}",
                name,
                worst(far, 1),
                worst(p, low=True),
                worst(auc),
                None if name == CHANCE else worst(share, low=True),
                verdict,
            )
        )
    header = "prior", "codes", "energy", "p", "AUC", "explained", "the bar"
    yield Table("adversarial_priors", header, rows, options.n_seeds())


# Samples


def samplers(epochs, seed):
    """Yield (name, estimator that is not fitted)."""
    params = {"max_iter": epochs, "random_state": seed, "device": "cpu"}
    for kind in (AdversarialAutoencoder, VariationalAutoencoder):
        for k in (16, 8):
            yield f"{kind.__name__}({k})", kind(k, **params)
        name = f"{kind.__name__}(16), convolutional"
        yield name, kind(16, network=ConvolutionalNetwork(), **params)
    for k in (16, 8):
        inner = skae.Autoencoder(k, **params)
        name = f"LatentSampler(Autoencoder({k}))"
        yield name, skae.LatentSampler(inner, random_state=seed)


def samples(options):
    """Tell generated digits from real ones."""
    images, target = load_digits().images, load_digits().target
    epochs, found = options.few(200, 5), {}
    for seed in range(options.n_seeds(5)):
        X, X_test = train_test_split(
            images, test_size=0.5, stratify=target, random_state=seed
        )
        real = whole(X_test)
        half = len(real) // 2
        check = told_apart(real[:half], real[half:], seed)
        found.setdefault("test rows", []).append(check)
        for name, estimator in samplers(epochs, seed):
            generated = estimator.fit(X).sample(len(real), random_state=seed)
            found.setdefault(name, []).append(told_apart(real, whole(generated), seed))
    rows = [(name, spread(values, 3)) for name, values in found.items()]
    yield Table("adversarial_samples", ("generator", "AUC"), rows, options.n_seeds(5))


# Clusters

MEASURES = "matched", "commonest", "example", "ARI", "NMI"


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


def cluster_scores(y, labels, examples):
    """Return what `MEASURES` name; `examples` holds a row for each cluster."""
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
            networks = needed("clustpy.deep.neural_networks")
            Z = self.get("pixels", seed)
            Z = (Z - Z.mean()) / Z.std()
            torch.manual_seed(seed)
            net = networks.FeedforwardAutoencoder(
                [Z.shape[1], *WIDE, 10], random_state=seed
            )
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
        deep = needed("clustpy.deep")
        Z, net = spaces.pretrained(epochs, seed)
        model = getattr(deep, name)(
            c, clustering_epochs=epochs, neural_network=net, random_state=seed
        )
        t, labels = seconds(lambda: np.asarray(model.fit_predict(Z)).astype(int))
        return t, labels, nearest_rows(model.transform(Z), labels)

    return cluster


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


def clusterers(name, epochs, quick):
    """Return {name: function of (spaces, clusters, seed)}."""
    dense = {"network": WIDE, "likelihood": "bernoulli", "max_iter": epochs}
    if name == "mnist":
        dense["corruption"] = skae.corruption.Gaussian(NOISE)

    def ours(*args, start=None, **params):
        def cluster(spaces, c, seed):
            more = {"cluster_init": MixtureOfTSNE(c, seed)} if start == "t-SNE" else {}
            model = AdversarialAutoencoder(
                *args, n_clusters=c, random_state=seed, **params, **more
            )
            t, _ = seconds(lambda: model.fit(spaces.X))
            labels = model.labels_
            return t, labels, likeliest_rows(model.predict_proba(spaces.X), labels)

        return cluster

    result = {
        "adversarial autoencoder, dense (400, 400)": ours(5, **dense),
        "defaults": ours(**({"max_iter": epochs} if quick else {})),
        "random start": ours(5, cluster_init="random", **dense),
        "t-SNE start": ours(5, start="t-SNE", **dense),
        "spectral clustering": by_spectrum,
        "Gaussian mixture": by_mixture,
        "k-means": by_kmeans("pca"),
        "k-means of pixels": by_kmeans("pixels"),
        "k-means of an Autoencoder(10)'s code": by_kmeans("code"),
    }
    if optional("clustpy", pip="clustpy"):
        result |= {name: by_clustpy(name, 2 if quick else 50) for name in ("DEC", "IDEC")}
    return result


def clusters(name, options):
    """Cluster one data set."""
    if name == "digits":
        X, y, epochs = load_digits().images / 16, load_digits().target, 100
    else:
        data = load("mnist")
        X, y, epochs = data["X_train"] / 255, data["y_train"], 20
    n, epochs = options.few((None, epochs), (400, 2))
    X, y = X[:n].astype(np.float32), y[:n].astype(int)
    spaces, rows = Spaces(X, epochs), []
    methods = clusterers(name, epochs, options.quick)
    for c in options.few((10, 16, 30), (10,)):
        for method, cluster in methods.items():
            values = []
            for seed in range(options.n_seeds(5)):
                t, labels, examples = cluster(spaces, c, seed)
                values.append((t, *cluster_scores(y, labels, examples)))
            times, *columns = np.transpose(values)
            cells = [worst(v, 1, middle=np.median) for v in columns[:3]]
            cells += [worst(v, 3, low=True, middle=np.median) for v in columns[3:]]
            rows.append((str(c), method, *cells, float(np.median(times))))
    header, title = ("clusters", "method", *MEASURES, "seconds"), f"{name}, {len(X):,} rows"
    yield Table(f"adversarial_clusters_{name}", header, rows, options.n_seeds(5), title)


# Few labels


class Task:
    """Rows, the labels that are known (-1: hidden), and the truth, for judging."""

    def __init__(self, seed, quick):
        data = load("mnist")
        n, n_test = (600, 300) if quick else (None, None)
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
    return by_spreading(task, k, alpha, both_ways)


def by_self_training(task):
    """Labels, then the surest predictions as labels."""
    best, _ = task.search(logistic(), CS, task.Z, task.Z_test)
    model = SelfTrainingClassifier(best.best_estimator_, threshold=0.9)
    model.fit(task.Z, task.y)
    return task.errors(model.predict(task.Z_test), model.predict(task.Z))


def classify(task, epochs, **params):
    """Labels and rows at once, ours."""
    model = skae.AdversarialAutoencoder(
        10,
        n_clusters="labels",
        network=WIDE,
        likelihood="bernoulli",
        corruption=skae.corruption.Gaussian(NOISE),
        max_iter=epochs,
        random_state=task.seed,
        **params,
    )
    model.fit(task.pictures, task.y)
    return task.errors(model.predict(task.test_pictures), model.predict(task.pictures))


def few_labels(options):
    """Classify by few labels and many rows."""
    epochs = options.few(20, 2)
    methods = {
        "adversarial autoencoder": lambda t: classify(t, epochs),
        "the same, told the 100 labels alone": (
            lambda t: classify(t, epochs, cluster_init="random")
        ),
        "the same encoder, of the 100 labeled rows alone": lambda t: by_network(t, 500),
        "LabelSpreading, symmetric graph, alpha 0.99": lambda t: by_spreading(
            t, 10, 0.99, True
        ),
        "the same, alpha and neighbours by cross-validation": (
            lambda t: by_chosen_spreading(t, True)
        ),
        'LabelSpreading(kernel="knn"), by cross-validation': (
            lambda t: by_chosen_spreading(t, False)
        ),
        "SelfTrainingClassifier, logistic, of 32 principal components": by_self_training,
        "SVC of pixels": by_svc_pixels,
        "logistic regression of pixels": by_logistic_pixels,
        "logistic regression of 32 principal components": by_logistic_pca,
        "logistic regression of an Autoencoder(32)'s code": (
            lambda t: by_logistic_code(t, epochs)
        ),
    }
    found = {name: [] for name in methods}
    for seed in range(options.n_seeds(5)):
        task = Task(seed, options.quick)
        for name, learn in methods.items():
            found[name].append(learn(task))
    rows = []
    for name, values in found.items():
        test, hidden = zip(*values, strict=True)
        rows.append((name, worst(test, 1), None if hidden[0] is None else worst(hidden, 1)))
    header = "method", "mean (worst)", f"on the {len(task.X) - 100:,} rows"
    yield Table("adversarial_labels", header, rows, options.n_seeds(5))


PARTS = {
    "priors": priors,
    "samples": samples,
    "clusters_digits": partial(clusters, "digits"),
    "clusters_mnist": partial(clusters, "mnist"),
    "labels": few_labels,
}
