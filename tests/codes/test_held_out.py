"""Units on in rows held out, by hand."""

from types import SimpleNamespace

import pytest
import torch

from skae._codes.penalties import BatchTopK
from skae._codes.units import held_out_ratio


def counts(n_on, weight, far):
    return tuple(torch.tensor(part, dtype=torch.float64) for part in (n_on, weight, far))


def test_what_is_due_to_distance_is_taken_off():
    """A row has one more for each step outwards, 3 on average at 1, and at most 4."""
    trained = counts([2] * 10 + [4] * 10, [1] * 20, [0] * 10 + [2] * 10)
    assert held_out_ratio([trained]) == 1
    assert held_out_ratio([trained, trained]) == 1
    held_out = counts([2, 60], [1, 3], [1.5, 1.5])  # (2 + 3 * 4) / 4, half a step out
    assert held_out_ratio([trained, held_out]) == pytest.approx((3.5 - 0.5) / 3)
    nearer = counts([3, 3], [1, 1], [0.5, 0.5])
    assert held_out_ratio([trained, nearer]) == pytest.approx(3.5 / 3)


def test_the_threshold_is_that_of_rows_held_out(monkeypatch):
    """They are a twentieth larger: of 20 units 4.8 would be on where 4 are asked for."""
    generator = torch.Generator().manual_seed(0)
    size = torch.rand(4000, 20, generator=generator, dtype=torch.float64)
    parts = {"trained": size[:2000], "held out": 1.05 * size[2000:]}
    same = torch.ones(2000).double(), torch.zeros(2000).double()
    monkeypatch.setattr(BatchTopK, "_sizes", lambda self, ae, part: (parts[part], *same))
    ae = SimpleNamespace(threshold=torch.zeros(()), eval=lambda: None)
    task = SimpleNamespace(one_pass=False, in_order=lambda: list(parts))
    BatchTopK(penalty="batch_topk", n_nonzero_coefs=4).settle(ae, task)
    on = (parts["held out"] > ae.threshold).sum(1).double().mean()
    assert on == pytest.approx(4, rel=0.06)
