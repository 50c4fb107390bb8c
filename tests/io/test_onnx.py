"""ONNX graphs, run by onnxruntime, against the verbs."""

import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, AutoencoderClassifier
from skae.io import to_onnx
from tests.exported import CASES, FEW, KW, X, fitted

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PARTS = "encoder", "decoder", "reconstruction", "score"
LACKING = {("pursuit", part) for part in ("encoder", "reconstruction", "score")}
LACKING |= {("counts", "score")}


@pytest.fixture
def runtime():
    pytest.importorskip("onnx")
    return pytest.importorskip("onnxruntime")


def run(runtime, model, *inputs):
    data = model if isinstance(model, str) else model.SerializeToString()
    session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    (out,) = session.run(None, dict(zip(names, inputs, strict=True)))
    return out


@pytest.mark.parametrize(
    "name", [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in CASES]
)
def test_graphs_give_the_verbs_numbers(name, runtime):
    autoencoder, X, more, told = fitted(name)
    codes = autoencoder.transform(X, **more).astype(np.float32)
    wanted = {
        "encoder": codes,
        "decoder": autoencoder.inverse_transform(codes, **more),
        "reconstruction": autoencoder.reconstruct(X, **more),
        "score": autoencoder.score_samples(X, **more),
    }
    for part, expected in wanted.items():
        if (name, part) in LACKING:
            with pytest.raises(
                ValueError, match=f"The {part} of this .* cannot be an ONNX"
            ):
                to_onnx(autoencoder, part=part)
            continue
        model = to_onnx(autoencoder, part=part)
        given = codes if part == "decoder" else X
        for n in (len(given), 1):
            out = run(runtime, model, given[:n], *(t.numpy()[:n] for t in told))
            np.testing.assert_allclose(
                out, expected[:n], rtol=1e-5, atol=1e-5, err_msg=part
            )


def test_a_file_and_a_dtype(runtime, tmp_path):
    autoencoder = Autoencoder(5, **KW).fit(X)
    path = tmp_path / "encoder.onnx"
    model = to_onnx(autoencoder, path, dtype="float32")
    assert [node.name for node in model.graph.input] == ["rows"]
    assert [node.name for node in model.graph.output] == ["codes"]
    out = run(runtime, str(path), X.astype(np.float32))
    np.testing.assert_allclose(out, autoencoder.transform(X), atol=1e-5)


def test_what_cannot_be_is_refused(runtime):
    with pytest.raises(NotFittedError):
        to_onnx(Autoencoder())
    autoencoder = Autoencoder(5, **KW)
    with pytest.raises(ValueError, match="part must be one of 'encoder'"):
        to_onnx(autoencoder, part="code")
    pipeline = make_pipeline(StandardScaler(), autoencoder).fit(X)
    with pytest.raises(TypeError, match=r"Pipeline.*pipeline\[-1\]"):
        to_onnx(pipeline)
    with pytest.raises(TypeError, match="AutoencoderClassifier, autoencoder_ is one"):
        to_onnx(AutoencoderClassifier())


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install skae\[onnx\]"):
        to_onnx(Autoencoder(5, **KW).fit(X))
