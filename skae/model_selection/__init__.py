"""Searches whose candidates are trained together, and splits and scores of few labels."""

from skae.model_selection._labelled import LabelledKFold, labelled_scorer
from skae.model_selection._search import GridSearchCV

__all__ = [
    "GridSearchCV",
    "LabelledKFold",
    "labelled_scorer",
]
