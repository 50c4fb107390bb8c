"""Where networks start: at the best linear autoencoder of the rows."""

from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

LEAST_NOISE = 1e-3  # share of a column's variance that a linear start leaves to noise
LEAST_SHARED = 1e-6  # of what inputs and y have in common: less is nothing


class LinearStart(NamedTuple):
    """The best linear autoencoder of the rows (PCA), which a network may start from.

    Examples
    --------
    A network of one's own, here a linear one that starts as PCA:

    >>> import torch
    >>> from torch import nn
    >>> class Projection:
    ...     def build(self, n_inputs, n_components, n_outputs, *, generator, start):
    ...         encoder = nn.Linear(n_inputs, n_components)
    ...         decoder = nn.Linear(n_components, n_outputs)
    ...         with torch.no_grad():
    ...             encoder.weight.copy_(torch.as_tensor(start.encoder_weight))
    ...             decoder.weight.copy_(torch.as_tensor(start.decoder_weight))
    ...         return encoder, decoder
    >>> from sklearn.datasets import load_wine
    >>> from skae import Autoencoder
    >>> autoencoder = Autoencoder(2, network=Projection(), random_state=0)
    >>> autoencoder.fit(load_wine().data).n_components_
    2
    """

    encoder_weight: np.ndarray  # (n_directions, n_inputs)
    encoder_bias: np.ndarray  # (n_directions,)
    decoder_weight: np.ndarray  # (n_outputs, n_directions)
    decoder_bias: np.ndarray  # (n_outputs,): the output that stands for the mean row


def moments(target):
    """Return the means and variances of the columns of (n, P), where they are not NaN."""
    there = ~np.isnan(target)
    if there.all():
        return target.mean(0), target.var(0)
    n = np.maximum(there.sum(0), 1)
    mean = np.where(there, target, 0.0).sum(0) / n
    return mean, np.where(there, np.square(target - mean), 0.0).sum(0) / n


def total_variance(target):
    """Return the mean squared distance of rows (n, P) from their mean, missing cells 0."""
    target = as_double(target)
    return float(np.nansum(np.square(target - moments(target)[0])) / len(target))


def as_double(rows):
    return rows.cpu().double().numpy()


class Principal:
    """The principal components of standardised rows, as starts of networks.

    D is the number of an encoder's inputs, P of a decoder's outputs, which stand for
    the first of those; m of the components that were found.

    Parameters
    ----------
    target : Tensor of shape (n, P)
        What the decoder's outputs are of some rows, NaN where it is missing.
    inputs : Tensor of shape (n, D)
        What the encoder sees of them.
    n_components : int
        Largest number to find.
    seed : int
        Of randomised searches.
    n_beside : int, default=0
        Inputs, the last ones, that say what others say: no component tells them.
    """

    def __init__(self, target, inputs, n_components, seed, n_beside=0):
        self.target, inputs = as_double(target), inputs.cpu().numpy()
        self.inputs = inputs  # (n, D)
        with np.errstate(invalid="ignore", divide="ignore"):  # constant data
            own = inputs[:, : inputs.shape[1] - n_beside] if n_beside else inputs
            pca = PCA(min(n_components, *own.shape), random_state=seed).fit(own)
            total = inputs[:, : target.shape[1]].var(0, ddof=1, dtype=np.float64).sum()
            self.mean, self.column_variance = moments(self.target)  # (P,)
            components = np.pad(pca.components_, ((0, 0), (0, n_beside)))
            self.components = components.astype(np.float64)  # (m, D)
            self.outputs = self.components[:, : target.shape[1]]  # (m, P)
            center = np.pad(pca.mean_, (0, n_beside))
            self.center = center.astype(np.float64)  # (D,) as the encoder sees it
            self.variances = pca.explained_variance_.astype(np.float64)  # (m,)
            self.left = float(pca.noise_variance_)  # mean variance of those not found
            ratio = np.cumsum(self.variances * np.square(self.outputs).sum(1)) / total
        self.ratio = np.nan_to_num(ratio, nan=1.0).clip(max=1)  # (m,) of outputs' variance

    def start(self, likelihood):
        """Return PCA as a linear autoencoder, to first order in the likelihood's link."""
        bias, weight = likelihood.linearize(self.mean, self.outputs)
        return LinearStart(self.components, -self.components @ self.center, weight, bias)

    def start_towards(self, x, y, weight, likelihood):
        """Return partial least squares of y (n, m) on inputs x (n, D), to first order.

        Components that y says nothing of are PCA's of what is left.
        """
        k, weight = len(self.components), weight.max(1)
        root = np.sqrt(weight / weight.mean())[:, None]
        y = (y - np.average(y, axis=0, weights=weight)) * root
        down, up = partial_least_squares((x - self.center) * root, y, k)
        bias, back = likelihood.linearize(self.mean, up[:, : len(self.mean)])
        return LinearStart(down, -down @ self.center, back, bias)

    def whitened_starts(self, likelihood, n_components, n_more_outputs=0):
        """Return where an encoder and a decoder of codes of unit variance start.

        It is PCA; `n_more_outputs` of the encoder start at zero.
        """
        k, m = n_components, min(n_components, len(self.components))
        std = np.sqrt(self.variances[:m])[:, None]
        std = np.where(std > 0, std, 1.0)
        gain, outputs = (
            np.zeros((k, len(self.center))),
            np.zeros((k, self.outputs.shape[1])),
        )
        gain[:m], outputs[:m] = self.components[:m] / std, self.outputs[:m] * std
        shift = -gain @ self.center
        bias, weight = likelihood.linearize(self.mean, outputs)
        up = LinearStart(gain, shift, weight, bias)
        down = LinearStart(
            np.pad(gain, ((0, n_more_outputs), (0, 0))),
            np.pad(shift, (0, n_more_outputs)),
            np.pad(weight, ((0, 0), (0, n_more_outputs))),
            bias,
        )
        return down, up

    def factor_starts(self, likelihood, n_components, n_more_inputs=0):
        """Return where a variational encoder and decoder start, and the noise (P,).

        It is x ~ N(W z + mean, noise) with z ~ N(0, I), to first order in the
        likelihood's link: factor analysis where each column has a noise of its own that
        training learns, else probabilistic PCA. The posterior is normal, with the
        precision P = I + W' W / noise; off its diagonal it is left out.
        """
        m = min(n_components, len(self.components))
        loadings = self.outputs[:m] * np.sqrt(
            np.maximum(self.variances[:m, None] - self.left, 0)
        )
        explained = np.square(loadings).sum(0)
        noise = likelihood.noise_around(self.mean, self.column_variance - explained)
        noise = self._floored(noise)
        if likelihood.groups == len(noise):
            loadings, noise = self._factor_analysis(m)
        weighted = loadings / noise
        precision = np.eye(m) + weighted @ loadings.T
        gain = np.linalg.solve(precision, weighted)

        def padded(values, rows):
            return np.concatenate([values, np.zeros((rows - m, *values.shape[1:]))])

        bias, weight = likelihood.linearize(self.mean, loadings)
        # inputs that are no outputs do not come from the code
        gain = np.pad(gain, ((0, 0), (0, len(self.center) - len(bias))))
        down = LinearStart(
            np.pad(padded(gain, 2 * n_components), ((0, 0), (0, n_more_inputs))),
            np.concatenate(
                [
                    padded(-gain @ self.center, n_components),
                    padded(-np.log(np.diag(precision)), n_components),
                ]
            ),
            np.zeros((len(bias), 2 * n_components)),
            bias,
        )
        up = LinearStart(gain, -gain @ self.center, weight, bias)
        return down, up, noise

    def _floored(self, noise):
        noise = np.maximum(noise, LEAST_NOISE * self.column_variance)
        return np.where(noise > 0, noise, 1.0)

    def _factor_analysis(self, m):
        """Return loadings (m, P) and noise (P,) of maximum likelihood, or nearly so."""
        noise, d = self._floored(self.column_variance), len(self.mean)
        covariance = np.cov(self.target.T, bias=True).reshape(d, d)
        for _ in range(int(min(500, max(5, 2e8 / d**3)))):
            root = np.sqrt(noise)
            values, vectors = np.linalg.eigh(covariance / np.outer(root, root))
            gain = np.sqrt(np.maximum(values[-m:] - 1, 0))
            loadings = (vectors[:, -m:] * gain).T[::-1] * root
            before = noise
            noise = self._floored(self.column_variance - np.square(loadings).sum(0))
            if np.abs(noise / before - 1).max() < 1e-3:
                break
        return loadings, noise


def partial_least_squares(x, y, k):
    """Return projections and loadings (k, D) of centred x (n, D) towards y (n, m)."""
    left, weights, loadings = x, np.zeros((k, x.shape[1])), np.zeros((k, x.shape[1]))
    shared, whole, found = LEAST_SHARED * np.linalg.norm(x.T @ y), np.square(x).sum(), k
    for i in range(k):
        common = left.T @ y
        if np.linalg.norm(common) > shared:
            weights[i] = np.linalg.svd(common, full_matrices=False)[0][:, 0]
        else:
            weights[i] = np.linalg.svd(left, full_matrices=False)[2][0]
        t = left @ weights[i]
        if t @ t <= LEAST_SHARED * whole:  # nothing is left
            found = i
            break
        loadings[i] = left.T @ t / (t @ t)
        left = left - np.outer(t, loadings[i])
    w, p, down = weights[:found], loadings[:found], np.zeros_like(weights)
    down[:found] = np.linalg.solve(p @ w.T, np.eye(found)).T @ w
    loadings[found:] = 0.0
    return down, loadings
