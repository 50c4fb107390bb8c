"""Rows near a plane, and some off it that no column shows."""

import numpy as np

from skae import AutoencoderOutlierDetector


def rows_near_a_plane(n, d=6, seed=0):
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(2, d))
    scale = 10.0 ** rng.integers(-2, 3, size=d)
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) @ directions + 0.1 * rng.normal(size=(n, d))
    return X * scale + 3 * scale, scale


X, SCALE = rows_near_a_plane(400)
CLEAN, _ = rows_near_a_plane(400, seed=1)
AWAY = abs(CLEAN[:, 2] - X[:, 2].mean()) > X[:, 2].std()
FAR = CLEAN[AWAY][:40].copy()
FAR[:, 2] = 2 * X[:, 2].mean() - FAR[:, 2]  # likely by itself, not with the others


def quick(**params):
    params = {"n_estimators": 2, "max_iter": 3, "random_state": 0} | params
    return AutoencoderOutlierDetector(**params)
