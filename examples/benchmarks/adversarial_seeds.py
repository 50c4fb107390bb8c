"""Twenty seeds of the adversarial autoencoder: how many runs fail, and how many say so.

Data: scikit-learn's digits (8 x 8 pictures) and wine (13 columns in their own units), and
3,000 of MNIST's training pictures in [0, 1] with the Bernoulli likelihood (--epochs; all
else is at defaults, early stopping included). Digits and wine are split anew for each seed,
a quarter being held out; MNIST is judged on 2,000 of its test pictures. Each is also
fitted with as many clusters as there are classes (10, 3, 10), of which it is told nothing.

A run has failed, if of the held-out rows, that `fit` has not seen,

- the codes (with clusters: the styles) are far from fresh draws of the prior: the energy
  coefficient (2 E|a-b| - E|a-a'| - E|b-b'|) / (2 E|a-b|), without bias, is above 0.0625;
- or the reconstruction explains less than half of the variance (in units of the training
  deviation for wine, in the pictures' own otherwise) that the median run explains;
- or, with clusters, fewer than half of the clusters are given to any row;
- or `fit` has raised an error.

"unnoticed" are those of them in which `fit` gave no ConvergenceWarning and no error;
"warned" is the number of runs with a ConvergenceWarning, "in vain" those of them that had
not failed. "AUC" is a stricter look at the same codes, by which no run is judged: the area
under the curve of a random forest that learns to tell 1,000 of them, at most, from draws
(0.5 where it cannot).
"""

import warnings
from collections import Counter

import numpy as np
from _codes import draws, energy_coefficient, explained, told_apart
from _common import Judge, machine, parser, table, use_threads
from _data import load
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skae import AdversarialAutoencoder

FAR, LITTLE, FEW = 0.0625, 0.5, 0.5
SIGNS = "prior", "explained", "clusters", "raised"


def digits(seed):
    """Return training and test rows, and how reconstructions are judged."""
    data = load_digits()
    X, X_test = train_test_split(
        data.images, test_size=0.25, stratify=data.target, random_state=seed
    )
    return X, X_test, lambda R: explained(X_test, R, X.mean(0))


def wine(seed):
    """Return training and test rows, and how reconstructions are judged."""
    data = load_wine()
    X, X_test = train_test_split(
        data.data, test_size=0.25, stratify=data.target, random_state=seed
    )
    return X, X_test, Judge(X, X_test)


def mnist(seed):
    """Return training and test rows, and how reconstructions are judged."""
    data = load("mnist")
    X, X_test = data["X_train"][:3000] / 255.0, data["X_test"][:2000] / 255.0
    return X, X_test, lambda R: explained(X_test, R, X.mean(0))


def sets(epochs):
    """Return {name: (rows, parameters, number of classes)}."""
    return {
        "wine": (wine, {}, 3),
        "digits": (digits, {}, 10),
        "MNIST": (mnist, {"likelihood": "bernoulli", "max_iter": epochs}, 10),
    }


def run(rows, params, seed):
    """Return the energy coefficient, explained variance, AUC, clusters used, warnings."""
    X, X_test, judge = rows(seed)
    aae = AdversarialAutoencoder(random_state=seed, device="cpu", **params)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            aae.fit(X)
        except ValueError as error:
            return None, None, None, None, [f"error: {str(error).split(':')[0]}"]
    said = [str(w.message) for w in said if issubclass(w.category, ConvergenceWarning)]
    clustered = aae.n_clusters is not None
    codes = aae.transform_style(X_test) if clustered else aae.transform(X_test)
    real = draws(aae.prior, 2000, codes.shape[1], seed)
    used = len(np.unique(aae.predict(X_test))) if clustered else None
    with np.errstate(all="ignore"):
        R = aae.inverse_transform(aae.transform(X_test))
    auc = told_apart(codes, real, seed) if np.isfinite(codes).all() else 1.0
    said = [s.split(":")[0] for s in said]
    return energy_coefficient(codes, real), judge(R), auc, used, said


def summary(found, n_clusters):
    """Return the counts of a table's row."""
    middle = np.median([f[1] for f in found if f[1] is not None])
    counts = Counter()
    for far, share, _, used, said in found:
        raised = far is None
        signs = {
            "raised": raised,
            "prior": not raised and not far <= FAR,
            "explained": not raised and not share >= LITTLE * middle,
            "clusters": used is not None and used < FEW * n_clusters,
        }
        counts.update(name for name, on in signs.items() if on)
        failed, warned = any(signs.values()), bool(said)
        counts["failed"] += failed
        counts["unnoticed"] += failed and not warned
        counts["warned"] += warned
        counts["in vain"] += warned and not failed
    signs = ", ".join(f"{s} {counts[s]}" for s in SIGNS if counts[s])
    far, share, auc = np.transpose([f[:3] for f in found if f[0] is not None])
    return (
        *(len(found), counts["failed"], signs or "-"),
        *(counts["unnoticed"], counts["warned"], counts["in vain"]),
        *(float(np.median(far)), float(far.max())),
        *(float(middle), float(share.min()), float(np.median(auc))),
    )


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--epochs", type=int, default=None, help="of MNIST")
    options.add_argument("--seeds", type=int, default=None)
    args = options.parse_args()
    epochs = args.epochs or (2 if args.quick else 30)
    seeds = args.seeds or (2 if args.quick else 20)
    machine(args.threads)
    rows = []
    with use_threads(args.threads):
        for name, (data, params, n_classes) in sets(epochs).items():
            for n_clusters in (None, n_classes):
                found = []
                for seed in range(seeds):
                    found.append(run(data, params | {"n_clusters": n_clusters}, seed))
                    print(f"{name}, {n_clusters} clusters, seed {seed}: ", end="")
                    far, share, auc, used, said = found[-1]
                    if far is not None:
                        print(
                            f"energy {far:.4f}, explained {share:.3f}, AUC {auc:.3f}, ",
                            end="",
                        )
                    print(f"{used} used, said {said}", flush=True)
                rows.append((name, n_clusters, *summary(found, n_clusters)))
    print(f"\n{seeds} seeds, MNIST {epochs} epochs\n")
    header = ("data", "clusters", "runs", "failed", "of which", "unnoticed", "warned")
    header += ("in vain", "energy, median", "worst", "explained, median", "worst", "AUC")
    table(header, rows)


if __name__ == "__main__":
    main()
