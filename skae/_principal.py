"""Where networks start: at the best linear autoencoder of the rows."""

import numpy as np
from torch import nn

from skae.networks import LinearStart

LEAST_NOISE = 1e-3  # share of a column's variance that a linear start leaves to noise


class Principal:
    """The principal components of standardised rows, as starts of networks.

    d is the number of columns, m of the components that were found.
    """

    def __init__(self, sample, pca, generator):
        sample = sample.cpu().double()
        self.mean = sample.mean(0).numpy()  # (d,) of the rows, standardised
        self.column_variance = sample.var(0, correction=0).numpy()  # (d,)
        self.sample, self.generator = sample, generator
        self.components = pca.components_.astype(np.float64)  # (m, d)
        self.center = pca.mean_.astype(np.float64)  # (d,) as the encoder sees it
        self.variances = pca.explained_variance_.astype(np.float64)  # (m,)
        self.left = float(pca.noise_variance_)  # mean variance of the components not found

    def start(self, likelihood):
        """Return PCA as a linear autoencoder, to first order in the likelihood's link."""
        bias, weight = likelihood.linearize(self.mean, self.components)
        return LinearStart(self.components, -self.components @ self.center, weight, bias)

    def factor_starts(self, likelihood, n_components, n_more_inputs=0):
        """Return where a variational encoder and decoder start, and the noise (d,).

        It is x ~ N(W z + mean, noise) with z ~ N(0, I), to first order in the
        likelihood's link: factor analysis where each column has a noise of its own that
        training learns, else probabilistic PCA. The posterior is normal, with the
        precision P = I + W' W / noise; off its diagonal it is left out.
        """
        m = min(n_components, len(self.components))
        loadings = self.components[:m] * np.sqrt(
            np.maximum(self.variances[:m, None] - self.left, 0)
        )
        explained = np.square(loadings).sum(0)
        noise = likelihood.noise_around(self.mean, self.column_variance - explained)
        noise = self._floored(noise)
        if getattr(likelihood, "groups", None) == len(noise):
            loadings, noise = self._factor_analysis(m)
        weighted = loadings / noise
        precision = np.eye(m) + weighted @ loadings.T
        gain = np.linalg.solve(precision, weighted)

        def padded(values, rows):
            return np.concatenate([values, np.zeros((rows - m, *values.shape[1:]))])

        bias, weight = likelihood.linearize(self.mean, loadings)
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
        """Return loadings (m, d) and noise (d,) of maximum likelihood, or nearly so."""
        noise, d = self._floored(self.column_variance), len(self.mean)
        covariance = np.cov(self.sample.numpy().T, bias=True).reshape(d, d)
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

    def build(self, network, likelihood, n_components, start, n_more_inputs=0):
        """Return a network's encoder and decoder, or raise a ``ValueError``."""
        pair = network.build(
            likelihood.n_inputs + n_more_inputs,
            n_components,
            likelihood.n_params,
            generator=self.generator,
            start=start,
        )
        for module in pair:
            if not isinstance(module, nn.Module):
                raise ValueError(
                    "network: build() must return an encoder and a decoder, both "
                    f"torch.nn.Module. Got {type(module).__name__}."
                )
        return [module.float() for module in pair]
