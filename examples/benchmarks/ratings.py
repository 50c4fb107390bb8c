"""Ratings of films: AutoencoderImputer on a sparse user x film matrix.

MovieLens small (100,004 ratings of 671 users). A tenth of the ratings is held out at
random; root mean squared error there, films and users without a rating left included.
Rivals: the mean, film and user means (shrunk), the k nearest users, and matrix
factorisations (scikit-learn's NMF of deviations made positive is not meant for missing
cells, so it is given each film's mean in their place; scikit-surprise's SVD, where that
is installed). Means over seeds.
"""

import numpy as np
import scipy.sparse as sp
from _common import machine, parser, seconds, table, use_threads
from _data import load
from sklearn.decomposition import NMF
from sklearn.metrics.pairwise import cosine_similarity

from skae import AutoencoderImputer

SHRINKAGE = 5.0  # ratings


class Baseline:
    """b = mean + film's + user's deviation, each shrunk."""

    def __init__(self, user, film, rating, shape):
        self.mean = rating.mean()
        counts = np.bincount(film, minlength=shape[1])
        rest = rating - self.mean
        self.film = np.bincount(film, rest, shape[1]) / (counts + SHRINKAGE)
        rest = rest - self.film[film]
        counts = np.bincount(user, minlength=shape[0])
        self.user = np.bincount(user, rest, shape[0]) / (counts + SHRINKAGE)

    def __call__(self, user, film):
        return self.mean + self.film[film] + self.user[user]


def neighbors(train, test, shape, k=40):
    """Return ratings as the k most similar users' deviations from the baseline say."""
    user, film, rating = train
    base = Baseline(*train, shape)
    rest = sp.csr_array((rating - base(user, film), (user, film)), shape=shape).toarray()
    seen = sp.csr_array((np.ones(len(user)), (user, film)), shape=shape).toarray()
    similarity = cosine_similarity(rest)
    np.fill_diagonal(similarity, 0)
    out = base(*test[:2])
    for i, (u, f) in enumerate(zip(*test[:2], strict=True)):
        near = np.flatnonzero(seen[:, f])
        near = near[np.argsort(-similarity[u, near])[:k]]
        weight = similarity[u, near].clip(min=0)
        out[i] += weight @ rest[near, f] / (weight.sum() + 1)
    return out


def nmf(train, test, shape, seed):
    """Return ratings by a non-negative factorisation, the baseline in empty cells."""
    base = Baseline(*train, shape)
    filled = base.mean + base.film[None] + base.user[:, None]
    filled[train[0], train[1]] = train[2]
    model = NMF(20, init="nndsvda", random_state=seed, max_iter=300)
    weights = model.fit_transform(filled.clip(min=0))
    return (weights @ model.components_)[test[0], test[1]]


def surprise_svd(train, test, seed):
    """Return ratings by scikit-surprise's SVD, or None if that is not installed."""
    try:
        import pandas as pd
        from surprise import SVD, Dataset, Reader
    except ImportError:
        return None
    frame = pd.DataFrame(dict(zip(("user", "film", "rating"), train, strict=True)))
    data = Dataset.load_from_df(frame, Reader(rating_scale=(0.5, 5)))
    model = SVD(random_state=seed).fit(data.build_full_trainset())
    return np.array([model.predict(u, f).est for u, f in zip(*test[:2], strict=True)])


def ours(train, test, shape, seed):
    """Return ratings as the imputer completes the matrix."""
    ratings = sp.csr_array((train[2], (train[0], train[1])), shape=shape)
    model = AutoencoderImputer(random_state=seed, keep_empty_features=True)
    done = model.fit_transform(ratings)
    out = done[test[0], test[1]]
    return np.where(np.isin(test[1], train[1]), out, train[2].mean())


def main():
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments = arguments.parse_args()
    data = load("movielens_small")
    user, film = (np.unique(data[k], return_inverse=True)[1] for k in ("user", "movie"))
    rating = data["rating"].astype(float)
    shape = user.max() + 1, film.max() + 1
    machine(arguments.threads)
    errors = {}
    with use_threads(arguments.threads):
        for seed in range(1 if arguments.quick else arguments.seeds):
            held_out = np.random.default_rng(seed).random(len(rating)) < 0.1
            train = [a[~held_out] for a in (user, film, rating)]
            test = [a[held_out] for a in (user, film, rating)]
            methods = {
                "skae": lambda: ours(train, test, shape, seed),  # noqa: B023
                "mean": lambda: np.full(len(test[2]), train[2].mean()),  # noqa: B023
                "film and user means": lambda: Baseline(*train, shape)(*test[:2]),  # noqa: B023
                "k nearest users": lambda: neighbors(train, test, shape),  # noqa: B023
                "NMF": lambda: nmf(train, test, shape, seed),  # noqa: B023
                "surprise SVD": lambda: surprise_svd(train, test, seed),  # noqa: B023
            }
            for name, method in methods.items():
                took, predicted = seconds(method)
                if predicted is None:
                    continue
                error = np.sqrt(np.square(predicted.clip(0.5, 5) - test[2]).mean())
                errors.setdefault(name, []).append((float(error), took))
    rows = [
        [name, *np.mean(values, axis=0).tolist(), float(np.std([v[0] for v in values]))]
        for name, values in errors.items()
    ]
    table(["method", "held-out RMSE", "seconds", "SD over seeds"], rows)


if __name__ == "__main__":
    main()
