"""Likelihoods by name, and what can be told of one before it is built."""

from skae.likelihoods._counts import Poisson
from skae.likelihoods._discrete import Bernoulli, Categorical
from skae.likelihoods._gaussian import Gaussian
from skae.likelihoods._mixed import Mixed

NAMED = {
    "gaussian": Gaussian,
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "poisson": Poisson,
    "mixed": Mixed,
}


def as_likelihood(likelihood):
    """Return the object that a parameter `likelihood` (an object, a name) means."""
    return NAMED[likelihood]() if isinstance(likelihood, str) else likelihood


def reads_tables(likelihood):
    """Tell whether a parameter `likelihood` asks for tables with missing cells."""
    if isinstance(likelihood, str):
        likelihood = NAMED.get(likelihood)
    return getattr(likelihood, "reads_tables", False)  # a user's own may not say
