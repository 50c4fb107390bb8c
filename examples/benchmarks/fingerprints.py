"""Binary fingerprints of 2,048 bits: likelihood, sampling, and a property from the code.

Fingerprints are generated as those of molecules come about: 6 hidden traits z ~ N(0, I)
decide by a random network of one hidden layer which of 80 fragments a molecule has; each
fragment sets about 12 bits of its own (nine times out of ten), bits collide as in a hash,
and one bit in 500 is noise. About 9 % of the bits are set. The property is a smooth
function of the traits, and noise of a tenth of its variance.

8,000 fingerprints to train on and 2,000 to test on. `VariationalAutoencoder(k,
likelihood="bernoulli")` at defaults but for --epochs, as dense and as CSR input; rivals:
PCA of k components, and the mean (each bit's frequency).

- "nats": negative log-likelihood of a test fingerprint, by 200 importance samples; for the
  mean the exact one. PCA has none for bits.
- "bits lost": share of the set bits of test fingerprints that the reconstruction puts below
  1/2, with the share of the bits that it wrongly puts above.
- "R2": of a ridge regression, and of a random forest, from the code to the property.
- "density": mean number of bits set of 2,000 samples, and "pairs": the correlation, over
  the 4,950 pairs of the 100 most frequent bits, of how often both are set in samples with
  how often they are in test fingerprints, less what the bits' frequencies alone explain.

Mean and "+-" (standard deviation) over seeds, which draw the data too.
"""

import numpy as np
import scipy.sparse as sp
from _common import machine, parser, quiet, table, use_threads
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV

from skae import VariationalAutoencoder

BITS, FRAGMENTS, TRAITS = 2048, 80, 6


def molecules(n, seed):
    """Return fingerprints (n, BITS) of 0 and 1, and the property (n,)."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, TRAITS))
    hidden = np.tanh(z @ rng.normal(size=(TRAITS, 32)))
    logits = hidden @ rng.normal(size=(32, FRAGMENTS)) * 0.8 - 3
    has = rng.uniform(size=logits.shape) < 1 / (1 + np.exp(-logits))
    X = rng.uniform(size=(n, BITS)) < 1 / 500
    for fragment in range(FRAGMENTS):
        bits = rng.choice(BITS, 12, replace=False)
        seen = rng.uniform(size=(n, 12)) < 0.9
        X[:, bits] |= has[:, [fragment]] & seen
    value = np.sin(z[:, 0] + z[:, 1]) + z[:, 2] * z[:, 3] + 0.5 * z[:, 4]
    value = value + rng.normal(size=n) * value.std() * 0.1**0.5
    return X.astype(np.float32), value


def properties(Z, y, Z_test, y_test):
    """Return R2 of a ridge regression and of a random forest."""
    ridge = RidgeCV(np.logspace(-3, 3, 13)).fit(Z, y)
    forest = RandomForestRegressor(100, min_samples_leaf=3, random_state=0).fit(Z, y)
    return ridge.score(Z_test, y_test), forest.score(Z_test, y_test)


def lost(back, X):
    """Return the share of set bits that are lost, and of unset ones that are invented."""
    return 1 - np.mean(back[X > 0] > 0.5), np.mean(back[X == 0] > 0.5)


def pairs(drawn, X, frequent):
    """Return the correlation of how often pairs of bits go together."""
    upper = np.triu_indices(len(frequent), 1)
    together = [np.cov(rows[:, frequent].T)[upper] for rows in (drawn, X)]
    return np.corrcoef(together)[0, 1]


def rows_of(seed, sizes, ks, epochs):
    """Yield (name, nats, lost, invented, ridge, forest, density, pairs)."""
    n, n_test = sizes
    X, y = molecules(n + n_test, seed)
    X, X_test, y, y_test = X[:n], X[n:], y[:n], y[n:]
    frequent = np.argsort(X.mean(0))[-100:]
    p = (X.sum(0) + 1) / (n + 2)
    rng = np.random.default_rng(seed)
    drawn = rng.uniform(size=X_test.shape) < p
    nats = -(X_test @ np.log(p) + (1 - X_test) @ np.log(1 - p)).mean()
    back = np.broadcast_to(p, X_test.shape)
    score = pairs(drawn, X_test, frequent)
    yield "mean", nats, *lost(back, X_test), np.nan, np.nan, drawn.sum(1).mean(), score
    for k in ks:
        pca = PCA(k, random_state=seed).fit(X)
        Z, Z_test = pca.transform(X), pca.transform(X_test)
        quality = lost(pca.inverse_transform(Z_test), X_test)
        found = properties(Z, y, Z_test, y_test)
        yield f"PCA({k})", np.nan, *quality, *found, np.nan, np.nan
        params = {"likelihood": "bernoulli", "max_iter": epochs, "random_state": seed}
        for name, container in (("", np.asarray), (", CSR", sp.csr_array)):
            if name and k != ks[0]:
                continue
            vae = VariationalAutoencoder(k, device="cpu", **params).fit(container(X))
            Z, Z_test = vae.transform(X), vae.transform(X_test)
            drawn = vae.sample(len(X_test), seed, noise=True)
            yield (
                f"VariationalAutoencoder({k}){name}",
                -vae.score_samples(X_test, 200).mean(),
                *lost(vae.inverse_transform(Z_test), X_test),
                *properties(Z, y, Z_test, y_test),
                drawn.sum(1).mean(),
                pairs(drawn, X_test, frequent),
            )
    yield "test fingerprints", *[np.nan] * 5, X_test.sum(1).mean(), np.nan


def spread(values, digits):
    """Return the mean +- the standard deviation over seeds, as text."""
    if np.isnan(values).any():
        return ""
    text = f"{np.mean(values):.{digits}f}"
    return text + (f" +- {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else "")


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--epochs", type=int, default=None)
    args = options.parse_args()
    sizes = (1000, 500) if args.quick else (8000, 2000)
    epochs, seeds = args.epochs or (5 if args.quick else 50), 1 if args.quick else 3
    machine(args.threads)
    found = {}
    with use_threads(args.threads), quiet():
        for seed in range(seeds):
            for name, *values in rows_of(seed, sizes, (8, 16), epochs):
                found.setdefault(name, []).append(values)
    print(f"{sizes[0]:,} fingerprints, {epochs} epochs, {seeds} seeds\n")
    digits = (1, 3, 4, 3, 3, 1, 3)
    rows = [
        (name, *[spread(v, d) for v, d in zip(np.transpose(values), digits, strict=True)])
        for name, values in found.items()
    ]
    header = (
        "model", "nats", "bits lost", "invented", "R2, ridge", "R2, forest",
        "density", "pairs",
    )  # fmt: skip
    table(header, rows)


if __name__ == "__main__":
    main()
