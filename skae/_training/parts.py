"""What a `fit` is made of: the parameters as objects, checked before any training."""

import copy
import warnings
from typing import NamedTuple

import numpy as np
import torch

from skae._data.rows import blocks
from skae._params import check_instance
from skae._training.net import OWNED
from skae.likelihoods._mixed import as_mixed, is_mixed
from skae.likelihoods._named import NAMED

LARGEST = 1e12  # scaled value whose square float32 still sums


class Parts(NamedTuple):
    """An estimator's parameters as objects."""

    network: object
    likelihood: object
    corruption: object
    net_params: dict

    @classmethod
    def of(cls, estimator, has_pairs):
        """Return the parts of an estimator, or raise a ``ValueError``."""
        likelihood = estimator.likelihood
        if isinstance(likelihood, str):
            likelihood = NAMED[likelihood]()
        network, corruption = estimator._network(), estimator._corruption(has_pairs)
        for name, part in (
            ("network", network),
            ("likelihood", likelihood),
            ("corruption", corruption),
        ):
            check_instance(name, part)
            getattr(part, "validate", lambda: None)()
        if is_mixed(likelihood):
            if hasattr(network, "image_shape"):
                raise ValueError(
                    f"network: {type(network).__name__} is for pictures, and "
                    "likelihood='mixed' for tables. Use network='auto' or a DenseNetwork."
                )
            likelihood = as_mixed(likelihood, estimator._schema_)
        if hasattr(network, "resolve"):
            network = network.resolve(estimator._sample_shape_)
        net_params = dict(estimator.net_params or {})
        for name in net_params:
            owner = OWNED.get(name, OWNED.get(name.split("__")[0]))
            if owner is not None:
                raise ValueError(
                    f"net_params: {name!r} is not for net_params; set it by the "
                    f"parameter {owner} instead."
                )
        return cls(network, likelihood, corruption, net_params)

    def structure(self, estimator, n_components):
        """Return what training that goes on cannot change."""
        return {
            "network": copy.deepcopy(self.network),
            "likelihood": copy.deepcopy(self.likelihood),
            "code_activation": estimator.code_activation,
            "n_components": n_components,
            "net_params": lasting(self.net_params),
            **estimator._more_structure(),
        }

    def check_structure(self, estimator):
        """Raise a ``ValueError`` if going on would need another net than ``net_``."""
        now = self.structure(estimator, estimator.n_components)
        before = dict(estimator._structure_)
        if now["n_components"] in ("auto", None, estimator.n_components_):
            before["n_components"] = now["n_components"]
        for name, value in now.items():
            same = value == before[name]
            if not hasattr(value, "get_params") and hasattr(value, "build"):
                same = type(value) is type(before[name])  # a user's own: no equality
            if not same:
                raise ValueError(
                    f"Training that goes on (warm_start=True or partial_fit) cannot "
                    f"change {name}: it is {value!r}, and was {before[name]!r} when "
                    "fitted. Use warm_start=False and fit."
                )


def lasting(net_params):
    """Return the parameters that a net keeps: all but the callbacks."""
    return {name: value for name, value in net_params.items() if name != "callbacks"}


def warn_of_frozen_columns(likelihood, X):
    """Warn of rows that differ where all rows of the first call were the same."""
    frozen = np.flatnonzero(likelihood.scale == 0)
    constant = likelihood.location[frozen]
    moved = np.zeros(len(frozen), dtype=bool)
    for _, rows in blocks(X) if len(frozen) else ():
        rows = rows[:, frozen]
        moved |= ~(np.isclose(rows, constant) | np.isnan(rows)).all(axis=0)
    if moved.any():
        warnings.warn(
            f"X: columns {frozen[moved].tolist()} were constant in the first call "
            "of fit or partial_fit, and are ignored. Fit anew on rows in which they "
            "vary.",
            stacklevel=5,
        )


def check_magnitude(stats, likelihood):
    """Raise a ``ValueError`` if scaled values are too large to be squared in float32."""
    ends = np.stack([stats.minimum, stats.maximum])
    scaled = np.abs(likelihood.standardize(ends, check=False)).max(0)
    if not (scaled < LARGEST).all():
        column = np.flatnonzero(~(scaled < LARGEST))[0]
        raise ValueError(
            f"X: the values of column {column} are too large for float32 even after "
            f"scaling ({scaled[column]:.3g}). Rescale that column, or let "
            "likelihood=Gaussian(scale='column') do so."
        )


def find_device(device):
    """Return the device that `device` means, or raise a ``ValueError``."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device={device!r} cannot be used here: {str(error).splitlines()[0]} Use "
            "device='auto' or 'cpu'."
        ) from error
    return device
