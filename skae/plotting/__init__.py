"""Pictures of what an autoencoder does, each a scikit-learn Display (extra ``plot``).

A display holds what is drawn and draws it by ``plot(ax=...)``; its class methods
``from_estimator`` and ``from_...`` compute what is drawn and draw it at once.
"""

from skae.plotting._code_usage import CodeUsageDisplay
from skae.plotting._imputation import ImputationDisplay
from skae.plotting._latent import LatentMapDisplay
from skae.plotting._loss import LossCurveDisplay
from skae.plotting._reasons import ReasonsDisplay
from skae.plotting._reconstruction import ReconstructionDisplay
from skae.plotting._samples import SampleQualityDisplay
from skae.plotting._scores import OutlierScoresDisplay
from skae.plotting._sizes import SizeCurveDisplay
from skae.plotting._traversal import TraversalDisplay

__all__ = [
    "CodeUsageDisplay",
    "ImputationDisplay",
    "LatentMapDisplay",
    "LossCurveDisplay",
    "OutlierScoresDisplay",
    "ReasonsDisplay",
    "ReconstructionDisplay",
    "SampleQualityDisplay",
    "SizeCurveDisplay",
    "TraversalDisplay",
]
