"""Classes that encoder and decoder are told."""

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from skae._inference import padded


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
        place = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        strange = self.classes_[place] != y
        if strange.any():
            raise ValueError(
                f"y holds a class that `fit` has not seen: {y[strange][0]!r}. Known are "
                f"{self.classes_.tolist()}."
            )
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
