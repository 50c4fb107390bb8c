"""What the displays of rows and codes share: rows as pictures or tables, and their places.

n is the number of rows, d the columns, k the components of a code.
"""

import math

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import scipy.sparse as sp

from skae._autoencoders.binary import BinaryAutoencoder
from skae._data.checks import check_count
from skae._data.containers import taken
from skae._data.frames import is_frame
from skae.plotting._base import last_step, name_of, pyplot
from skae.plotting._tables import columns_of

GAP = 0.12  # between two pictures, in the width of one
INCH = 0.9  # of a picture's longer side


# Rows


def rows_of(X):
    """Return X as an array, a sparse matrix of rows or a DataFrame of pandas."""
    X = taken(X)
    if is_frame(X):
        return nw.from_native(X, eager_only=True).to_pandas()
    return X.tocsr() if sp.issparse(X) else np.asarray(X)


def chosen_rows(X, indices, n_samples):
    """Return which rows to show: those asked for, else n evenly from first to last."""
    n = X.shape[0]
    if indices is None:
        check_count("n_samples", n_samples)
        return np.linspace(0, n - 1, min(n_samples, n)).round().astype(int)
    indices = np.asarray(indices)
    if indices.ndim != 1 or indices.dtype.kind not in "iu" or not len(indices):
        raise ValueError(
            f"indices must be a list of numbers of rows, such as [0, 5]. Got {indices!r}."
        )
    check_rows_there("indices", indices, n)
    return indices % n


def check_rows_there(name, indices, n):
    """Raise a ``ValueError`` for numbers of rows that X has not."""
    beyond = [int(i) for i in indices if not -n <= i < n]
    if beyond:
        raise ValueError(f"{name}: X has {n} rows, 0 to {n - 1}, and no row {beyond[0]}.")


def dense(X):
    """Return an array, also of a sparse matrix or a table of numbers."""
    return X.toarray() if sp.issparse(X) else np.asarray(X)


def codes_of(estimator, X, y=None):
    """Return the codes of X as an array (n, k), float64."""
    codes = dense(estimator.transform(X, **told(y)))
    return codes.reshape(len(codes), -1).astype(np.float64)


def decoded(estimator, codes, y=None):
    """Return rows of codes (n, k)."""
    return rows_of(estimator.inverse_transform(codes, **told(y)))


def told(y):
    """Return the keyword that tells classes, if any."""
    return {} if y is None else {"y": y}


def check_decodes(estimator):
    """Raise a ``ValueError`` for an estimator that cannot go back from codes to rows."""
    try:
        there = estimator.transform, estimator.inverse_transform
    except AttributeError:
        there = None
    if there is None:
        raise ValueError(
            f"estimator: {name_of(estimator)} has no transform and inverse_transform. Pass "
            "what goes to codes and back: an autoencoder, PCA, NMF, or a pipeline of such "
            "steps."
        )


def check_is_smooth(estimator):
    """Raise a ``ValueError`` for codes that have nothing between their values."""
    check_decodes(estimator)
    if isinstance(last_step(estimator), BinaryAutoencoder):
        raise ValueError(
            "estimator: the codes of a BinaryAutoencoder are bits, and there is no way "
            "between 0 and 1. See ReconstructionDisplay for what they hold."
        )


# Rows as pictures


def picture_shape(X, image_shape=None):
    """Return the shape of a row that is a picture; None of a row that is none."""
    shape = tuple(X.shape[1:])
    if image_shape is not None:
        image_shape = tuple(np.atleast_1d(image_shape).tolist())
        if len(image_shape) not in (2, 3) or math.prod(image_shape) != math.prod(shape):
            raise ValueError(
                f"image_shape={image_shape} does not fit rows of {math.prod(shape)} "
                "values: pass (height, width) or (channels, height, width) of that product."
            )
        return image_shape
    return shape if len(shape) in (2, 3) and min(shape[-2:]) > 1 else None


def as_pictures(X, shape):
    """Return rows as pictures (n, *shape)."""
    return dense(X).astype(np.float64).reshape(-1, *shape)


def limits_of(pictures):
    """Return the darkest and the brightest value; apart from each other."""
    low, high = float(np.nanmin(pictures)), float(np.nanmax(pictures))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def shown(picture, limits):
    """Return a picture as matplotlib draws it: (H, W), or (H, W, 3) in [0, 1]."""
    if picture.ndim == 2:
        return picture
    if picture.shape[0] == 3:
        picture = np.moveaxis(picture, 0, -1)
    elif not _has_colours_last(picture.shape):
        return picture.mean(0)  # of channels that are no colours
    low, high = limits
    return ((picture - low) / (high - low)).clip(0, 1)


def size_of(shape):
    """Return height and width of a picture of a shape."""
    return shape[:2] if _has_colours_last(shape) else shape[-2:]


def _has_colours_last(shape):
    return len(shape) == 3 and shape[-1] == 3 and shape[0] not in (1, 3)


def draw_picture(ax, picture, box, limits, cmap, **kwargs):
    """Draw a picture in the box (left, right, bottom, top) of the data; return it."""
    image = shown(picture, limits)
    left, right, bottom, top = box
    frame = {"fill": False, "edgecolor": "0.7", "linewidth": 0.6, "clip_on": False}
    ax.add_patch(
        pyplot().Rectangle((left, bottom), right - left, top - bottom, zorder=2, **frame)
    )
    return ax.imshow(
        image, extent=box, cmap=cmap, vmin=limits[0], vmax=limits[1],
        interpolation="nearest", aspect=ax.get_aspect(), **kwargs,
    )  # fmt: skip


def new_figure_of_pictures(n_rows, n_columns, size):
    """Return a figure and axes for so many pictures of a size (height, width)."""
    side = min(INCH, 9 / n_columns)
    height, width = (side * s / max(size) for s in size)
    figsize = 1.4 + n_columns * width * (1 + GAP), 0.9 + n_rows * height * (1 + GAP)
    figsize = max(figsize[0], 5.0), figsize[1]  # or the title is wider
    return pyplot().subplots(figsize=figsize, layout="constrained")


def draw_pictures(ax, pictures, row_names, column_names, limits, cmap):
    """Draw a table of pictures (R, C, *shape) in axes; return the images (R, C)."""
    n_rows, n_columns, *shape = pictures.shape
    height, width = size_of(shape)
    step = [(1 + GAP) * s for s in (height, width)]
    ax.set_aspect("equal")
    images = np.empty((n_rows, n_columns), dtype=object)
    for i, j in np.ndindex(n_rows, n_columns):
        top, left = i * step[0], j * step[1]
        box = left, left + width, top + height, top
        images[i, j] = draw_picture(ax, pictures[i, j], box, limits, cmap)
    edge = 0.01 * width
    ax.set(
        xlim=(-edge, (n_columns - 1) * step[1] + width + edge),
        ylim=((n_rows - 1) * step[0] + height + edge, -edge),
    )
    ax.set_xticks(np.arange(n_columns) * step[1] + width / 2, column_names)
    names = [name.replace("Autoencoder", "\nAutoencoder").strip() for name in row_names]
    ax.set_yticks(np.arange(n_rows) * step[0] + height / 2, names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return images


# Rows as tables


def as_table(X, names=None):
    """Return rows as a DataFrame: names by columns; flat, where they had more axes."""
    if isinstance(X, pd.DataFrame):
        return X
    values = dense(X).reshape(X.shape[0], -1)
    if names is None:
        names = [f"x{i}" for i in range(values.shape[1])]
    return pd.DataFrame(values, columns=names)


def as_numbers(table):
    """Return a table's columns that have an order as float64, times as days; no others."""
    columns = zip(table.columns, columns_of(table), strict=True)
    found = {name: column.numbers for name, column in columns if not column.is_text}
    return pd.DataFrame(found, index=table.index)


def deviations(X):
    """Return mean and standard deviation of a table's ordered columns, as Series.

    1 is a constant column's deviation.
    """
    if X.shape[0] < 2:
        raise ValueError(
            "X has one row, which tells nothing of how far columns vary. Pass more rows, "
            "and say which to show."
        )
    if sp.issparse(X):
        mean = np.asarray(X.mean(0)).ravel()
        square = np.asarray(X.multiply(X).mean(0)).ravel()
        spread = np.sqrt(np.maximum(square - mean**2, 0))
        names = [f"x{i}" for i in range(X.shape[1])]
        mean, spread = pd.Series(mean, names), pd.Series(spread, names)
    else:
        numbers = as_numbers(as_table(X))
        mean, spread = numbers.mean(), numbers.std(ddof=0)
    return mean, spread.where(spread > 1e-12 * mean.abs(), 1.0)


def panels(ax, n_rows, n_columns, gap):
    """Return axes (n_rows, n_columns) inside of others, which are hidden; gap in shares."""
    ax.set_axis_off()
    height = (1 - gap * (n_rows - 1)) / n_rows
    width = (1 - gap * (n_columns - 1)) / n_columns
    made = np.empty((n_rows, n_columns), dtype=object)
    for i, j in np.ndindex(n_rows, n_columns):
        bottom = 1 - height - i * (height + gap)
        made[i, j] = ax.inset_axes([j * (width + gap), bottom, width, height])
    return made
