"""Classes that encoder and decoder are told."""

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from skae._training.blocks import padded


def places(known, values, name, of="class that `fit` has not seen"):
    """Return where values (n,) are among the sorted known ones, or a ``ValueError``."""
    place = np.searchsorted(known, values).clip(max=len(known) - 1)
    strange = known[place] != values
    if strange.any():
        raise ValueError(
            f"{name} holds a {of}: {values[strange][0]!r}. Known are {known.tolist()}."
        )
    return place


class ConditionalMixin:
    """What ``conditional=True`` needs of an autoencoder: y as ones among zeros."""

    def _condition(self, y, X, *, reset):
        if not reset and self.conditional != hasattr(self, "classes_"):
            raise ValueError(
                "Training that goes on (warm_start=True or partial_fit) cannot change "
                f"conditional={not self.conditional}. Use warm_start=False and fit."
            )
        if not self.conditional:
            return None
        if reset and y is not None:
            check_classification_targets(y)
            self.classes_ = np.unique(column_or_1d(y))
        return self._one_hot(y, X.shape[0])

    def _one_hot(self, y, n):
        """Return classes y, of n rows or one for all, as ones among zeros."""
        if y is None:
            raise ValueError(
                "conditional=True needs y, the class of each row. Pass y, or use "
                "conditional=False."
            )
        if np.ndim(y) == 0:
            y = np.full(n, y)
        y = column_or_1d(y)
        check_consistent_length(np.empty(n), y)
        place = places(self.classes_, y, "y")
        return np.eye(len(self.classes_), dtype=np.float32)[place]

    def _given(self, fn, y, n):
        """Return fn of blocks of n rows, told their classes y if it has to be."""
        if not hasattr(self, "classes_"):
            if y is not None:
                raise ValueError(
                    "y is for conditional=True: this estimator was fitted without classes."
                )
            return fn
        blocks = padded(self._one_hot(y, n), self._block_rows_, None)
        return lambda x: fn(x, next(blocks)[1].to(self.net_.device))
