"""Columns as a code: a mixture that becomes a choice."""

import numpy as np
import pytest
import torch

from skae import AutoencoderFeatureSelector
from skae._codes.base import Terms
from skae._codes.columns import Selectors

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


def selecting(calls, n_epochs=1):
    """Train a selector of 3 of 20 columns; the calls in which selectors mix columns."""
    X = np.random.default_rng(0).normal(size=(200, 20))
    AutoencoderFeatureSelector(
        3, method="concrete", n_init=1, max_iter=n_epochs, early_stopping=False,
        batch_size=20, random_state=0,
    ).fit(X)  # fmt: skip
    return [c for c in calls if isinstance(c.module.encoder, Selectors) and c.training]


def test_a_row_costs_what_its_mixture_does_not_rebuild(calls):
    module = selecting(calls)[-1].module
    generator = torch.Generator().manual_seed(0)
    noise, x = (torch.randn(n, 20, generator=generator) for n in (3, 7))
    terms = module(x, x, noise, torch.tensor(0.3))
    m = module.encoder.mixture(noise, torch.tensor(0.3))
    expected = module.likelihood.nll(module.decoder(x @ m.T), x).sum(1)
    assert isinstance(terms, Terms)
    torch.testing.assert_close(terms.nll, expected)


def test_the_noise_is_gumbels_and_one_for_a_batch(calls):
    noise = torch.stack([call.noise for call in selecting(calls, n_epochs=100)])
    assert noise.shape == (1000, 3, 20)
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.02)
    assert float(noise.var()) == pytest.approx(np.pi**2 / 6, abs=0.03)
