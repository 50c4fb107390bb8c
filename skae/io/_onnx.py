"""Fitted autoencoders as ONNX graphs, which many programs run without Python."""

import io
import os
import warnings

import torch
from sklearn.utils.validation import check_is_fitted

from skae._autoencoders.inference import InferenceMixin
from skae._params import check_option
from skae._training.usual import usual_torch

PARTS = "encoder", "decoder", "reconstruction", "score"
OPSET = 17  # the first with layer normalisation
OUTPUTS = dict(zip(PARTS, ("codes", "rows", "rows", "scores"), strict=True))


def to_onnx(estimator, path=None, part="encoder", *, dtype=None):
    """Return a part of a fitted autoencoder as an ONNX graph of raw rows.

    Scaling is part of it. Any number of rows goes through it. It needs the package
    ``onnx`` (``pip install skae[onnx]``, which brings ``onnxruntime`` along), and neither
    skae nor torch to run.

    Parameters
    ----------
    estimator : autoencoder
        A fitted autoencoder of this package.
    path : str or path-like, default=None
        The file to write, if any.
    part : {"encoder", "decoder", "reconstruction", "score"}, default="encoder"
        Whether the graph does what `transform`, `inverse_transform`, `reconstruct` or
        `score_samples` does. Its input is ``"rows"``, or ``"codes"`` for the decoder, its
        output ``"codes"``, ``"rows"`` or ``"scores"``. With ``conditional=True`` a second
        input, ``"classes"``, takes the places of the rows' classes in `classes_`, as int64.
        Pictures have the shape that `fit` saw. Of a table of ``likelihood="mixed"`` rows
        are what ``encoder_.read`` makes of it. Bits are numbers, and not packed.
    dtype : {"float32", "float64"} or None, default=None
        Floating-point type of the rows that go in. None takes float32 if `fit` saw that,
        and else float64: a column of 1.7e9 +- 10 does not survive float32.

    Returns
    -------
    model : onnx.ModelProto
        The graph; ``model.SerializeToString()`` is what `onnxruntime.InferenceSession`
        takes.

    Raises
    ------
    ImportError
        If the package ``onnx`` is not there.
    TypeError
        If it is no autoencoder of this package.
    ValueError
        If ONNX has no operator for something that the part does. That is so for codes that
        a matching pursuit finds (those of `SparseAutoencoder` at its defaults), and for
        scores of counts. Layers of your own may do what it has not.

    See Also
    --------
    skae.Autoencoder : ``encoder_`` and ``decoder_`` are the same as torch modules.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.io import to_onnx
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(8, max_iter=5, random_state=0).fit(X)
    >>> model = to_onnx(autoencoder)  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession(
    ...     model.SerializeToString()
    ... )  # doctest: +SKIP
    >>> session.run(None, {"rows": X})[0].shape  # doctest: +SKIP
    (1797, 8)
    """
    check_option("to_onnx", "part", part, PARTS)
    check_option("to_onnx", "dtype", dtype, (None, "float32", "float64"))
    try:
        import onnx
    except ImportError:
        raise ImportError(
            "to_onnx needs the package onnx. Install it by: pip install skae[onnx]"
        ) from None
    if not isinstance(estimator, InferenceMixin):
        raise TypeError(
            f"to_onnx: estimator must be an autoencoder of skae. Got "
            f"{type(estimator).__name__}. Of a pipeline, pass the autoencoder in it "
            "(pipeline[-1]); what comes before is a matter for skl2onnx. Of an "
            "AutoencoderClassifier, autoencoder_ is one, as it was before classes were "
            "taught."
        )
    check_is_fitted(estimator)
    with usual_torch():
        model = onnx.load_from_string(_graph(estimator, part, dtype))
    onnx.checker.check_model(model)
    if path is not None:
        onnx.save(model, os.fspath(path))
    return model


def _graph(estimator, part, dtype):
    """Return the graph as bytes, or a ``ValueError`` where ONNX lacks an operator."""
    _check_operators(estimator, part)
    module, example = estimator.__skae_torch__(part)
    rows, *told = (torch.from_numpy(a) for a in example)
    if dtype is not None and part != "decoder":
        rows = rows.to(vars(torch)[dtype])
    names = ["codes" if part == "decoder" else "rows", "classes"][: 1 + len(told)]
    # a graph's names are all different
    output = OUTPUTS[part] if OUTPUTS[part] not in names else "rebuilt"
    file = io.BytesIO()
    # the exporter that is deprecated needs no further packages, and takes a tenth of a
    # second in place of four
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module.cpu(),
                (rows, *told),
                file,
                dynamo=False,
                opset_version=OPSET,
                input_names=names,
                output_names=[output],
                dynamic_axes={name: {0: "n"} for name in [*names, output]},
            )
        except torch.onnx.errors.UnsupportedOperatorError as error:
            what = f"{str(error).split(' to ONNX')[0]} is not supported"
            remedy = "Layers of your own must do what ONNX has operators for"
            raise _refusal(estimator, part, what, remedy) from None
    return file.getvalue()


def _check_operators(estimator, part):
    """Raise a ``ValueError`` where ONNX is known to lack an operator."""
    module = estimator.net_.module_
    if part != "decoder" and not module.code.trains_encoder:
        raise _refusal(
            estimator,
            part,
            "its codes are found by a matching pursuit, for which ONNX has no Cholesky "
            "factor",
            "Use network=() or hidden layers, in place of 'auto', or export the decoder",
        )
    if part == "score" and module.likelihood.link_name == "log":
        raise _refusal(
            estimator,
            part,
            "ONNX has no log-gamma function for counts",
            "Export the reconstruction, and score it where it is run",
        )


def _refusal(estimator, part, what, remedy):
    return ValueError(
        f"The {part} of this {type(estimator).__name__} cannot be an ONNX graph: {what}. "
        f"{remedy}; or run torch: encoder_ and decoder_ are modules."
    )
