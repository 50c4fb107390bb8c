"""Likelihoods by name."""

from skae.likelihoods._discrete import Bernoulli, Categorical
from skae.likelihoods._gaussian import Gaussian
from skae.likelihoods._mixed import Mixed

NAMED = {
    "gaussian": Gaussian,
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "mixed": Mixed,
}
