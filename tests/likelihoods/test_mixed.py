"""The mixed likelihood: cells that are missing, and categories."""

import numpy as np
import pytest
import torch

from tests.mixed import module_and_rows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("learns_noise", [False, True])
def test_a_missing_cell_has_a_gradient_of_exactly_zero(learns_noise):
    module, _, x = module_and_rows()
    if learns_noise:
        module.learn_noise(np.full(module.n_params, 0.5))
    params = torch.randn(40, module.n_params, requires_grad=True)
    cost = module.nll(params, x)
    gone = torch.isnan(x)
    assert gone.any(0).all()
    assert (cost[gone] == 0).all()
    assert (cost[~gone] != 0).all()
    cost.sum().backward()
    assert (params.grad[module.columns_of(gone)] == 0).all()
    assert (params.grad[~module.columns_of(gone)] != 0).all()
    if learns_noise:  # rows without any number teach nothing of the noise
        module.zero_grad()
        module.nll(params, torch.where(torch.arange(4) < 2, torch.nan, x)).sum().backward()
        assert (module.log_variance.grad == 0).all()


def test_residuals_count_seen_cells_only():
    module, _, x = module_and_rows()
    params = torch.randn(40, module.n_params)
    error, gone = module.squared_error(params, x), torch.isnan(x)
    assert (error[gone] == 0).all()
    torch.testing.assert_close(
        error[:, 0][~gone[:, 0]], (params[:, 0] - x[:, 0])[~gone[:, 0]] ** 2
    )
    p = params[0, module.of_column(2)].softmax(0)
    x[0, 2] = 1.0
    expected = (p - torch.tensor([0.0, 1.0, 0.0])).square().sum()
    torch.testing.assert_close(module.squared_error(params, x)[0, 2], expected)


def test_categories_are_drawn_from_their_probabilities():
    module, _, _ = module_and_rows()
    params = torch.tensor([[0.0, 0.0, 0.0, 1.0, 2.0, 3.0, -1.0]]).repeat(20_000, 1)
    drawn = module.sample(params, np.random.RandomState(0))
    for j in (2, 3):
        p = params[0, module.of_column(j)].softmax(0).numpy()
        np.testing.assert_allclose(
            np.bincount(drawn[:, j].astype(int)) / 20_000, p, atol=0.01
        )
    sd = module.scale[0] * module.noise_variance[0] ** 0.5
    assert drawn[:, 0].std() == pytest.approx(sd, rel=0.03)
