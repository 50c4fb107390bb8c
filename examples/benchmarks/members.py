"""Many members trained at once, against one after another and against one alone.

The same `Autoencoder`s but for the seed, on rows near a curved surface, for as many
epochs each (no early stopping): "small" is 20 columns, a hidden layer of 32 and a code
of 8; "large" is 64 columns, 128 and 16. The arms are interleaved; times are shares of
one run, medians over the rounds.
"""

import itertools

import numpy as np
from _common import curved, machine, parser, quiet, seconds, table, use_threads

from skae import Autoencoder
from skae._members import fit_together

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


def main():
    """Measure and print."""
    args = parser(__doc__).parse_args()
    rounds, epochs, n_rows = (1, 1, 500) if args.quick else (3, 20, 2000)
    machine(args.threads)
    lines = []
    with use_threads(args.threads), quiet():
        for size, batch_size, n in itertools.product(SIZES, (32, 128), (8, 32)):
            one, together, turn = measured(size, n, batch_size, n_rows, epochs, rounds)
            shares = np.median(together / one), np.median(together / turn)
            lines.append((size, batch_size, n, *(f"{share:.2f}" for share in shares)))
    print(f"{n_rows:,} rows, {epochs} epochs, {rounds} rounds\n")
    table(("network", "batch", "members", "together / one", "together / in turn"), lines)


if __name__ == "__main__":
    main()
