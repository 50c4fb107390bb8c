"""How well single numbers of a code stand for single factors of the data.

All are functions of codes (n, k), from any transformer, and of the factors (n, f) that the
rows were made from. A factor is a label, or a number; numbers of many values, and codes,
are cut into bins of equal width where a measure needs counts.
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
from sklearn.utils import check_array, check_consistent_length, check_random_state

VARIES = 1e-12  # variance of a code's number, as a share of the largest, to be counted


class DCI(NamedTuple):
    """What `dci_scores` returns, each in [0, 1] and best at 1."""

    disentanglement: float
    completeness: float
    informativeness: float


def _check(codes, factors, n_bins):
    """Return codes (n, k) and the factors as integers (n, f)."""
    codes = check_array(codes, dtype=np.float64, input_name="codes")
    factors = np.asarray(factors)
    factors = factors[:, None] if factors.ndim == 1 else factors
    check_consistent_length(codes, factors)
    columns = []
    for i, column in enumerate(factors.T):
        values, place = np.unique(column, return_inverse=True)
        if len(values) < 2:
            raise ValueError(f"factors: column {i} has one value only. Leave it out.")
        if len(values) > n_bins and np.issubdtype(column.dtype, np.number):
            place = _binned(column.astype(np.float64), n_bins)
        columns.append(place)
    return codes, np.stack(columns, axis=1)


def _binned(values, n_bins):
    """Return the number of the bin, of `n_bins` of equal width, that each value is in."""
    edges = np.histogram_bin_edges(values, n_bins)[1:-1]
    return np.digitize(values, edges)


def _information(codes, factors, n_bins):
    """Return the mutual information of binned codes with factors, in nats; (k, f)."""
    binned = [_binned(column, n_bins) for column in codes.T]
    return np.array([[mutual_info_score(v, z) for v in factors.T] for z in binned])


def _gaps(scores):
    """Return the lead of the best over the second best, column by column; (f,)."""
    ordered = np.sort(np.vstack([np.zeros_like(scores[:1]), scores]), axis=0)
    return ordered[-1] - ordered[-2]


def mutual_information_gap(codes, factors, *, n_bins=20):
    """Return the mutual information gap, MIG [1]_.

    For each factor: how much more the best number of the code tells of it than the second
    best does, as a share of what there is to tell.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes, from any transformer.
    factors : array-like of shape (n_samples,) or (n_samples, n_factors)
        What the rows were made from: labels, or numbers.
    n_bins : int, default=20
        Bins of equal width of each number of the code.

    Returns
    -------
    gap : float
        Mean over the factors, in [0, 1]; 1 is best.

    References
    ----------
    .. [1] Chen, Li, Grosse and Duvenaud (2018). Isolating sources of disentanglement in
       variational autoencoders. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import mutual_information_gap
    >>> factors = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> float(round(mutual_information_gap(factors * 3.0, factors), 6))
    1.0
    """
    codes, factors = _check(codes, factors, n_bins)
    information = _information(codes, factors, n_bins)
    total = [entropy(np.bincount(v)) for v in factors.T]
    return float(np.mean(_gaps(information) / total))


def modularity_score(codes, factors, *, n_bins=20):
    """Return the modularity [1]_: whether each number of a code tells of one factor only.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes, from any transformer.
    factors : array-like of shape (n_samples, n_factors)
        What the rows were made from: labels, or numbers; two factors at least.
    n_bins : int, default=20
        Bins of equal width of each number of the code.

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
    codes, factors = _check(codes, factors, n_bins)
    if factors.shape[1] < 2:
        raise ValueError("factors: modularity_score needs two factors at least. Got one.")
    square = np.square(_information(codes, factors, n_bins))
    best = square.max(axis=1)
    told = best > 1e-12
    if not told.any():
        return 0.0
    others = square.sum(axis=1)[told] - best[told]
    return float(np.mean(1 - others / (best[told] * (factors.shape[1] - 1))))


def separated_attribute_predictability(codes, factors, *, n_bins=20, random_state=None):
    """Return the separated attribute predictability, SAP [1]_.

    For each factor: how much better it is classified from the best number of the code by
    itself than from the second best, by a linear support vector machine on held-out rows.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes, from any transformer.
    factors : array-like of shape (n_samples,) or (n_samples, n_factors)
        What the rows were made from: labels, or numbers.
    n_bins : int, default=20
        Classes into which a number of more values is cut.
    random_state : int, RandomState instance or None, default=None
        Source of the held-out half.

    Returns
    -------
    score : float
        Mean gap in accuracy over the factors, in [0, 1]; higher is better.

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
    """
    codes, factors = _check(codes, factors, n_bins)
    codes = StandardScaler().fit_transform(codes)
    split = train_test_split(codes, factors, test_size=0.5, random_state=random_state)
    Z, Z_test, V, V_test = split
    scores = np.empty((codes.shape[1], factors.shape[1]))
    for i, j in np.ndindex(scores.shape):
        machine = LinearSVC(C=0.01, class_weight="balanced", random_state=0)
        if len(np.unique(V[:, j])) < 2:
            raise ValueError(
                f"factors: column {j} has too few rows of a second value. Pass more."
            )
        machine.fit(Z[:, i : i + 1], V[:, j])
        scores[i, j] = machine.score(Z_test[:, i : i + 1], V_test[:, j])
    return float(np.mean(_gaps(scores)))


def dci_scores(codes, factors, *, n_bins=20, random_state=None):
    """Return disentanglement, completeness and informativeness, DCI [1]_.

    A random forest predicts each factor from the code. Disentanglement says whether each
    number of the code is important for one factor only, completeness whether each factor
    depends on one number only, and informativeness how well held-out rows are predicted.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes, from any transformer.
    factors : array-like of shape (n_samples,) or (n_samples, n_factors)
        What the rows were made from: labels, or numbers.
    n_bins : int, default=20
        Classes into which a number of more values is cut.
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
    codes, factors = _check(codes, factors, n_bins)
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


def _groups(column, least):
    """Return the rows of each value of a factor that has at least `least` rows."""
    groups = [np.flatnonzero(column == value) for value in np.unique(column)]
    return [group for group in groups if len(group) >= least]


def _trials(factors, n, n_rows, random_state):
    """Yield (factor, rows that share a value of it), n times."""
    groups = [_groups(column, 2) for column in factors.T]
    for i, group in enumerate(groups):
        if not group:
            raise ValueError(
                f"factors: no two rows share a value of column {i}. Pass more rows."
            )
    for _ in range(n):
        factor = random_state.randint(len(groups))
        group = groups[factor][random_state.randint(len(groups[factor]))]
        yield factor, random_state.choice(group, n_rows)


def factor_vae_score(
    codes, factors, *, n_trials=800, n_rows=64, n_bins=20, random_state=None
):
    """Return the FactorVAE score [1]_: whether what varies least names the factor.

    Rows are drawn that share the value of one factor. The number of the code that varies
    least among them, as a share of its variance over all rows, votes for the factor; the
    score is how often the majority's vote is right in further draws.

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
        Classes into which a number of more values is cut.
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
    codes, factors = _check(codes, factors, n_bins)
    random_state = check_random_state(random_state)
    variance = codes.var(axis=0)
    varies = variance > VARIES * variance.max()
    if not varies.any():
        return float(1 / factors.shape[1])
    codes, variance = codes[:, varies], variance[varies]
    votes = np.zeros((2, codes.shape[1], factors.shape[1]))
    for part in votes:
        for factor, rows in _trials(factors, n_trials, n_rows, random_state):
            part[np.argmin(codes[rows].var(axis=0) / variance), factor] += 1
    rule = votes[0].argmax(axis=1)
    return float(votes[1][np.arange(len(rule)), rule].sum() / n_trials)


def beta_vae_score(
    codes, factors, *, n_trials=800, n_rows=64, n_bins=20, random_state=None
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
        Classes into which a number of more values is cut.
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
    codes, factors = _check(codes, factors, n_bins)
    random_state = check_random_state(random_state)
    codes = codes / np.where(codes.std(axis=0) > 0, codes.std(axis=0), 1)
    parts = []
    for _ in range(2):
        differences, named = [], []
        for _ in range(n_trials):
            factor = random_state.randint(factors.shape[1])
            pairs = _trials(factors[:, [factor]], n_rows, 2, random_state)
            first, second = np.array([rows for _, rows in pairs]).T
            differences.append(np.abs(codes[first] - codes[second]).mean(axis=0))
            named.append(factor)
        parts.append((np.array(differences), named))
    return float(LogisticRegression(max_iter=2000, C=100).fit(*parts[0]).score(*parts[1]))
