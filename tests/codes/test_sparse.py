"""The pieces of sparse codes, against what is known."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from skae import SparseAutoencoder
from skae._codes.sparse import geometric_median, has_mirror, top_k
from skae._losses import bernoulli_kl
from tests.planted import X, planted

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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
    autoencoder = SparseAutoencoder(
        6, penalty="kl", beta=3.0, target_activation=0.1, max_iter=1, random_state=0
    ).fit(X[:40])
    module = autoencoder.net_.module_.double()
    x = torch.from_numpy(module.likelihood.standardize(X[:40])).double()
    cost = module(x, x, None, 1.0).reg.mean()
    z = module.encode(x)
    expected = 3 * bernoulli_kl(torch.tensor(0.1), z.mean(0))[0].sum()
    assert torch.allclose(cost, expected)
    weights = list(module.encoder.parameters())
    for ours, theirs in zip(
        *(torch.autograd.grad(t, weights) for t in (cost, expected)), strict=True
    ):
        assert ours.any()
        assert torch.allclose(ours, theirs)


def test_repeated_and_dead_units_start_anew():
    X, _ = planted()
    autoencoder = SparseAutoencoder(
        64, n_nonzero_coefs=2, max_iter=20, warm_start=True, early_stopping=False,
        batch_size=256, random_state=0,
    )  # fmt: skip
    module = autoencoder.fit(X).net_.module_
    with torch.no_grad():
        weight = module.encoder.layer.weight
        weight[:, 1] = weight[:, 0]
        weight[:, 2] = -weight[:, 3]
        module.encoder.gram.copy_(weight.T @ weight)
        module.idle.zero_()[5] = 1e6
        module.energy.fill_(1.0)
        module.energy[0] = 2.0
        before = weight.clone()
    # an epoch of one step that moves nothing, before which units start anew
    slow = {"batch_size": len(X), "learning_rate": 1e-30, "max_iter": 1}
    after = autoencoder.set_params(**slow).fit(X).net_.module_.encoder.layer.weight
    moved = ((after * before).sum(0) < 0.99).nonzero()[:, 0].tolist()
    assert {1, 5} <= set(moved)
    assert 0 not in moved
    assert len(moved) < 10
    assert torch.allclose(after.norm(dim=0), torch.ones(64))
