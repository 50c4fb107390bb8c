"""Rows made of few units of a dictionary."""

import numpy as np
from sklearn.datasets import load_digits

X = load_digits().data


def planted(n=4000, d=16, n_units=64, k=2, signed=False, seed=0):
    rng = np.random.default_rng(seed)
    D = rng.normal(size=(n_units, d))
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    Z = np.zeros((n, n_units))
    for row in Z:
        sign = rng.choice([-1, 1], k) if signed else 1
        row[rng.choice(n_units, k, replace=False)] = sign * rng.uniform(0.5, 1.5, k)
    return Z @ D + 0.01 * rng.normal(size=(n, d)), D
