"""What adversaries are trained for."""

import torch

from skae._codes.adversarial import Adversary


def test_adversarys_losses_are_cross_entropies():
    adversary = Adversary(2, 0, torch.Generator().manual_seed(0))
    codes, draws, quiet = torch.randn(4, 2), torch.randn(4, 2), torch.zeros(8, 2)
    of_codes, of_draws = (torch.sigmoid(adversary.judge(z)) for z in (codes, draws))
    mistaken = -(of_draws.log().sum() + (1 - of_codes).log().sum()) / 8
    torch.testing.assert_close(adversary.mistaken(codes, draws, quiet), mistaken)
    torch.testing.assert_close(adversary.caught(codes, quiet[:4]), -of_codes.log().mean())
    # a row of weight 2 and one of weight 0 are one row twice
    w, twice = torch.tensor([2.0, 0.0, 1.0, 1.0]), codes[[0, 0, 2, 3]]
    for loss in (adversary.caught(codes, quiet[:4], None, w),):
        torch.testing.assert_close(loss, adversary.caught(twice, quiet[:4]))
    torch.testing.assert_close(
        adversary.mistaken(codes, draws, quiet, None, w),
        adversary.mistaken(twice, draws, quiet),
    )
