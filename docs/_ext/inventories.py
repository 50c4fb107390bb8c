"""Where names of other packages are documented, for when their sites cannot be asked.

intersphinx asks each site for its inventory. A build without a connection takes the ones
that are written here: names that exist in the installed packages, at the addresses that
these sites give to all their names.
"""

import importlib
import zlib
from types import ModuleType

from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
from sklearn.utils.discovery import all_displays, all_estimators, all_functions

#: package -> its site, the address of a name there, names beside scikit-learn's own
SITES = {
    "sklearn": (
        "https://scikit-learn.org/stable/",
        "modules/generated/{name}.html",
        [
            "sklearn.callback.ProgressBar",
            "sklearn.exceptions.ConvergenceWarning",
            "sklearn.model_selection.StratifiedKFold",
            "sklearn.pipeline.Pipeline",
            "sklearn.semi_supervised",
        ],
    ),
    "numpy": (
        "https://numpy.org/doc/stable/",
        "reference/generated/{name}.html#{name}",
        ["numpy.ndarray", "numpy.packbits", "numpy.random.RandomState"],
    ),
    "pandas": (
        "https://pandas.pydata.org/docs/",
        "reference/api/{name}.html#{name}",
        ["pandas.DataFrame", "pandas.Series", "pandas.MultiIndex"],
    ),
    "torch": (
        "https://docs.pytorch.org/docs/stable/",
        "generated/{name}.html#{name}",
        ["torch.nn.Module", "torch.optim.Adam"],
    ),
    "skorch": (
        "https://skorch.readthedocs.io/en/stable/",
        "net.html#{name}",
        ["skorch.net.NeuralNet"],
    ),
    "matplotlib": (
        "https://matplotlib.org/stable/",
        "api/_as_gen/{name}.html#{name}",
        ["matplotlib.axes.Axes", "matplotlib.figure.Figure"],
    ),
}
HEADER = "# Sphinx inventory version 2\n# Project: {}\n# Version: \n# The rest is zlib.\n"


def names_of_sklearn():
    """Yield the public name of each estimator, function and display of scikit-learn."""
    for name, thing in [*all_estimators(), *all_functions(), *all_displays()]:
        public, _, _ = thing.__module__.partition("._")
        if name in importlib.import_module(public).__dict__:
            yield f"{public}.{name}"


def role(name):
    """Return what a name is to Sphinx; it has to exist."""
    module, _, attribute = name.rpartition(".")
    thing = getattr(
        importlib.import_module(module), attribute, None
    ) or importlib.import_module(name)
    if isinstance(thing, ModuleType):
        return "py:module"
    return "py:class" if isinstance(thing, type) else "py:function"


def written(package, folder):
    """Write a package's inventory; return its path."""
    _, address, names = SITES[package]
    if package == "sklearn":
        names = sorted({*names, *names_of_sklearn()})
    lines = [f"{name} {role(name)} 1 {address.format(name=name)} -" for name in names]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{package}.inv"
    body = zlib.compress("".join(f"{line}\n" for line in lines).encode())
    path.write_bytes(HEADER.format(package).encode() + body)
    return str(path)


def mapping(folder):
    """Return intersphinx's mapping: each site, then what is written to a folder."""
    return {
        package: (site, (None, written(package, folder)))
        for package, (site, *_) in SITES.items()
    }
