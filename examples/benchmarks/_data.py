"""The real data of the benchmarks: files in one folder, none of them fetched."""

import os
from pathlib import Path

import numpy as np
from _common import MissingError

_HOW = """\
There is no {name}.npz in {folder}.
Set the environment variable SKAE_DATA to a folder that holds it.{more}"""

_MORE = {
    "mnist": """

The file has X_train (10000, 28, 28) and X_test (5000, 28, 28), uint8, and y_train and
y_test, integers. One of that shape, though with other rows, can be had from OpenML
(about 15 MB):

    import numpy as np
    from sklearn.datasets import fetch_openml
    X, y = fetch_openml("mnist_784", return_X_y=True, as_frame=False, parser="auto")
    X, y = X.astype(np.uint8).reshape(-1, 28, 28), y.astype(int)
    np.savez_compressed("mnist.npz", X_train=X[:10000], y_train=y[:10000],
                        X_test=X[60000:65000], y_test=y[60000:65000])""",
    "olivetti": """

scikit-learn's fetch_olivetti_faces (about 4 MB) has its 400 pictures and their labels:

    import numpy as np
    from sklearn.datasets import fetch_olivetti_faces
    faces = fetch_olivetti_faces()
    np.savez_compressed("olivetti.npz", X=(255 * faces.images).astype(np.uint8),
                        y=faces.target)""",
}


def folder():
    """Return the folder of the data: SKAE_DATA, else shared/data beside the repository."""
    if os.environ.get("SKAE_DATA"):
        return Path(os.environ["SKAE_DATA"])
    return Path(__file__).resolve().parents[3] / "shared" / "data"


def load(name):
    """Return the arrays of the file `name`.npz as a dict, or say what to do."""
    path = folder() / f"{name}.npz"
    if not path.is_file():
        raise MissingError(
            _HOW.format(name=name, folder=folder(), more=_MORE.get(name, ""))
        )
    with np.load(path) as file:
        return dict(file)
