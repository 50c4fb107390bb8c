"""Parameter objects: small dataclasses that scikit-learn can clone and search."""

from dataclasses import fields
from numbers import Integral


class Parameters:
    """What ``clone`` and ``GridSearchCV`` ask of an object passed as a parameter.

    As a Gaussian process's kernel, such an object holds nothing but its parameters:
    ``get_params`` and ``set_params`` are read off the dataclass's fields, so that
    ``autoencoder__network__activation`` is a name that a grid can use.
    """

    def get_params(self, deep=True):
        """Return the parameters by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

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
    if value not in options:
        allowed = ", ".join(repr(option) for option in options)
        raise ValueError(f"{owner}: {name} must be one of {allowed}. Got {value!r}.")


def check_sizes(name, sizes, lengths=None, example=(256, 128)):
    """Raise a ``ValueError`` unless `sizes` is a tuple of so many positive integers."""
    ok = isinstance(sizes, tuple | list) and all(
        isinstance(size, Integral) and not isinstance(size, bool) and size > 0
        for size in sizes
    )
    if not ok or (lengths is not None and len(sizes) not in lengths):
        raise ValueError(
            f"network: {name} must be a tuple of positive integers, for instance "
            f"{example}. Got {sizes!r}."
        )
