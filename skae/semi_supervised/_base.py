"""What the classifier and the regressor share: an autoencoder of all rows, and a head."""

from dataclasses import dataclass, field
from numbers import Real
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skae._autoencoders.base import BaseAutoencoder
from skae._autoencoders.convolutional import ConvolutionalAutoencoder
from skae._autoencoders.denoising import DenoisingAutoencoder
from skae._autoencoders.plain import Autoencoder
from skae._autoencoders.watched import Watched
from skae._codes.adversarial import OF_LABELS
from skae._data.checks import CheckedRowsMixin, check_weight
from skae._data.containers import taken
from skae._data.rows import blocks, flatten
from skae._params import ONE_OR_MORE, Amount, Explaining, Versioned, as_number
from skae._training.blocks import encode
from skae._training.usual import Apart
from skae.corruption import SwapNoise
from skae.networks._convolutional import ConvolutionalNetwork
from skae.semi_supervised._training import (
    TRAININGS,
    Ways,
    check_way,
    reached,
    train_labeller,
)
from skae.semi_supervised._views import Views

FEWEST, TIE = 10, 1e-9  # labels that can judge; the share of them that is none
SWAPPED = 0.2  # share of a table's cells that training swaps between rows
PICTURES = {  # the autoencoder of pictures, where none is passed
    "network": ConvolutionalNetwork(filters=(16, 32, 64), kernel_size=5),
    "max_iter": 10,
}
LARGEST_SEED = np.iinfo(np.int32).max


@dataclass(kw_only=True, eq=False, repr=False)
class BaseLabeller(
    Apart,
    Explaining,
    Versioned,
    Watched,
    CheckedRowsMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """An autoencoder of all rows, labelled or not, and a head that labels its codes.

    Parameters
    ----------
    autoencoder : autoencoder of this package, default=None
        What is trained on all rows: a clone, or itself if it is fitted. Inside of what
        clones (`cross_validate`, `GridSearchCV`) a fitted one has to be in a
        `sklearn.frozen.FrozenEstimator` to stay so. None takes `skae.Autoencoder()` for
        tables, and for pictures (n-d X) a `skae.ConvolutionalAutoencoder` of three levels
        of 16, 32 and 64 filters with windows of 5 pixels, for 10 epochs.
    training : {"auto", "frozen", "fine-tune", "joint"}, default="auto"
        What is trained when labels are taught.
    learning_rate : float, default=0.002
        Largest step size while labels are taught. It rises, stays and falls to zero.
    layer_decay : float, default=1.0
        In (0, 1]: by which each layer of the encoder learns slower than the one behind it,
        the last than the head.
    batch_size : int, default=128
        Rows in a step.
    max_iter : int or "auto", default="auto"
        Passes over the rows that are taught. "auto" makes 6, but at least 600 and at most
        3,000 steps, or a single pass where that takes more.
    alpha : float, default=1e-4
        Strength of the penalty on the squares of the weights.
    device : str, default="auto"
        Where to teach: "auto" takes a CUDA device if there is one. The autoencoder has a
        parameter of its own.
    random_state : int, RandomState instance or None, default=None
        Source of the autoencoder's seed, where it has none, of shuffles and of noise.
    verbose : int, default=0
        Whether to print what is trained, and the losses: 1 prints a line a second at most,
        and for the first and the last epoch; more prints one for each epoch.

    Attributes
    ----------
    autoencoder_ : autoencoder
        The autoencoder of all rows, as it was before labels were taught.
    net_ : skorch.NeuralNet
        The net of encoder and head.
    training_ : str
        How it was trained.
    n_components_ : int
        Width of the code.
    n_iter_ : int
        Epochs in which labels were taught; an epoch goes over few rows several times.
    history_ : skorch.history.History
        What was recorded in each of them.
    n_features_in_ : int
        Number of features seen during `fit`; for pictures, of all their values.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string column names.
    """

    autoencoder: object = field(default=None, kw_only=False)
    training: str = "auto"
    learning_rate: float = 2e-3
    layer_decay: float = 1.0
    batch_size: int = 128
    max_iter: int | str = "auto"
    alpha: float = 1e-4
    device: str = "auto"
    random_state: object = None
    verbose: int = 0

    _mixed_way = "autoencoder=Autoencoder(likelihood='mixed')"

    _parameter_constraints: ClassVar[dict] = {
        "autoencoder": [HasMethods(["fit", "transform"]), None],
        "training": [StrOptions({"auto", *TRAININGS})],
        "learning_rate": [Amount(closed="right")],
        "layer_decay": [Interval(Real, 0, 1, closed="right")],
        "batch_size": [ONE_OR_MORE],
        "max_iter": [ONE_OR_MORE, StrOptions({"auto"})],
        "alpha": [Amount(closed="both")],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # The autoencoder

    def _fitted_autoencoder(self, X, known, sample_weight, random_state, watch):
        """Return the autoencoder, fitted on all rows unless it comes so."""
        given, n_parts = self.autoencoder, 2 if self.training == "auto" else 1
        autoencoder = given.estimator if isinstance(given, FrozenEstimator) else given
        if autoencoder is not None and not isinstance(autoencoder, BaseAutoencoder):
            raise ValueError(
                "autoencoder must be an autoencoder of skae, such as "
                f"skae.Autoencoder(8), or one in a FrozenEstimator. Got {autoencoder!r}."
            )
        if autoencoder is not None and autoencoder.__sklearn_is_fitted__():
            code = autoencoder.net_.module_.code
            if not learns_from_y(autoencoder):  # else it may have a way of its own
                check_way(self.training, code)
            if code.needs_classes:
                raise ValueError(
                    "autoencoder has codes that need the class of each row, as it was "
                    "fitted with conditional=True on rows of known class alone. Use one "
                    "of conditional=False, or leave some classes unknown (-1)."
                )
            watch.expect(n_parts)
            return autoencoder
        if given is not autoencoder:
            raise ValueError(
                "autoencoder is frozen, and not fitted. Fit it before it is frozen."
            )
        if autoencoder is None:
            is_picture = flatten(taken(X))[1] is not None
            autoencoder = Autoencoder()
            if is_picture:
                autoencoder = ConvolutionalAutoencoder(**PICTURES)
            autoencoder.set_params(device=self.device)
        autoencoder = clone(autoencoder)
        autoencoder.set_params(verbose=max(autoencoder.verbose, self.verbose))
        seed = int(random_state.randint(LARGEST_SEED))
        if autoencoder.random_state is None:
            autoencoder.set_params(random_state=seed)
        watch.expect(1 + n_parts)
        with watch.fitting("autoencoder", autoencoder):
            return self._pretrained(autoencoder, X, known, sample_weight)

    def _picture_shape(self, ask=False):
        """Return (C, H, W) of rows; None of a table, unless it is asked for as well."""
        shape = self._sample_shape_
        network = self.autoencoder_.network
        if not isinstance(network, ConvolutionalNetwork):
            if len(shape) == 1 and not ask:
                if not isinstance(self.autoencoder_, ConvolutionalAutoencoder):
                    return None
            network = ConvolutionalNetwork()
        told = vars(self.autoencoder_).get("image_shape") or network.image_shape
        return ConvolutionalNetwork(image_shape=told).resolve(shape).image_shape

    def _begin(self, X, y, known, sample_weight):
        """Fit the autoencoder; return checked rows (n, d), seeds and what tells of it.

        `known` is what `_pretrained` takes.
        """
        random_state, watch = check_random_state(self.random_state), self._watch(X, y)
        more = known, sample_weight, random_state, watch
        self.autoencoder_ = self._fitted_autoencoder(X, *more)
        self._read_as(self.autoencoder_)
        return self._check_rows(X), random_state, watch

    # Training the head

    def _points(self, rows):
        """Return rows (n, d) as a teacher takes them: as the encoder sees them; (n, D)."""
        module, found = self.autoencoder_.net_.module_, []
        for _, block in blocks(rows):
            x = module.likelihood.standardize(block, check=self._checks_inputs)
            with torch.inference_mode():
                x = module.likelihood.embed(torch.from_numpy(x).to(module.device))
            found.append(x.cpu().numpy())
        return np.concatenate(found)

    def _learn(self, rows, lessons, shape, seed, watch):
        """Train the head, and the encoder if that is to be; return what was taught."""
        training, self.training_scores_ = self.training, {}
        taught = lessons.of(reconstructs=training == "joint")
        if training == "auto":
            with watch.part("choose", 2) as part:
                training = self._chosen(rows, lessons, shape, seed, part)
        self.training_ = training
        with watch.part(training) as part:
            net = self._trained(rows, lessons, taught, training, shape, seed, part)
        self._finish(net)
        return taught

    def _chosen(self, rows, lessons, shape, seed, watch):
        """Return how to train: with the encoder frozen, if labels held out say so.

        They do if they are likelier by more than two standard errors, and not missed more
        often: a network that is sure of itself is likelier wrong where it is wrong. Where
        they are few they say little, and nothing of an autoencoder that has learnt from
        them: then it is fine-tuned.
        """
        out = lessons.held_out(np.random.RandomState(seed))
        module = self.autoencoder_.net_.module_
        if not reached(module, rows.shape[1]):
            return "frozen"
        if out.sum() < FEWEST or learns_from_y(self.autoencoder_):
            return "fine-tune"
        taught, cost, missed = lessons.of(out), {}, {}
        for training in ("frozen", "fine-tune"):
            with watch.part(training) as part:
                net = self._trained(rows, lessons, taught, training, shape, seed, part)
            found = self._outputs(net, rows[out], lessons.n_outputs)
            cost[training] = lessons.cost(found, out)
            missed[training] = lessons.missed(found, out)
        share = lessons.judging_weight(out)
        share = share / share.sum()
        self.training_scores_ = {name: -float(share @ c) for name, c in cost.items()}
        gap = cost["fine-tune"] - cost["frozen"]
        mean, n = share @ gap, len(gap)
        error = np.sqrt(n / (n - 1) * np.square(share * (gap - mean)).sum())
        is_missed = share @ (missed["frozen"] - missed["fine-tune"]) > TIE
        return "frozen" if mean > 2 * error and not is_missed else "fine-tune"

    def _trained(self, rows, lessons, taught, training, shape, seed, listener):
        """Return a net that has been taught."""
        corruption = Views(shape) if shape else SwapNoise(SWAPPED)
        ways = Ways(
            as_number(self.learning_rate),
            as_number(self.layer_decay),
            as_number(self.batch_size),
            as_number(self.max_iter),
            as_number(self.alpha),
            self.device,
            as_number(self.verbose),
            corruption if lessons.swaps or shape else None,
        )
        module = self.autoencoder_.net_.module_
        how = training, ways, seed, listener
        return train_labeller(module, rows, taught.lesson, *how)

    def _finish(self, net):
        """Take what came of a training."""
        self.net_, self.history_ = net, net.history
        self.loss_curve_ = [row["train_loss"] for row in net.history]
        self.n_iter_ = len(self.loss_curve_)
        self.n_components_ = net.module_.n_components

    # What a fitted one does

    @property
    def _checks_inputs(self):
        """Whether rows must lie in the likelihood's support."""
        return not isinstance(self.autoencoder_, DenoisingAutoencoder)

    def _outputs(self, net, rows, width):
        """Return a head's outputs for checked rows (n, d); (n, width) float64."""
        check = self._checks_inputs
        found = encode(net, rows, net.module_.outputs, width, check=check)
        return found.astype(np.float64)

    def transform(self, X):
        """Return the codes of X, as the head sees them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components), dtype float32
            The codes: those of `autoencoder_` with ``training_="frozen"``, and of an
            encoder that has learnt on from it otherwise.
        """
        rows = self._check_rows(X)
        return encode(self.net_, rows, check=self._checks_inputs)

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_is_fitted__(self):
        """Tell whether `fit` has succeeded."""
        return "autoencoder_" in vars(self)

    def __sklearn_tags__(self):
        """Say what scikit-learn may expect of X: what the autoencoder reads."""
        tags = super().__sklearn_tags__()
        autoencoder = self.autoencoder
        if isinstance(autoencoder, FrozenEstimator):
            autoencoder = autoencoder.estimator
        if not isinstance(autoencoder, BaseAutoencoder):
            autoencoder = Autoencoder()
        tags.input_tags = autoencoder.__sklearn_tags__().input_tags
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def learns_from_y(autoencoder):
    """Tell whether an autoencoder learns from y, by its parameters."""
    own = autoencoder.get_params(deep=False)
    is_told = own.get("conditional", False) or own.get("n_clusters") == OF_LABELS
    return is_told or is_targeted(autoencoder)


def is_targeted(autoencoder):
    """Tell whether the codes of an autoencoder are for y."""
    return autoencoder.get_params(deep=False).get("target_weight", 0) != 0


def used_of(rows, used):
    """Return those rows that are used; the same ones where all are."""
    return rows if used.all() else rows[used]


def weights_of(sample_weight, y):
    """Return the weights of rows (n,), checked; 1 where none are given."""
    return np.ones(len(y)) if sample_weight is None else check_weight(sample_weight, y)


def check_lengths(X, y):
    """Raise a ``ValueError`` unless there are two rows or more, and as many in y."""
    check_consistent_length(X, y)
    if len(y) < 2:
        raise ValueError(f"X: two rows or more are needed. Got n_samples={len(y)}.")
