"""Likelihoods by name, and what can be told of one before it is built."""

from skae._data.frames import has_other_than_numbers
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
AUTO = "auto"  # which of them, by the columns of X


def as_likelihood(likelihood, is_table=False):
    """Return the object that a parameter `likelihood` (an object, a name) means.

    `is_table` says whether X is read as a table, of which "auto" is to make the best.
    """
    if isinstance(likelihood, str) and likelihood == AUTO:
        likelihood = "mixed" if is_table else "gaussian"
    return NAMED[likelihood]() if isinstance(likelihood, str) else likelihood


def reads_tables(likelihood, X=None):
    """Tell whether a parameter `likelihood` asks for X as a table with missing cells.

    "auto" does so for a DataFrame with a column that is no number, and else does not.
    """
    if isinstance(likelihood, str):
        if likelihood == AUTO:
            return has_other_than_numbers(X)
        likelihood = NAMED.get(likelihood)
    return getattr(likelihood, "reads_tables", False)  # a user's own may not say
