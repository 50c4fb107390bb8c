"""Classes of fresh rows from few labels, by the variational autoencoder's classifier.

``VariationalAutoencoder(conditional=True)`` is told the labels of some rows and -1 for all
others; logistic regression has the labelled rows alone, standardised (of pictures: their
grey values). A quarter of the rows are fresh. Draws of the labels are by the seed.
"""

import numpy as np
from _common import Table
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from skae import VariationalAutoencoder

CASES = (  # table, labels, components
    ("digits", 100, 8),
    ("digits", 50, 8),
    ("breast cancer", 20, "auto"),
    ("breast cancer", 20, 2),
    ("wine", 15, "auto"),
    ("wine", 15, 2),
)
LOADERS = {"digits": load_digits, "breast cancer": load_breast_cancer, "wine": load_wine}


def accuracies(table, n_labels, n_components, max_iter, seed):
    """Return the shares of fresh rows that both get right."""
    X, y = LOADERS[table](return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(X))
    test, train = np.split(order, [len(X) // 4])
    known = train[:n_labels]
    told = np.full(len(X), -1)
    told[known] = y[known]
    is_picture = table == "digits"
    rows = X.reshape(-1, 8, 8) if is_picture else X
    vae = VariationalAutoencoder(
        n_components, conditional=True, max_iter=max_iter, random_state=seed
    ).fit(rows[train], told[train])
    scaler = MaxAbsScaler() if is_picture else StandardScaler()
    rival = make_pipeline(scaler, LogisticRegression(max_iter=5000))
    rival.fit(X[known], y[known])
    return np.mean(vae.predict(rows[test]) == y[test]), rival.score(X[test], y[test])


def labels(options):
    """Measure each table, by five draws that nothing was chosen on."""
    max_iter, seeds = options.few(100, 3), range(100, 100 + options.n_seeds(5))
    rows = []
    for case in CASES:
        found = options.each(accuracies, [(*case, max_iter, seed) for seed in seeds])
        mean, spread = np.mean(found, 0), np.std(found, 0)
        cells = (f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, spread, strict=True))
        rows.append((*case, *cells))
    header = "table", "labels", "components", "semi-supervised", "logistic regression"
    yield Table("semisupervised_vae", header, rows, seeds=len(seeds))


PARTS = {"labels": labels}
