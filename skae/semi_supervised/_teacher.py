"""What few labels say of all rows: a pool of a graph of neighbours and plain models.

n is the number of rows, m of those with a label, K of the classes, L of those that a label
names.
"""

import warnings
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression

from skae._data.graph import PASSED_ON, Graph, even_shares

ALPHAS = 0.5, 0.9, 0.99  # shares that rows of a table pass on
SETTLED = "settled"  # in place of a share: on as long as that cuts fewer edges
OF_PICTURES = 0.99, SETTLED
OF_GRAPH = 0.0, 0.5, 1.0, 2.0, 4.0, 8.0  # powers of the graph's probabilities, u
OF_LINEAR = 0.0, 0.25, 0.5, 1.0, 2.0  # and of the linear model's, v
OF_TREES = 0.0, 0.5, 1.0, 2.0  # and of trees', t
CS = 0.1, 1.0, 10.0  # the linear model's
FLOOR = 1e-4  # below which no probability is believed
LEFT_OUT = 500  # labels of which each is left out by itself
FOLDS, OF_SOME, OF_MANY = 25, 10, 5  # that judge: of 100 labels, of LEFT_OUT, of more
NEARLY = 0.25  # share of the most labels of a class by which others have as many
CLIP = 5.0  # of a table's cells, in standard deviations
N_TREES, MANY_LABELS = 200, 100  # from which on leaves have two
NEGLIGIBLE = 0.01  # of the greatest weight of a member: what is left out
BLOCK_ROWS = 1024


class Member(NamedTuple):
    """log p = u log(graph) + v log(linear) + t log(trees) + const."""

    u: float
    v: float
    t: float
    alpha: float | str  # or SETTLED
    C: float

    def log(self, near, linear, trees):
        """Return log p of rows, up to a constant; near and linear by alpha and by C."""
        terms = []
        if self.u:
            terms.append(self.u * near[self.alpha])
        if self.v:
            terms.append(self.v * linear[self.C])
        if self.t:
            terms.append(self.t * trees)
        return sum(terms)


class Teacher:
    """A log-linear pool of a graph and plain models, weighed by labels that are left out.

    Members are log p = u log(graph) + v log(linear) + t log(trees) + const, for all powers,
    each share that neighbours pass on and each C. Their weights are in proportion to the
    likelihood of the labels, each judged by the others: an average, as so few labels
    cannot say which is best. On pictures the members are the graph, the same once shares
    have settled, and the linear model, each by itself.

    Parameters
    ----------
    space : {"columns", "pixels", "deformation"}, default="columns"
        Of the graph.
    shape : tuple of int, default=None
        Of a row as a picture.
    seed : int, default=0

    Attributes
    ----------
    proba : ndarray of shape (n, K)
        Of the rows of `fit`.
    graph_share : float
        The weight of members in which the graph has a say.
    """

    def __init__(self, space="columns", shape=None, seed=0):
        self.space, self.shape, self.seed = space, shape, seed

    @property
    def is_table(self):
        """Whether rows are no pictures."""
        return self.space == "columns"

    def fit(self, rows, labels, n_classes, weight=None, graph=None):
        """Learn from rows (n, d), labels (n,), -1 where unknown, and weights (n,).

        Rows of weight 0 are as new ones. A graph of the same rows need not be made anew.
        """
        rows, labels = np.asarray(rows), np.asarray(labels)
        weight = np.ones(len(rows)) if weight is None else np.asarray(weight, np.float64)
        used, self.n_classes = weight > 0, n_classes
        own, labels, weight = self._prepared(rows[used]), labels[used], weight[used]
        known = np.flatnonzero(labels >= 0)
        self._classes, label = np.unique(labels[known], return_inverse=True)
        if graph is None:
            graph = Graph(own, self.space, self.shape, seed=self.seed)
        self.graph = graph
        self._linear = Linear(own[known], label, weight[known])
        self._trees = None
        seeds = Seeds(self.graph, known, label, weight, len(self._classes))
        self._weigh(seeds, own[known])
        self._near = {m.alpha: None for m, _ in self._pool if m.u}
        self._near = {alpha: seeds.shares(alpha) for alpha in self._near}
        self.proba = np.empty((len(rows), n_classes))
        places = np.flatnonzero(used)
        for start in range(0, len(own), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            near = {alpha: shares[part] for alpha, shares in self._near.items()}
            self.proba[places[part]] = self._pooled(own[part], near)
        if not used.all():
            self.proba[~used] = self.predict_proba(rows[~used])
        return self

    def predict_proba(self, new_rows):
        """Return the probabilities of rows that `fit` may not have seen; (m, K)."""
        new_rows = np.asarray(new_rows)
        found = np.empty((len(new_rows), self.n_classes))
        for start in range(0, len(new_rows), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            rows = self._prepared(new_rows[part])
            near = {}
            if self._near:
                index, weight = self.graph.voters(rows)
                for alpha, shares in self._near.items():
                    near[alpha] = np.einsum("ij,ijk->ik", weight, shares[index])
            found[part] = self._pooled(rows, near)
        return found

    def _prepared(self, rows):
        """Return rows without wild or missing cells, if they are of a table."""
        if not self.is_table:
            return rows
        return np.nan_to_num(rows).clip(-CLIP, CLIP)

    def _weigh(self, seeds, rows):
        """Find the members and their weights, by labels as the others see them."""
        alphas = ALPHAS if self.is_table else OF_PICTURES
        powers = [
            powers for powers in product(OF_GRAPH, OF_LINEAR, OF_TREES) if any(powers)
        ]
        if not self.is_table:
            powers = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0)]
        judging = seeds.count[seeds.label] > 1  # nothing is left of others without it
        if (seeds.count > 1).sum() < 2:  # those of one class favour whoever always says it
            judging = judging & False
            powers = [(1.0, 1.0 if self.is_table else 0.0, 0.0)]
            alphas = alphas if self.is_table else (SETTLED,)
            weight = seeds.weight / seeds.count[seeds.label]  # by which none is drowned
            self._linear = Linear(rows, seeds.label, weight)
        if len(self._classes) == 1:
            powers, judging = [(1.0, 0.0, 0.0)], judging & False
        members = [
            Member(*three, alpha, C) for three, alpha, C in product(powers, alphas, CS)
        ]
        loss = np.zeros(len(members))
        if judging.any():
            fold, weight = seeds.folds(self.seed), seeds.weight / seeds.weight.mean()
            near = {alpha: log(seeds.left_out(alpha, fold)) for alpha in alphas}
            linear = {C: log(self._linear.left_out(C, fold)) for C in CS}
            trees = None
            if self.is_table:
                self._trees = trees_of(rows, seeds.label, seeds.weight, self.seed)
                trees = log(np.nan_to_num(self._trees.oob_decision_function_))
            of_row = np.flatnonzero(judging), seeds.label[judging]
            for i, member in enumerate(members):
                p = log_softmax(member.log(near, linear, trees), axis=1)[of_row]
                loss[i] = -(weight[judging] * p).sum()
        share = softmax(-loss)
        self.graph_share = float(sum(share[[m.u > 0 for m in members]]))
        used = share > NEGLIGIBLE * share.max()
        self._pool = [(m, s) for m, s, u in zip(members, share, used, strict=True) if u]

    def _pooled(self, rows, near):
        """Return the probabilities of rows, by shares of each alpha; (m, K)."""
        near = {alpha: log(shares) for alpha, shares in near.items()}
        used = {member.C for member, _ in self._pool if member.v}
        linear = {C: log(self._linear.predict_proba(rows, C)) for C in used}
        trees = None
        if any(member.t for member, _ in self._pool):
            trees = log(self._trees.predict_proba(rows))
        found = np.zeros((len(rows), self.n_classes))
        for member, share in self._pool:
            p = member.log(near, linear, trees)
            p = np.exp(p - p.max(1, keepdims=True))
            found[:, self._classes] += share / p.sum(1, keepdims=True) * p
        return found / found.sum(1, keepdims=True)


class Seeds:
    """Labels in a graph, and what they give to all rows.

    Parameters
    ----------
    graph : Graph
    known : ndarray of shape (m,)
        The rows that have one.
    label : ndarray of shape (m,)
        0 to L - 1.
    weight : ndarray of shape (n,)
        Of all rows.
    n_classes : int
        L.
    """

    def __init__(self, graph, known, label, weight, n_classes):
        self.graph, self.known, self.label = graph, known, label
        self.mass, self.weight, self._influence = weight, weight[known], None
        self.count = np.bincount(label, minlength=n_classes)
        self.one_hot = self.weight[:, None] * np.eye(n_classes)[label]
        # Equal numbers were designed, and say that no class is to count more; others may
        # be the classes' own, of which so few labels say too little to go by.
        most = self.count.max()
        self.is_even = most - self.count.min() <= max(1, NEARLY * most)

    def folds(self, seed):
        """Return in which fold each label is; in each, classes as they are in all."""
        m = len(self.label)
        most = OF_MANY if m > LEFT_OUT else OF_SOME if m > 100 else FOLDS
        order = np.random.RandomState(seed).permutation(m)
        order = order[np.argsort(self.label[order], kind="stable")]
        fold = np.empty(m, dtype=int)
        fold[order] = np.arange(m) % min(m, most)
        return fold

    def shares(self, alpha):
        """Return the shares of the classes in all rows; (n, L)."""
        if alpha == SETTLED:
            return self.graph.settled(self._found(PASSED_ON))
        return even_shares(self._found(alpha))

    def _found(self, alpha):
        """Return what all rows have of the classes; (n, L)."""
        given = np.zeros((self.graph.n, len(self.count)))
        given[self.known] = self.one_hot / np.where(self.count, self.one_hot.sum(0), 1)
        found = self.graph.spread(given, alpha)
        return self._by_mass(found, self.mass @ found)

    def left_out(self, alpha, fold):
        """Return the shares in labelled rows, each without its own label; (m, L).

        Or without those of its fold, where labels are too many.
        """
        if alpha == SETTLED or len(self.label) > LEFT_OUT:
            return self._left_out_by_folds(alpha, fold % OF_MANY)
        if self._influence is None:
            self._influence = self.graph.influence(self.known, ALPHAS, self.mass)
        among, mass = self._influence[alpha]
        own = np.arange(len(self.label)), self.label
        found = among @ self.one_hot
        found[own] -= among.diagonal() * self.weight
        mass = np.tile(mass @ self.one_hot, (len(found), 1)) - mass[:, None] * self.one_hot
        total = self.one_hot.sum(0) - self.one_hot
        found, mass = (
            np.divide(a, total, out=np.zeros_like(a), where=total > 0)
            for a in (found, mass)
        )
        return even_shares(self._by_mass(found.clip(min=0), mass))

    def _left_out_by_folds(self, alpha, fold):
        """Return the shares in labelled rows without the labels of their fold; (m, L)."""
        found = np.empty(self.one_hot.shape)
        for f in np.unique(fold):
            out = fold == f
            left = self.known[~out], self.label[~out], self.mass, len(self.count)
            found[out] = Seeds(self.graph, *left).shares(alpha)[self.known[out]]
        return found

    def _by_mass(self, found, mass):
        """Return what rows have of classes, for what these have in all if they are even."""
        if not self.is_even:
            return found
        return np.divide(found, mass, out=np.zeros_like(found), where=mass > 0)


class Linear:
    """Logistic regressions of labelled rows (m, d), for several C.

    In the space that these rows span, which makes no difference but to the time.
    """

    def __init__(self, rows, label, weight):
        self.center, self.basis = rows.mean(0), None
        if rows.shape[1] > len(rows):
            _, _, basis = np.linalg.svd(rows - self.center, full_matrices=False)
            self.basis = basis.T
        self.points, self.label = self._points(rows), label
        self.weight, self.n_classes = weight / weight.mean(), label.max() + 1
        self._fitted = {}

    def _points(self, rows):
        rows = np.asarray(rows, dtype=np.float64) - self.center
        return rows if self.basis is None else rows @ self.basis

    def predict_proba(self, rows, C):
        """Return the probabilities of rows; (n, L)."""
        if C not in self._fitted:
            self._fitted[C] = self._fit(C, slice(None))
        return self._fitted[C].predict_proba(self._points(rows))

    def left_out(self, C, fold):
        """Return the probabilities of the labelled rows by the other folds; (m, L)."""
        found = np.zeros((len(fold), self.n_classes))
        for f in np.unique(fold):
            out = fold == f
            there = np.unique(self.label[~out])
            found[np.ix_(out, there)] = 1.0
            if len(there) > 1:
                model = self._fit(C, ~out)
                found[np.ix_(out, there)] = model.predict_proba(self.points[out])
        return found

    def _fit(self, C, some):
        model = LogisticRegression(C=C, tol=1e-3, max_iter=300)
        with warnings.catch_warnings():
            # of many classes for so few labels, or of steps that fall short: it is judged
            warnings.simplefilter("ignore")
            return model.fit(self.points[some], self.label[some], self.weight[some])


def trees_of(rows, label, weight, seed):
    """Return a forest of labelled rows that knows what trees without each say of it."""
    leaf = 1 if len(rows) < MANY_LABELS else 2
    forest = ExtraTreesClassifier(
        N_TREES, bootstrap=True, oob_score=True, min_samples_leaf=leaf, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return forest.fit(rows, label, weight / weight.mean())


def log(shares):
    """Return logarithms of probabilities, of which none is believed to be 0."""
    return np.log(shares.clip(FLOOR))
