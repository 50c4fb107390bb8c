"""Columns as a code: a mixture that becomes a choice."""

import numpy as np
import pytest
import torch

from skae._codes.base import AutoencoderModule, Terms
from skae._codes.columns import Concrete, Selectors

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_the_mixture_is_the_papers_formula():
    selectors = Selectors([2, 0], 5, (10.0, 0.1))
    noise = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    for progress, temperature in ((0.0, 10.0), (0.5, 1.0), (1.0, 0.1)):
        m = selectors.mixture(noise, torch.tensor(progress))
        expected = ((selectors.logits + noise) / temperature).exp()
        torch.testing.assert_close(m, expected / expected.sum(1, keepdim=True))
    assert selectors(torch.arange(5.0)[None]).tolist() == [[2.0, 0.0]]


def test_choices_are_distinct_where_selectors_agree():
    selectors = Selectors([0, 1], 4, (10.0, 0.1))
    with torch.no_grad():
        selectors.raw.copy_(torch.tensor([0, 5, 1, 0, 0, 5, 4, 0.0]))
    assert selectors.logits.argmax(1).tolist() == [1, 1]
    assert selectors.choice().tolist() == [1, 2]


class _Likelihood(torch.nn.Module):
    def embed(self, x):
        return x

    def nll(self, params, x):
        return (params - x).square()


def test_a_row_costs_what_its_mixture_does_not_rebuild():
    selectors, code = Selectors([1, 2], 3, (10.0, 0.1)), Concrete((1, 2))
    module = AutoencoderModule(selectors, torch.nn.Linear(2, 3), _Likelihood(), code)
    generator = torch.Generator().manual_seed(0)
    noise = code.draw(module, 7, generator)
    assert noise.shape == (2, 3)
    x = torch.randn(7, 3, generator=generator)
    terms = module(x, x, noise, torch.tensor(0.3))
    m = module.encoder.mixture(noise, torch.tensor(0.3))
    expected = (module.decoder(x @ m.T) - x).square().sum(1)
    assert isinstance(terms, Terms)
    torch.testing.assert_close(terms.nll, expected)


def test_the_noise_is_gumbels():
    selectors, code = Selectors([0], 100_000, (1.0, 0.1)), Concrete((0,))
    module = AutoencoderModule(selectors, None, None, code)
    noise = code.draw(module, 1, torch.Generator().manual_seed(0))
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.02)
    assert float(noise.var()) == pytest.approx(np.pi**2 / 6, abs=0.03)
