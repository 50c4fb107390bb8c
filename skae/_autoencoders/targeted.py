"""What autoencoders of plain codes have in common: codes may be told what they are for."""

from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

from sklearn.base import _fit_context
from sklearn.utils._param_validation import StrOptions

from skae._autoencoders.base import BaseAutoencoder
from skae._autoencoders.docs import documented
from skae._codes.targets import STRENGTHS, Chosen, Targeted, of_strength
from skae._params import Amount, Number, as_number


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class TargetedAutoencoder(BaseAutoencoder):
    """Base of the autoencoders whose codes may be told what they are for.

    Parameters
    ----------
    target_weight : float or "auto", default=0.0
        How much the codes are for y, in [0, 1); UMAP has the name. At 0 y plays no part.
        Above, a linear head has to tell y from the code, and what that costs, weighed so
        that to know nothing of y costs as much as to know nothing of the rows, counts
        ``target_weight / (1 - target_weight)`` times: at 0.5 both count the same.
        Training then starts from partial least squares, not from PCA, and the codes of
        new rows need no y. "auto" compares 0.5 at an `alpha` of 0.01, 0.5 at 0.001, and
        0 at 0.0001 by how well a linear model of the codes tells the held-out rows' y,
        and takes the first unless another is better beyond chance; the parameter `alpha`
        then plays no part, and `fit` takes three times as long. See
        :doc:`what to expect </pca_or_autoencoder>`.
    isometry : float, default=0.0
        Strength of a penalty on decoders that stretch some steps between codes more than
        others, so that distances between codes mean something: 0.1 to 0.3 for maps,
        neighbours and clusters. It costs little of the explained variance, and an epoch
        of a small table takes up to twice as long.

    Attributes
    ----------
    target_weight_ : float
        How much y counted: what "auto" chose, if that was asked for. Only if
        `target_weight` is not 0.
    alpha_ : float
        Strength of the penalty on the weights, as "auto" chose it. Only if
        `target_weight` is not 0.
    classes_ : ndarray of shape (n_classes,)
        The classes of y, if it holds any and `target_weight` is not 0.
    """

    target_weight: float | str = 0.0
    isometry: float = 0.0

    _parameter_constraints: ClassVar[dict] = {
        **BaseAutoencoder._parameter_constraints,
        "target_weight": [Number(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "isometry": [Amount(closed="both")],
    }

    def _code(self):
        if not self.target_weight:
            return super()._code()
        own = self.code_activation, as_number(self.isometry)
        if self.target_weight == "auto":
            return Chosen(*own)
        return Targeted(*own, as_number(self.target_weight))

    def _recipe(self, code, has_pairs, one_pass):
        recipe, known = super()._recipe(code, has_pairs, one_pass), vars(self)
        if self.target_weight != "auto":
            return recipe
        if "alpha_" in known:  # of the training that goes on
            return of_strength(recipe, known["target_weight_"], known["alpha_"])
        if one_pass:  # in which no row is held out
            return of_strength(recipe, *STRENGTHS[0])
        if not self.early_stopping:
            raise ValueError(
                "target_weight='auto' is chosen by held-out rows, and there are none with "
                "early_stopping=False. Use early_stopping=True, or a number."
            )
        return recipe

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Train the autoencoder.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, as they are: they are standardised on the way in. A
            DataFrame, a pyarrow table, a torch tensor, a memory-mapped array (read by
            batches), a CSR matrix
            (densified by batches), or pictures of shape (n_samples, H, W) or
            (n_samples, C, H, W). Columns of a DataFrame may hold categories, dates and
            durations, and cells are then missing where nothing is known (of numbers
            alone, and of an array, with ``likelihood="mixed"`` only).
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            What the codes are for; ignored with ``target_weight=0``. Texts, booleans and
            integers are classes, -1 marking rows of unknown class, as in
            `sklearn.semi_supervised` (beside nothing but 1, or beside other negative
            numbers, it is a class, and `fit` warns). Floats are numbers, NaN where they
            are not known, but for whole ones of at most 20 different values, which are
            classes too. With two dimensions all are numbers: pass ``y.reshape(-1, 1)`` to
            have integers taken for such. Rows of unknown y are reconstructed only.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts; a row of weight 0 is not learnt from. None
            counts all alike.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X or y cannot be, before any training, or if training
            diverges. The estimator is then what it was before the call.
        """
        return self._fit(X, y, sample_weight)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train on one more batch of rows, passing over them once.

        Columns are scaled by all rows so far (those of `fit` among them): the
        network is told in the new units what it was told in the old ones, and does
        what it did, before it learns more. A column that was constant begins to
        count once it varies. The first call decides on `n_components`, if "auto",
        and its rows say where the network starts. The learning rate is constant, and
        `early_stopping` and `max_iter` play no part. A network that sees rows of one
        kind for long forgets the others: shuffle what can be shuffled.

        With some parts columns stay scaled as in the first call, and one that was
        constant then is ignored, with a warning: those are networks of your own but
        for ``torch.nn.Sequential`` with a ``Linear`` at either end, likelihoods of
        your own, and a `SparseAutoencoder` with tied weights and no hidden layers. See
        :doc:`how it works </how_it_works>` for what is told exactly and what nearly.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to learn from; at least two in the first call.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            What the codes are for, as in `fit`; ignored with ``target_weight=0``. The
            first call says which classes there are, or how numbers are scaled. Later
            ones may leave it out.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._partial_fit(X, y, sample_weight)

    def __sklearn_tags__(self):
        """Say what scikit-learn may expect: y is needed if codes are for it."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.target_weight != 0
        return tags
