"""How well single numbers of a code stand for single factors of the data.

All are functions of codes (n, k), from any transformer, and of the factors (n, f) that the
rows were made from. A factor is discrete, or continuous; continuous ones, and codes, are
cut into bins of equal width where a measure needs counts. Each number of a code and each
continuous factor is seen on its own scale, without outliers: see `_factors.by_own_scale`.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import entropy
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils import check_random_state

from skae.metrics._factors import binned, known


class DCI(NamedTuple):
    """What `dci_scores` returns, each in [0, 1] and best at 1."""

    disentanglement: float
    completeness: float
    informativeness: float


def _information(codes, factors, n_bins):
    """Return the mutual information of binned codes with factors, in nats; (k, f)."""
    codes = [binned(column, n_bins) for column in codes.T]
    return np.array([[mutual_info_score(v, z) for v in factors.T] for z in codes])


def _gaps(scores):
    """Return the lead of the best over the second best, column by column; (f,)."""
    ordered = np.sort(np.vstack([np.zeros_like(scores[:1]), scores]), axis=0)
    return ordered[-1] - ordered[-2]


def mutual_information_gap(codes, factors, *, n_bins=20, discrete_factors="auto"):
    """Return the mutual information gap, MIG [1]_.

    For each factor: how much more the best number of the code tells of it than the second
    best does, as a share of what there is to tell.

    The paper has no bins: it integrates over a model's posteriors. Bins of equal width, as
    here, are what later comparisons use [2]_; they differ in that the range is here that
    of the values without outliers. A value further from the middle 98 % of a code than
    these span counts as the outermost one that is not, since a single one would put all
    others into one bin.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes, from any transformer.
    factors : array-like of shape (n_samples,) or (n_samples, n_factors)
        What the rows were made from: labels, or numbers.
    n_bins : int, default=20
        Bins of equal width of each number of the code, and of continuous factors.
    discrete_factors : "auto", bool or array-like, default="auto"
        Which factors are discrete: all or none, those that a mask of shape (n_factors,)
        says, or those whose columns are listed. "auto" takes numbers of more than
        `n_bins` values for continuous, and everything else for discrete.

    Returns
    -------
    gap : float
        Mean over the factors, in [0, 1]; 1 is best.

    References
    ----------
    .. [1] Chen, Li, Grosse and Duvenaud (2018). Isolating sources of disentanglement in
       variational autoencoders. NeurIPS.
    .. [2] Locatello et al. (2019). Challenging common assumptions in the unsupervised
       learning of disentangled representations. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import mutual_information_gap
    >>> factors = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> float(round(mutual_information_gap(factors * 3.0, factors), 6))
    1.0
    """
    codes, factors, _ = known(
        "mutual_information_gap", codes, factors, discrete_factors, n_bins=n_bins
    )
    information = _information(codes, factors, n_bins)
    total = [entropy(np.bincount(v)) for v in factors.T]
    return float(np.mean(_gaps(information) / total))


def modularity_score(codes, factors, *, n_bins=20, discrete_factors="auto"):
    """Return the modularity [1]_: whether each number of a code tells of one factor only.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes, from any transformer.
    factors : array-like of shape (n_samples, n_factors)
        What the rows were made from: labels, or numbers; two factors at least.
    n_bins : int, default=20
        Bins of equal width of each number of the code, and of continuous factors.
    discrete_factors : "auto", bool or array-like, default="auto"
        Which factors are discrete: all or none, those that a mask of shape (n_factors,)
        says, or those whose columns are listed. "auto" takes numbers of more than
        `n_bins` values for continuous, and everything else for discrete.

    Returns
    -------
    modularity : float
        Mean over the numbers of the code that tell of any, in [0, 1]; 1 is best, and 0 if
        none tells of any.

    References
    ----------
    .. [1] Ridgeway and Mozer (2018). Learning deep disentangled embeddings with the
       F-statistic loss. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import modularity_score
    >>> factors = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> modularity_score(factors * 3.0, factors)
    1.0
    """
    codes, factors, _ = known(
        "modularity_score", codes, factors, discrete_factors, least=2, n_bins=n_bins
    )
    square = np.square(_information(codes, factors, n_bins))
    best = square.max(axis=1)
    told = best > 1e-12
    if not told.any():
        return 0.0
    others = square.sum(axis=1)[told] - best[told]
    return float(np.mean(1 - others / (best[told] * (factors.shape[1] - 1))))


def separated_attribute_predictability(
    codes, factors, *, n_bins=20, discrete_factors="auto", random_state=None
):
    """Return the separated attribute predictability, SAP [1]_.

    For each factor: how much better it is told from the best number of the code by itself
    than from the second best. A discrete factor is classified by a linear support vector
    machine, and what counts is the accuracy on held-out rows; of a continuous one it is
    the squared correlation (R2) with the number.

    A linear machine on one number tells of ordered levels the outer ones only: factors
    that are the code score 0.5 with two levels and less the more there are. Pass
    ``discrete_factors=False`` where levels are amounts. With a few hundred rows of
    discrete factors scores vary by 0.1 from split to split.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes, from any transformer.
    factors : array-like of shape (n_samples,) or (n_samples, n_factors)
        What the rows were made from: labels, or numbers.
    n_bins : int, default=20
        Classes of equal width into which a continuous factor is cut.
    discrete_factors : "auto", bool or array-like, default="auto"
        Which factors are discrete: all or none, those that a mask of shape (n_factors,)
        says, or those whose columns are listed. "auto" takes numbers of more than
        `n_bins` values for continuous, and everything else for discrete.
    random_state : int, RandomState instance or None, default=None
        Source of the held-out half.

    Returns
    -------
    score : float
        Mean gap in accuracy or R2 over the factors, in [0, 1]; higher is better.

    References
    ----------
    .. [1] Kumar, Sattigeri and Balakrishnan (2018). Variational inference of disentangled
       latent concepts from unlabeled observations. ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import separated_attribute_predictability
    >>> factors = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 25)
    >>> codes = np.column_stack([factors[:, 0], np.zeros(100)])
    >>> score = separated_attribute_predictability(codes, factors[:, 0], random_state=0)
    >>> 0.4 < score < 0.6  # right always against right half of the time
    True

    Numbers that are their own code are told by one number, and by no other:

    >>> float(separated_attribute_predictability(factors, factors, discrete_factors=False))
    1.0
    """
    more = {"n_bins": n_bins, "random_state": random_state}
    codes, factors, numbers = known(
        "separated_attribute_predictability", codes, factors, discrete_factors, **more
    )
    scores = np.empty((codes.shape[1], factors.shape[1]))
    scaled = StandardScaler().fit_transform(codes)
    split = train_test_split(scaled, factors, test_size=0.5, random_state=random_state)
    for j, values in enumerate(numbers):
        if values is None:
            scores[:, j] = _accuracies(*split[:2], split[2][:, j], split[3][:, j], j)
        else:
            scores[:, j] = _squared_correlations(codes, values)
    return float(np.mean(_gaps(scores)))


def _accuracies(Z, Z_test, v, v_test, j):
    """Return how often each number of the codes tells factor j in held-out rows; (k,)."""
    if len(np.unique(v)) < 2:
        raise ValueError(
            f"factors: column {j} has too few rows of a second value. Pass more."
        )
    accuracies = []
    for z, z_test in zip(Z.T, Z_test.T, strict=True):
        machine = LinearSVC(C=0.01, class_weight="balanced", random_state=0)
        machine.fit(z[:, None], v)
        accuracies.append(machine.score(z_test[:, None], v_test))
    return accuracies


def _squared_correlations(codes, values):
    """Return each code's squared correlation with the values (n,), 0 if constant; (k,)."""
    codes, values = codes - codes.mean(axis=0), values - values.mean()
    total = np.square(codes).sum(axis=0) * np.square(values).sum()
    square = np.square(values @ codes)
    return np.divide(square, total, out=np.zeros_like(total), where=total > 0)


def dci_scores(codes, factors, *, n_bins=20, discrete_factors="auto", random_state=None):
    """Return disentanglement, completeness and informativeness, DCI [1]_.

    A random forest predicts each factor from the code, a continuous one by its classes.
    Disentanglement says whether each
    number of the code is important for one factor only, completeness whether each factor
    depends on one number only, and informativeness how well held-out rows are predicted.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes, from any transformer.
    factors : array-like of shape (n_samples,) or (n_samples, n_factors)
        What the rows were made from: labels, or numbers.
    n_bins : int, default=20
        Classes of equal width into which a continuous factor is cut.
    discrete_factors : "auto", bool or array-like, default="auto"
        Which factors are discrete: all or none, those that a mask of shape (n_factors,)
        says, or those whose columns are listed. "auto" takes numbers of more than
        `n_bins` values for continuous, and everything else for discrete.
    random_state : int, RandomState instance or None, default=None
        Source of the held-out half and of the forests.

    Returns
    -------
    scores : DCI
        A tuple (disentanglement, completeness, informativeness), each in [0, 1]; 1 is
        best. Informativeness is the accuracy on held-out rows.

    References
    ----------
    .. [1] Eastwood and Williams (2018). A framework for the quantitative evaluation of
       disentangled representations. ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import dci_scores
    >>> factors = np.random.default_rng(0).integers(3, size=(400, 2))
    >>> scores = dci_scores(factors.astype(float), factors, random_state=0)
    >>> min(scores) > 0.9
    True
    """
    more = {"n_bins": n_bins, "random_state": random_state}
    codes, factors, _ = known("dci_scores", codes, factors, discrete_factors, **more)
    random_state = check_random_state(random_state)
    split = train_test_split(codes, factors, test_size=0.5, random_state=random_state)
    Z, Z_test, V, V_test = split
    importance, accuracy = [], []
    for v, v_test in zip(V.T, V_test.T, strict=True):
        seed = random_state.randint(2**31 - 1)
        forest = RandomForestClassifier(100, max_features=None, random_state=seed)
        forest.fit(Z, v)
        importance.append(forest.feature_importances_)
        accuracy.append(forest.score(Z_test, v_test))
    importance = np.array(importance).T + 1e-12  # (k, f)
    return DCI(_focus(importance), _focus(importance.T), float(np.mean(accuracy)))


def _focus(importance):
    """Return 1 less the entropy of the rows (a, b) over b, weighted by what rows hold."""
    if importance.shape[1] == 1:
        return 1.0
    base = importance.shape[1]
    return float(
        np.average(1 - entropy(importance, base=base, axis=1), weights=importance.sum(1))
    )


def _groups(factors):
    """Return of each factor the rows of each value that two rows share at least."""
    groups = []
    for i, column in enumerate(factors.T):
        rows = [np.flatnonzero(column == value) for value in np.unique(column)]
        groups.append([group for group in rows if len(group) > 1])
        if not groups[-1]:
            raise ValueError(
                f"factors: no two rows share a value of column {i}. Pass more rows."
            )
    return groups


def _trials(groups, n, n_rows, random_state):
    """Yield (factor, rows that share a value of it), n times."""
    for _ in range(n):
        factor = random_state.randint(len(groups))
        group = groups[factor][random_state.randint(len(groups[factor]))]
        yield factor, random_state.choice(group, n_rows)


def factor_vae_score(
    codes,
    factors,
    *,
    n_trials=800,
    n_rows=64,
    n_bins=20,
    discrete_factors="auto",
    random_state=None,
):
    """Return the FactorVAE score [1]_: whether what varies least names the factor.

    Rows are drawn that share the value of one factor. The number of the code that varies
    least among them, as a share of its variance over all rows, votes for the factor; the
    score is how often the majority's vote is right in further draws. Numbers that do not
    vary at all have no vote.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes, from any transformer.
    factors : array-like of shape (n_samples, n_factors)
        What the rows were made from: labels, or numbers.
    n_trials : int, default=800
        Draws that vote, and as many that judge.
    n_rows : int, default=64
        Rows in a draw.
    n_bins : int, default=20
        Classes of equal width into which a continuous factor is cut.
    discrete_factors : "auto", bool or array-like, default="auto"
        Which factors are discrete: all or none, those that a mask of shape (n_factors,)
        says, or those whose columns are listed. "auto" takes numbers of more than
        `n_bins` values for continuous, and everything else for discrete.
    random_state : int, RandomState instance or None, default=None
        Source of the draws.

    Returns
    -------
    score : float
        Accuracy, in [0, 1]; chance is one in the number of factors.

    References
    ----------
    .. [1] Kim and Mnih (2018). Disentangling by factorising. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import factor_vae_score
    >>> factors = np.random.default_rng(0).integers(3, size=(400, 2))
    >>> factor_vae_score(factors * 2.0, factors, random_state=0)
    1.0
    """
    more = {"n_trials": n_trials, "n_rows": n_rows, "n_bins": n_bins}
    more["random_state"] = random_state
    codes, factors, _ = known("factor_vae_score", codes, factors, discrete_factors, **more)
    random_state = check_random_state(random_state)
    variance = codes.var(axis=0)
    varies = variance > 0
    if not varies.any():
        return float(1 / factors.shape[1])
    codes, variance = codes[:, varies], variance[varies]
    groups = _groups(factors)
    votes = np.zeros((2, codes.shape[1], factors.shape[1]))
    for part in votes:
        for factor, rows in _trials(groups, n_trials, n_rows, random_state):
            part[np.argmin(codes[rows].var(axis=0) / variance), factor] += 1
    rule = votes[0].argmax(axis=1)
    return float(votes[1][np.arange(len(rule)), rule].sum() / n_trials)


def beta_vae_score(
    codes,
    factors,
    *,
    n_trials=800,
    n_rows=64,
    n_bins=20,
    discrete_factors="auto",
    random_state=None,
):
    """Return the beta-VAE score [1]_: whether differences of codes name the shared factor.

    Pairs of rows are drawn that share the value of one factor; from the mean absolute
    difference of their codes, a linear classifier tells which factor it was.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes, from any transformer.
    factors : array-like of shape (n_samples, n_factors)
        What the rows were made from: labels, or numbers.
    n_trials : int, default=800
        Means of differences to learn from, and as many to judge by.
    n_rows : int, default=64
        Pairs in a mean, each of a value of the factor drawn anew.
    n_bins : int, default=20
        Classes of equal width into which a continuous factor is cut.
    discrete_factors : "auto", bool or array-like, default="auto"
        Which factors are discrete: all or none, those that a mask of shape (n_factors,)
        says, or those whose columns are listed. "auto" takes numbers of more than
        `n_bins` values for continuous, and everything else for discrete.
    random_state : int, RandomState instance or None, default=None
        Source of the draws.

    Returns
    -------
    score : float
        Accuracy, in [0, 1]; chance is one in the number of factors.

    References
    ----------
    .. [1] Higgins et al. (2017). beta-VAE: learning basic visual concepts with a
       constrained variational framework. ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import beta_vae_score
    >>> factors = np.random.default_rng(0).integers(3, size=(400, 2))
    >>> beta_vae_score(factors * 2.0, factors, random_state=0)
    1.0
    """
    more = {"n_trials": n_trials, "n_rows": n_rows, "n_bins": n_bins}
    more["random_state"] = random_state
    codes, factors, _ = known("beta_vae_score", codes, factors, discrete_factors, **more)
    random_state = check_random_state(random_state)
    codes = StandardScaler().fit_transform(codes)
    groups, parts = _groups(factors), []
    for _ in range(2):
        differences, named = [], []
        for _ in range(n_trials):
            factor = random_state.randint(factors.shape[1])
            pairs = _trials([groups[factor]], n_rows, 2, random_state)
            first, second = np.array([rows for _, rows in pairs]).T
            differences.append(np.abs(codes[first] - codes[second]).mean(axis=0))
            named.append(factor)
        if len(set(named)) < 2:
            raise ValueError(
                f"beta_vae_score needs two factors at least, and n_trials={n_trials} drew "
                "one only. Pass more."
            )
        parts.append((np.array(differences), named))
    return float(LogisticRegression(max_iter=2000, C=100).fit(*parts[0]).score(*parts[1]))
