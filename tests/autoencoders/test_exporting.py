"""`encoder_` and `decoder_`: the same numbers as the verbs, to the last bit."""

import copy
import io
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch import nn

from skae import Autoencoder
from skae.networks import DenseNetwork
from tests.exported import CASES, KW, WILD, X, fitted

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore::torch.jit.TracerWarning",
    "ignore::DeprecationWarning",
)


@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_those_of_the_verbs(name):
    autoencoder, X, more, told = fitted(name)
    encoder, decoder, x = autoencoder.encoder_, autoencoder.decoder_, torch.from_numpy(X)
    codes = autoencoder.transform(X, **more).astype(np.float32)
    rows = autoencoder.inverse_transform(codes, **more)
    z = encoder(x, *told)
    np.testing.assert_array_equal(z.detach().numpy(), codes)
    np.testing.assert_array_equal(encoder(x.flatten(1), *told).detach(), codes)
    back = decoder(z, *told).detach().numpy()
    assert back.dtype == rows.dtype
    np.testing.assert_array_equal(back, rows)
    for n in (1, 33, 130):  # fewer rows come by other blocks
        few = encoder(x[:n], *(t[:n] for t in told))
        np.testing.assert_array_equal(few.detach(), codes[:n])
    assert encoder(x[:0], *(t[:0] for t in told)).shape == (0, codes.shape[1])

    x = x.double().requires_grad_()
    encoder.train()(x, *told).sum().backward()
    assert x.grad.nan_to_num().abs().sum() > 0
    trained = [p for p in encoder.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in trained)
    assert bool(trained) == (name != "pursuit")  # it has no weights of its own
    with torch.no_grad():
        for p in trained:
            p += 1.0
    np.testing.assert_array_equal(autoencoder.transform(X, **more), codes)


@pytest.mark.parametrize("name", ["mixed", "conditional", "pursuit"])
def test_modules_are_traced_and_exported_for_any_number_of_rows(name):
    autoencoder, X, more, told = fitted(name)
    encoder, x = autoencoder.encoder_, torch.from_numpy(X)
    codes = autoencoder.transform(X, **more)
    first = x[:40], *(t[:40] for t in told)
    with torch.no_grad():
        traced = torch.jit.trace(encoder, first, check_trace=False)
        n = torch.export.Dim("n", min=2)
        shapes = ({0: n},) * len(first)
        exported = torch.export.export(encoder, first, dynamic_shapes=shapes).module()
        for graph in (traced, exported):
            np.testing.assert_allclose(graph(x, *told).numpy(), codes, atol=1e-5)


def test_scaling_stays_in_float64():
    autoencoder = Autoencoder(2, **KW).fit(WILD)
    codes, x = autoencoder.transform(WILD), torch.from_numpy(WILD)
    for change, atol in ((nn.Module.float, 0), (nn.Module.double, 1e-5)):
        z = change(autoencoder.encoder_)(x).detach().numpy()
        np.testing.assert_allclose(z, codes, atol=atol)
    assert autoencoder.encoder_.half()(x).dtype is torch.float16
    # in float32 alone, the column of 1.7e9 +- 10 would be lost
    assert np.ptp(codes) > 1


def test_they_are_saved_with_the_estimator_and_without():
    autoencoder = Autoencoder(5, **KW).fit(X)
    before = len(pickle.dumps(autoencoder))
    codes, x = autoencoder.transform(X), torch.from_numpy(X)
    autoencoder.encoder_, autoencoder.decoder_  # noqa: B018
    assert len(pickle.dumps(autoencoder)) == before  # nothing is kept
    loaded = pickle.loads(pickle.dumps(autoencoder))
    np.testing.assert_array_equal(loaded.encoder_(x).detach(), codes)
    back = autoencoder.inverse_transform(codes)
    np.testing.assert_array_equal(loaded.decoder_(torch.from_numpy(codes)).detach(), back)
    file = io.BytesIO()
    torch.save(autoencoder.encoder_, file)
    file.seek(0)
    other = torch.load(file, weights_only=False)
    np.testing.assert_array_equal(other(x).detach(), codes)
    np.testing.assert_array_equal(copy.deepcopy(other)(x).detach(), codes)


def test_a_head_and_the_encoder_learn_together():
    autoencoder = Autoencoder(5, **KW).fit(X)
    with torch.inference_mode():  # what is made here can be trained all the same
        encoder = autoencoder.encoder_
    torch.manual_seed(0)
    model = nn.Sequential(encoder, nn.Linear(5, 1)).train()
    before = [p.detach().clone() for p in encoder.parameters()]
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    x, y = torch.from_numpy(X), torch.from_numpy(X.sum(1, keepdims=True) / 100).float()
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        losses.append(nn.functional.mse_loss(model(x), y))
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.2 * losses[0]
    moved = [
        not torch.equal(a, b) for a, b in zip(before, encoder.parameters(), strict=True)
    ]
    assert all(moved)


def test_a_table_is_read_as_transform_reads_it():
    table = pd.DataFrame({"size": WILD[:, 1], "kind": pd.Categorical(list("aab") * 50)})
    table.loc[2, "kind"] = table.loc[4, "size"] = None
    autoencoder = Autoencoder(1, **KW).fit(table)
    encoder = autoencoder.encoder_
    with pytest.raises(TypeError, match=r"x must be a torch tensor.*encoder_\.read"):
        encoder(table)
    rows = encoder.read(table)
    assert rows[:3, 1].isnan().tolist() == [False, False, True]
    np.testing.assert_array_equal(encoder(rows).detach(), autoencoder.transform(table))
    back = autoencoder.decoder_(encoder(rows))
    assert {*back[:, 1].tolist()} <= {0.0, 1.0}
    with pytest.raises(ValueError, match="size"):
        encoder.read(table.rename(columns={"size": "weight"}))


def test_what_cannot_be_is_refused():
    with pytest.raises(NotFittedError):
        Autoencoder().encoder_  # noqa: B018
    assert not hasattr(Autoencoder(), "decoder_")
    encoder = Autoencoder(5, network=DenseNetwork((8,)), **KW).fit(X).encoder_
    with pytest.raises(ValueError, match=r"x must have shape \(n, 64\). Got \(2, 63\)"):
        encoder(torch.zeros(2, 63))
    with pytest.raises(ValueError, match="conditional=True"):
        encoder(torch.zeros(2, 64), torch.zeros(2, dtype=torch.int64))
    conditional, rows, *_ = fitted("conditional")
    with pytest.raises(ValueError, match="Got none"):
        conditional.encoder_(torch.from_numpy(rows))
    with pytest.raises(ValueError, match=r"z must have shape \(n, 4\)"):
        conditional.decoder_(torch.zeros(2, 3))


def test_threads_change_nothing():
    autoencoder = Autoencoder(5, **KW).fit(X)
    codes, x = autoencoder.transform(X), torch.from_numpy(X)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        np.testing.assert_array_equal(autoencoder.encoder_(x).detach(), codes)
    finally:
        torch.set_num_threads(before)
