"""The pieces of sparse codes, against what is known."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from skae import SparseAutoencoder
from skae._codes.sparse import KL, geometric_median, has_mirror, top_k
from skae._losses import bernoulli_kl
from tests.planted import planted

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# The pieces, against what is known


def test_top_k():
    u = torch.tensor([[1.0, -3.0, 2.0, 0.5], [-1.0, -2.0, -3.0, -4.0]])
    assert top_k(u, 2, True).tolist() == [[1, 0, 2, 0], [0, 0, 0, 0]]
    assert top_k(u, 2, False).tolist() == [[0, -3, 2, 0], [0, 0, -3, -4]]


def test_geometric_median_has_the_least_summed_distance():
    rng = np.random.default_rng(0)
    rows = rng.exponential(size=(60, 3))
    rows[:5] += 50
    point = geometric_median(torch.from_numpy(rows)).numpy()

    def distance(p):
        return np.linalg.norm(rows - p, axis=1).sum()

    best = minimize(distance, rows.mean(0), method="Nelder-Mead", tol=1e-8).x
    np.testing.assert_allclose(point, best, atol=1e-3)


def test_mirror_images():
    rng = np.random.default_rng(0)
    normal = torch.from_numpy(rng.normal(size=(1000, 8)))
    skewed = torch.from_numpy(rng.exponential(size=(1000, 8)) - 1)
    assert has_mirror(normal)
    assert not has_mirror(skewed)
    assert has_mirror(torch.zeros(5, 2))


def test_cost_of_kl_is_the_divergence_of_the_mean_and_so_is_its_gradient():
    z = torch.rand(40, 6, dtype=torch.float64, requires_grad=True)
    cost = KL("kl", beta=3.0, target_activation=0.1).cost(z).mean()
    expected = 3 * bernoulli_kl(torch.tensor(0.1), z.mean(0))[0].sum()
    assert torch.allclose(cost, expected)
    ours, theirs = (torch.autograd.grad(t, z)[0] for t in (cost, expected))
    assert torch.allclose(ours, theirs)


# What is planted is found


def test_repeated_and_dead_units_start_anew():
    X, _ = planted()
    autoencoder = SparseAutoencoder(64, n_nonzero_coefs=2, max_iter=20, random_state=0)
    module = autoencoder.fit(X).net_.module_
    with torch.no_grad():
        weight = module.encoder.layer.weight
        weight[:, 1] = weight[:, 0]
        weight[:, 2] = -weight[:, 3]
        module.idle.zero_()[5] = 1e6
        module.energy.fill_(1.0)
        module.energy[0] = 2.0
        before = weight.clone()
    module.after_step()
    batches = type("Batches", (), {})()
    batches.index, batches.batch_size = torch.arange(len(X)), 256
    batches.rows = type("Rows", (), {"device": "cpu"})()
    standardised = torch.from_numpy(module.likelihood.standardize(X))
    batches.rows.take = standardised.__getitem__
    module.before_epoch(batches, torch.Generator().manual_seed(0))
    cosine = (module.encoder.layer.weight * before).sum(0)
    moved = (cosine < 0.99).nonzero()[:, 0].tolist()
    assert {1, 5} <= set(moved)
    assert 0 not in moved
    assert len(moved) < 10
    assert torch.allclose(module.encoder.layer.weight.norm(dim=0), torch.ones(64))
