"""Searches over the parameters of autoencoders, whose candidates are trained together."""

from skae.model_selection._search import GridSearchCV

__all__ = [
    "GridSearchCV",
]
