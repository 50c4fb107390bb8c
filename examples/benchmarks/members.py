"""Many members trained at once, against one after another and against one alone.

The same `Autoencoder`s but for the seed, on rows near a curved surface, for as many
epochs each (no early stopping): "small" is 20 columns, a hidden layer of 32 and a code
of 8; "large" is 64 columns, 128 and 16. The arms are interleaved; times are shares of
one run, medians over the rounds.
"""

import itertools

import numpy as np
from _common import Table, curved, seconds

from skae import Autoencoder
from skae._autoencoders.together import fit_together

SIZES = {"small": (20, 32, 8), "large": (64, 128, 16)}


def members(n, size, batch_size, epochs):
    """Return unfitted autoencoders."""
    _, hidden, code = SIZES[size]
    return [
        Autoencoder(
            code,
            network=(hidden,),
            batch_size=batch_size,
            max_iter=epochs,
            early_stopping=False,
            random_state=seed,
            device="cpu",
        )
        for seed in range(n)
    ]


def measured(size, n, batch_size, n_rows, epochs, rounds):
    """Return the seconds of each arm in each round; (3, rounds)."""
    X = curved(n_rows, SIZES[size][0], latent=6)
    arms = (
        lambda: members(1, size, batch_size, epochs)[0].fit(X),
        lambda: fit_together(members(n, size, batch_size, epochs), X),
        lambda: [member.fit(X) for member in members(n, size, batch_size, epochs)],
    )
    return np.transpose([[seconds(arm)[0] for arm in arms] for _ in range(rounds)])


def together(options):
    """Measure each size, batch and number of members."""
    rounds, epochs, n_rows = options.few((3, 20, 2000), (1, 1, 500))
    measured("small", 2, 32, 500, 1, 1)  # first calls are not timed
    rows = []
    for size, batch, n in itertools.product(SIZES, (32, 128), (8, 32)):
        one, batched, turn = measured(size, n, batch, n_rows, epochs, rounds)
        shares = np.median(batched / one), np.median(batched / turn)
        rows.append((size, batch, n, *(f"{share:.2f}" for share in shares)))
    header = "network", "batch", "members", "to one alone", "to one after another"
    yield Table("members", header, rows, note=f"{rounds} rounds")


PARTS = {"members": together}
