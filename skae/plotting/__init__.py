"""Pictures of what an autoencoder does, each a scikit-learn Display (extra ``plot``).

A display holds what is drawn and draws it by ``plot(ax=...)``; its class methods
``from_estimator`` and ``from_...`` compute what is drawn and draw it at once.
"""

__all__ = []
