"""Pictures of what an autoencoder does, each a scikit-learn Display (extra ``plot``).

A display holds what is drawn and draws it by ``plot(ax=...)``; its class methods
``from_estimator`` and ``from_...`` compute what is drawn and draw it at once.
"""

from skae.plotting._code_usage import CodeUsageDisplay
from skae.plotting._imputation import ImputationDisplay
from skae.plotting._reasons import ReasonsDisplay
from skae.plotting._samples import SampleQualityDisplay
from skae.plotting._scores import OutlierScoresDisplay

__all__ = [
    "CodeUsageDisplay",
    "ImputationDisplay",
    "OutlierScoresDisplay",
    "ReasonsDisplay",
    "SampleQualityDisplay",
]
