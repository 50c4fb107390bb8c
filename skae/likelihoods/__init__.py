"""Likelihoods: what "close" means, and in which units.

A likelihood is a small parameter object, as ``kernel=`` is to a Gaussian process.
``fit`` of an autoencoder builds from it a module that knows the columns' means and
scales: rows go in as they are and reconstructions and scores come out in the same
units.

B is the number of rows, d the number of columns.
"""

from skae.likelihoods._counts import Poisson
from skae.likelihoods._discrete import Bernoulli, Categorical
from skae.likelihoods._gaussian import Gaussian
from skae.likelihoods._mixed import Mixed

__all__ = [
    "Bernoulli",
    "Categorical",
    "Gaussian",
    "Mixed",
    "Poisson",
]
