"""Parameter objects: small dataclasses that scikit-learn can clone and search."""

import warnings
from dataclasses import fields, is_dataclass
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    validate_parameter_constraints,
)

WORDS = {  # of textbooks and other packages, by parameter: what they are here
    "activation": {"swish": "'silu'", "logistic": "'sigmoid'", "identity": "'linear'"},
    "corruption": {
        "dropout": "'masking' for cells of X, 'hidden_dropout' for hidden units",
        "noise": "'gaussian'",
        "gaussian_noise": "'gaussian'",
        "normal": "'gaussian'",
        "mask": "'masking'",
        "salt_pepper": "'salt_and_pepper'",
        "swap_noise": "'swap'",
    },
    "likelihood": {
        **dict.fromkeys(("mse", "mean_squared_error", "squared_error"), "'gaussian'"),
        **dict.fromkeys(("bce", "binary_crossentropy", "sigmoid"), "'bernoulli'"),
        **dict.fromkeys(("softmax", "cross_entropy", "multinomial"), "'categorical'"),
        "normal": "'gaussian'",
    },
    "link": {
        "linear": "'identity'",
        "softmax": "likelihood='categorical'",
        "logistic": "'sigmoid'",
    },
    "normalization": {
        **dict.fromkeys(("batchnorm", "batch_norm"), "'batch'"),
        **dict.fromkeys(("layernorm", "layer_norm"), "'layer'"),
    },
    "prior": {"normal": "'gaussian'"},
}
WORDS["code_activation"] = WORDS["activation"]


def meant(name, value, auto="'auto'"):
    """Return what a value of a parameter probably means, as a sentence, or nothing.

    `auto` says what ``n_components="auto"`` is.
    """
    if name == "network" and isinstance(value, Integral):
        return f" One hidden layer of {value} units is network=({value},)."
    if name == "n_components" and isinstance(value, Real) and 0 < value < 1:
        return f" A share of the variance is what PCA takes; nearest to it is {auto}."
    word = WORDS.get(name, {}).get(value) if isinstance(value, str) else None
    return f" What is called {value!r} elsewhere is {word} here." if word else ""


def hinted(error, params, auto="'auto'"):
    """Return an ``InvalidParameterError`` with what the value probably means."""
    name = str(error).split("'")[1]
    return InvalidParameterError(f"{error}{meant(name, params.get(name), auto)}")


def as_number(value):
    """Return a number of numpy's, which may be of few bits, as Python's own."""
    return value.item() if isinstance(value, np.number) else value


SITE = "https://skae.readthedocs.io/en/stable/"  # where the documentation is


class Explaining:
    """An estimator that links to its page, and whose refusals name what to pass."""

    _doc_link_module = "skae"
    _doc_link_template = SITE + "generated/skae.{estimator_name}.html"

    _examples: ClassVar[dict] = {}  # what can be passed as a parameter, by its name
    _auto_code: ClassVar[str] = (
        "'auto', the fewest principal components that explain 0.9 of it, at most 32"
    )

    def _validate_params(self):
        try:
            super()._validate_params()
        except InvalidParameterError as error:
            params = self.get_params(deep=False)
            raise hinted(error, params, self._auto_code) from None

    def set_params(self, **params):
        """Set the parameters of this estimator, also nested ones.

        Parameters
        ----------
        **params : dict
            Parameters by name; ``network__activation`` is the `activation` of the
            object passed as `network`.

        Returns
        -------
        self : object
            This estimator.
        """
        for key in params:
            name, _, nested = key.partition("__")
            known = self.get_params(deep=False)
            if not nested or name not in known:
                continue
            value = params.get(name, known[name])
            if not hasattr(value, "set_params"):
                way = f"Set {name} as a whole"
                if name in self._examples:
                    way = f"Pass an object as {name}: {name}={self._examples[name]}"
                elif name.endswith("params"):
                    way += f": {name}={{{nested!r}: ...}}"
                raise ValueError(
                    f"{key} cannot be set: {name}={value!r} has no parameters. {way}."
                )
        return super().set_params(**params)


class Parameters:
    """What ``clone`` and ``GridSearchCV`` ask of an object passed as a parameter.

    As a Gaussian process's kernel, such an object holds nothing but its parameters:
    ``get_params`` and ``set_params`` are read off the dataclass's fields, so that
    ``autoencoder__network__activation`` is a name that a grid can use.
    """

    _belongs_to = ""  # the estimators' parameter that such an object is for
    _parameter_constraints: ClassVar[dict] = {}  # as an estimator's

    def get_params(self, deep=True):
        """Return the parameters by name."""
        return {field.name: vars(self)[field.name] for field in fields(self)}

    def set_params(self, **params):
        """Set parameters by name; an unknown name is a ``ValueError``."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ValueError(
                    f"Invalid parameter {name!r} for {type(self).__name__}. "
                    f"Valid parameters are: {sorted(known)}."
                )
            setattr(self, name, value)
        return self

    def validate(self):
        """Raise a ``ValueError`` for a parameter that cannot be."""
        params, owner = self.get_params(deep=False), type(self).__name__
        try:
            validate_parameter_constraints(self._parameter_constraints, params, owner)
        except InvalidParameterError as error:
            raise ValueError(f"{self._belongs_to}: {hinted(error, params)}") from None


LARGEST = 1e38  # float32 ends a little later
LARGEST_INT = 2**63 - 1  # that torch takes


class Amount(Interval):
    """A number that float32 holds, from 0 or above it."""

    def __init__(self, *, closed):
        super().__init__(Real, 0, LARGEST, closed=closed)

    def is_satisfied_by(self, val):
        """Tell whether a value is such a number."""
        return super().is_satisfied_by(val) and _is_held(val)

    def __str__(self):
        """Say what is allowed."""
        return f"{super().__str__()} (an int, below 2**63)"


class Number(Interval):
    """A number in an interval, but no bool, which Python takes for an integer."""

    def is_satisfied_by(self, val):
        """Tell whether a value is such a number."""
        is_number = not isinstance(val, bool) and super().is_satisfied_by(val)
        return is_number and _is_held(val)


ONE_OR_MORE = Number(Integral, 1, None, closed="left")


class Strength(Number):
    """A number in an interval, or a pair (low, high) of such."""

    def is_satisfied_by(self, val):
        """Tell whether a value is such a number or pair."""
        pair = val if isinstance(val, tuple | list) else (val, val)
        within = all(map(super().is_satisfied_by, pair))
        return within and len(pair) == 2 and pair[0] <= pair[1]

    def __str__(self):
        """Say what is allowed."""
        return f"{super().__str__()} or a pair (low, high) of such"


class Sizes(Number):
    """A tuple of positive integers, of one of some lengths if these are given."""

    def __init__(self, example, lengths=None):
        super().__init__(Integral, 1, None, closed="left")
        self.example, self.lengths = example, lengths

    def is_satisfied_by(self, val):
        """Tell whether a value is such a tuple."""
        return (
            isinstance(val, tuple | list)
            and (self.lengths is None or len(val) in self.lengths)
            and all(map(super().is_satisfied_by, val))
        )

    def __str__(self):
        """Say what is allowed."""
        return f"a tuple of positive integers such as {self.example}"


def _is_held(number):
    """Tell whether torch can hold a number, if it is an integer."""
    return not isinstance(number, Integral) or abs(number) <= LARGEST_INT


def check_instance(name, value):
    """Raise a ``ValueError`` if a class was passed where its instance belongs."""
    if isinstance(value, type):
        raise ValueError(
            f"{name} must be an instance, not the class: write "
            f"{name}={value.__name__}(...)."
        )


def check_option(owner, name, value, options):
    """Raise a ``ValueError`` that names the parameter and what it may be."""
    options = tuple(options)
    is_plain = value is None or isinstance(value, str | Real | np.bool_)  # no array, say
    if not is_plain or value not in options:
        allowed = ", ".join(repr(option) for option in options)
        hint = meant(name, value)
        raise ValueError(f"{owner}: {name} must be one of {allowed}. Got {value!r}.{hint}")


def check_parts(**parts):
    """Raise a ``ValueError`` for a parameter object, by its name, that cannot be."""
    for name, part in parts.items():
        check_instance(name, part)
        if hasattr(part, "validate"):  # a user's own may have nothing to check
            part.validate()


def equal(a, b):
    """Tell whether two parameters are the same, arrays in them too."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return type(a) is type(b) and np.array_equal(a, b)
    if is_dataclass(a) and not isinstance(a, type):
        return type(a) is type(b) and equal(vars(a), vars(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list) and type(a) is type(b):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


class Versioned:
    """An estimator that carries the version it was fitted by, and says so if it differs."""

    def __getstate__(self):
        state = dict(super().__getstate__())
        if any(name[-1] == "_" for name in state):
            state.pop("_skl_callbacks", None)  # of fits, not of what is fitted
            state.setdefault("_skae_version_", _version())
        return state

    def __setstate__(self, state):
        fitted_by = state.get("_skae_version_", _version())
        if fitted_by != _version():
            warnings.warn(
                f"This {type(self).__name__} was fitted by skae {fitted_by}, and is loaded "
                f"by {_version()}: it may fail, or give other results. Fit it anew, or "
                f"load it with skae {fitted_by}.",
                stacklevel=2,
            )
        super().__setstate__(state)


def _version():
    from skae import __version__

    return __version__
