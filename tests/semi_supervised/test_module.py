"""Encoder and head: losses by hand."""

import math

import numpy as np
import torch
from torch import nn

from skae import Autoencoder
from skae.semi_supervised._module import Head, Labeller, Labelling
from skae.semi_supervised._training import reached
from skae.semi_supervised._views import Views


class Halves:
    """An autoencoder's module for tests: codes are rows, their cost is 5 each."""

    class code:
        @staticmethod
        def loss(ae, x, target, noise, progress):
            from skae._codes.base import Terms

            return Terms(nll=torch.full((len(x),), 5.0), reg=torch.full((len(x),), 1.0))


class Rows(nn.Module):
    code = Halves.code

    def encode(self, x):
        return x


def labeller(of_classes, reconstructs=False, n_outputs=2):
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 12.0]])
    head = Head(x, n_outputs)
    return Labeller(Rows(), head, Labelling(of_classes, reconstructs)), x


def test_a_head_that_has_learnt_nothing_says_all_alike():
    module, x = labeller(True)
    y = torch.tensor([[1.0, 0.0], [0.25, 0.75], [0.0, 0.0]])
    terms = module(x, x, None, 1.0, y)
    # times the columns, as losses are per column
    expected = [2 * math.log(2), 2 * math.log(2), 0.0]
    np.testing.assert_allclose(terms.nll.detach(), expected, rtol=1e-6)
    assert terms.reg is None


def test_numbers_cost_their_squares_where_they_are_known():
    module, x = labeller(False)
    with torch.no_grad():
        module.head.linear.bias.copy_(torch.tensor([1.0, -1.0]))
    y = torch.tensor([[3.0, torch.nan], [torch.nan, torch.nan], [0.0, 1.0]])
    terms = module(x, x, None, 1.0, y)
    np.testing.assert_allclose(terms.nll.detach(), [4.0, 0.0, 1.0 + 4.0])
    terms.nll.sum().backward()
    assert torch.isfinite(module.head.linear.weight.grad).all()


def test_what_rows_cost_is_added_where_they_are_rebuilt_too():
    module, x = labeller(True, reconstructs=True)
    terms = module(x, x, None, 1.0, torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]))
    np.testing.assert_allclose(terms.nll.detach(), [5 + 2 * math.log(2), 5, 5])
    np.testing.assert_allclose(terms.reg, 1.0)


def test_a_head_standardises_codes_but_none_of_little_spread():
    codes = torch.tensor([[0.0, 1.0, 7.0], [2.0, 1.0, 7.0]])
    head = Head(codes, 1)
    np.testing.assert_allclose(head.center, [1.0, 1.0, 7.0])
    np.testing.assert_allclose(head.scale, [1.0, 0.1 / 3, 0.1 / 3], rtol=1e-4)
    with torch.no_grad():
        head.linear.weight.copy_(torch.tensor([[1.0, 0, 0, 10.0, 0, 0]]))
    silu = 1 / (1 + math.exp(-1))
    np.testing.assert_allclose(head(codes).detach()[1], 1 + 10 * silu, rtol=1e-6)


def test_weights_that_codes_hang_on():
    X = np.random.RandomState(0).normal(size=(40, 4))
    ae = Autoencoder(2, max_iter=1, random_state=0).fit(X).net_.module_
    found = {id(p) for p in reached(ae, 4)}
    assert found == {id(p) for p in ae.encoder.parameters()}


def seen(pictures, **ranges):
    x = torch.as_tensor(pictures, dtype=torch.float32)
    views = Views(tuple(x.shape[1:]))
    generator = torch.Generator().manual_seed(0)
    return views.apply(x.flatten(1), None, generator).reshape(x.shape)


def test_views_differ_a_little(monkeypatch):
    from skae.semi_supervised import _views as module

    pictures = np.zeros((200, 1, 28, 28))
    pictures[:, :, 10:18, 10:18] = 1
    views = seen(pictures)
    away = (views - torch.as_tensor(pictures)).abs().mean((1, 2, 3))
    assert 0.001 < away.median() < 0.05
    assert len(np.unique(views.flatten(1).numpy(), axis=0)) == 200
    # the middle of what is seen moves by a pixel at most, on average not at all
    rows = torch.arange(28.0)
    middle = (views.sum(3)[:, 0] @ rows) / views.sum((1, 2, 3))
    assert abs(middle.mean() - 13.5) < 0.1
    assert (middle - 13.5).abs().max() < 1.2
    for name in ("SHIFT", "ROTATION", "SCALING", "SHEAR"):
        monkeypatch.setattr(module, name, 0.0)
    np.testing.assert_allclose(seen(pictures), pictures, atol=1e-4)


def test_signals_and_colours_are_seen_alike():
    signals = np.sin(np.linspace(0, 9, 50))[None, None, None].repeat(20, 0)
    views = seen(signals)
    assert views.shape == (20, 1, 1, 50)
    assert 0 < (views - torch.as_tensor(signals)).abs().mean() < 0.2
    colours = np.random.RandomState(0).uniform(size=(5, 1, 8, 8)).repeat(3, 1)
    views = seen(colours)
    np.testing.assert_array_equal(views[:, 0], views[:, 2])
