"""Many autoencoders fitted at once."""

from skae._autoencoders.sizes import Sizes
from skae._training.together import train_together


def fit_together(estimators, X, y=None, sample_weight=None, *, report=True, listener=None):
    """Fit autoencoders on the same rows, batched as far as they are alike.

    Parameters
    ----------
    estimators : list of BaseAutoencoder
        Not yet fitted. Those that differ in `random_state`, in the widths of plain dense
        layers, or in `learning_rate`, `max_iter`, `n_iter_no_change` or `tol`, are
        trained as one; dropout, batch normalisation, callbacks, another optimiser than
        Adam and networks of one's own are trained one by one. Those that ask for the same
        share of the variance have the size that the first of them finds.
    X, y, sample_weight
        As for `fit`.
    report : bool, default=True
        Whether to warn of each member's signs of trouble.
    listener : object, default=None
        Of the training, as that of `train_together`.

    Returns
    -------
    estimators : list of BaseAutoencoder
        The same, fitted.
    """
    parts, found = [], {}
    for estimator in estimators:
        like = parts[0] if parts else None
        recipe, sample = estimator.__skae_begin__(X, y, sample_weight, like=like)
        if recipe.asks_for_share:
            share = recipe.n_components
            if share not in found:
                found[share] = Sizes(recipe, sample, estimator.validation_fraction)
            recipe = recipe._replace(n_components=found[share].found)
            estimator.size_curve_ = found[share].curve()
        parts.append((recipe, sample))
    trained = train_together(*zip(*parts, strict=True), listener)
    for estimator, one in zip(estimators, trained, strict=True):
        estimator.__skae_finish__(one, report=report)
    return estimators
