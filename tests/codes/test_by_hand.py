"""Sparse codes in numbers that are worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skae import SparseAutoencoder
from skae._codes.adversarial import Adversarial, Aim, Play
from skae._codes.base import Plain
from skae._codes.bits import Bits
from skae._codes.clusters import points_graph, tied
from skae._codes.penalties import KL, L1, BatchTopK, TopK
from skae._codes.pursuit import MatchingPursuit
from skae.networks._layers import Linear, Stack

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize(
    ("ratio", "size"),
    [([0.5, 0.8, 0.92, 0.97], 3), ([0.5, 0.9, 0.95], 2), ([0.95], 1), ([0.3, 0.6], 2)],
)
def test_a_size_that_is_not_told_explains_nine_tenths(ratio, size):
    task = SimpleNamespace(principal=SimpleNamespace(ratio=np.array(ratio)))
    assert Plain().size(task) == size


# The threshold of a batch


def test_a_batchs_threshold_is_a_running_mean():
    code = BatchTopK("batch_topk", n_nonzero_coefs=1, positive_code=True)
    ae = SimpleNamespace(threshold=torch.zeros(()), training=True)
    # of two rows' four numbers two are on: 5 and 3, whichever rows they are in
    z = code.sparsify(ae, torch.tensor([[3.0, 1], [2, 5]]))
    assert z.tolist() == [[3, 0], [0, 5]]
    assert float(ae.threshold) == 3  # the first is taken whole
    z = code.sparsify(ae, torch.tensor([[7.0, 9], [1, 2]]))
    assert z.tolist() == [[7, 9], [0, 0]]
    assert float(ae.threshold) == pytest.approx(3 + 0.05 * (7 - 3))
    ae.training = False
    z = code.sparsify(ae, torch.tensor([[3.25, 3.15], [-9, 100]]))
    assert z.tolist() == [[3.25, 0], [0, 100]]
    assert float(ae.threshold) == pytest.approx(3.2)


def test_thresholds_of_signed_and_of_negative_numbers():
    code = BatchTopK("batch_topk", n_nonzero_coefs=1, positive_code=False)
    ae = SimpleNamespace(threshold=torch.zeros(()), training=True)
    z = code.sparsify(ae, torch.tensor([[-3.0, 1], [2, -5]]))
    assert z.tolist() == [[-3, 0], [0, -5]]
    code.positive_code, code.n_nonzero_coefs = True, 5  # more than there are
    ae.threshold.zero_()
    z = code.sparsify(ae, torch.tensor([[-3.0, 1], [2, -5]]))
    assert z.tolist() == [[0, 1], [2, 0]]
    assert float(ae.threshold) == 0  # not -5


# Units that are no use


def test_units_are_useless_that_no_row_of_an_epoch_has_turned_on():
    code = TopK("topk", n_nonzero_coefs=1)
    ae = SimpleNamespace(idle=torch.tensor([997.0, 996, 996]), patience=1000)
    assert code.useless(ae).tolist() == [False, False, False]
    code.count(ae, torch.tensor([[0.0, -1, 0], [0, 0, 0], [0, 2, 0]]))
    assert ae.idle.tolist() == [1000, 0, 999]
    assert code.useless(ae).tolist() == [True, False, False]


def test_a_unit_that_repeats_one_which_explains_more_is_useless():
    gram = torch.eye(5)
    gram[0, 1] = gram[1, 0] = 0.91
    gram[2, 3] = gram[3, 2] = -0.95
    gram[3, 4] = gram[4, 3] = 0.89
    ae = SimpleNamespace(
        idle=torch.zeros(5), patience=1000, encoder=SimpleNamespace(gram=gram),
        energy=torch.tensor([2.0, 1, 3, 4, 0]),
    )  # fmt: skip
    code = MatchingPursuit("topk", n_nonzero_coefs=1, positive_code=False)
    assert code.useless(ae).tolist() == [False, True, True, False, False]
    code.positive_code = True  # an opposite direction is then another one
    assert code.useless(ae).tolist() == [False, True, False, False, False]
    ae.energy[:] = 1  # neither explains more
    ae.idle[4] = 1000
    assert code.useless(ae).tolist() == [False, False, False, False, True]


def rows_of(x, n):
    """Return batches of n rows, all of them x (1, d)."""
    rows = SimpleNamespace(device="cpu", take=lambda index: x.expand(len(index), -1))
    return SimpleNamespace(index=torch.arange(n), rows=rows)


@pytest.fixture(scope="module", params=["pursuit", "encoder"])
def module(request):
    network = () if request.param == "encoder" else "auto"
    X = np.random.default_rng(0).normal(size=(60, 5)) @ np.diag([1, 2, 3, 4, 5])
    estimator = SparseAutoencoder(
        8, n_nonzero_coefs=2, network=network, max_iter=1, random_state=0
    )
    return estimator.fit(X).net_.module_


def test_a_useless_unit_restarts_as_what_is_left_of_a_row(module):
    code, x = module.code, torch.tensor([[1.0, -2, 0.5, 3, -1]])
    with torch.no_grad():
        left = x - module.eval().reconstruct(x)
        _, up = code.linear_pair(module)
        module.idle.zero_()
        module.idle[2], module.idle[5] = 1000, 999
        if isinstance(code, MatchingPursuit):
            module.energy.zero_()
        before = up.weight.clone()
    code.before_epoch(module, rows_of(x, 40), torch.Generator().manual_seed(0))
    assert module.patience == 1000  # at least
    moved = (up.weight != before).any(0) & ((up.weight - before).norm(dim=0) > 1e-4)
    assert moved.nonzero()[:, 0].tolist() == [2]
    torch.testing.assert_close(up.weight[:, 2], left[0] / left.norm(), atol=1e-5, rtol=0)
    assert module.idle[[2, 5]].tolist() == [0, 999]
    down, _ = code.linear_pair(module)
    if down is not None:  # it is silent at the decoder's bias
        new = left[0] / left.norm()
        torch.testing.assert_close(down.weight[2], new, atol=1e-5, rtol=0)
        expected = -new @ up.bias
        torch.testing.assert_close(down.bias[2], expected, atol=1e-5, rtol=0)


def test_rows_are_drawn_by_the_square_of_what_is_left(module, monkeypatch):
    x = torch.randn(9, 5, generator=torch.Generator().manual_seed(0))
    given, multinomial = [], torch.multinomial

    def recorded(shares, n, **kwargs):
        given.append((shares, n))
        return multinomial(shares, n, **kwargs)

    monkeypatch.setattr(torch, "multinomial", recorded)
    with torch.no_grad():
        left = x - module.eval().reconstruct(x)
    module.idle.zero_()
    module.idle[:3] = 1000
    rows = SimpleNamespace(device="cpu", take=lambda index: x[index])
    batches = SimpleNamespace(index=torch.arange(9), rows=rows)
    module.code.before_epoch(module, batches, torch.Generator().manual_seed(0))
    ((shares, n),) = given
    assert n == 3
    expected = left.square().sum(1).sort().values
    torch.testing.assert_close(shares.sort().values, expected, rtol=1e-3, atol=1e-5)


def test_patience_is_an_epoch(module):
    module.idle.zero_()
    module.idle[0] = 1100
    x = torch.tensor([[1.0, -2, 0.5, 3, -1]])
    module.code.before_epoch(module, rows_of(x, 1200), torch.Generator().manual_seed(0))
    assert module.patience == 1200
    assert float(module.idle[0]) == 1100  # not long enough


def test_nothing_restarts_where_nothing_is_left_or_asked_for(module):
    code = module.code
    x = module.likelihood.embed(code.linear_pair(module)[1].bias.detach()[None])
    module.idle.zero_()
    module.idle[0] = 5000
    code.revive = False
    generator = torch.Generator().manual_seed(0)
    code.before_epoch(module, rows_of(x + 1, 10), generator)
    assert float(module.idle[0]) == 5000
    code.revive = True


# What units cost, and where they start


def test_costs_and_shifts_by_hand():
    l1 = L1("l1", beta=2.0, target_activation=0.1)
    z = torch.tensor([[1.0, 0, 3], [0, 0, 0]])
    assert l1.cost(z).tolist() == [8, 0]
    u = torch.arange(11.0)[:, None]
    assert l1.shift(u).tolist() == [-9]  # what a tenth of the steps from 0 to 10 exceeds
    assert l1.sparsify(None, torch.tensor([[-1.0, 2]])).tolist() == [[0, 2]]
    kl = KL("kl", beta=1.0, target_activation=0.5)
    # the logit of 0.5 is 0: what is left takes the mean to 0
    assert kl.shift(u).tolist() == [-5]
    assert kl.is_on(torch.tensor([[0.4, 0.5, 0.6]])).tolist() == [[False, False, True]]
    kl.target_activation = 0.2
    # log(0.2 / 0.8) times the root of 1 + pi / 8 of the variance, (11^2 - 1) / 12 = 10
    expected = np.log(0.25) * (1 + 10 * np.pi / 8) ** 0.5 - 5
    assert float(kl.shift(u)) == pytest.approx(expected, rel=1e-6)


def test_a_linear_encoder_starts_as_the_transposed_decoder_and_sparse():
    down, up = Linear(1, 2), Linear(2, 1)
    with torch.no_grad():
        up.weight.copy_(torch.tensor([[1.0, -2]]))
    ae = SimpleNamespace(encoder=Stack([down]), decoder=Stack([up]))
    rows = torch.arange(11.0)[:, None]
    L1("l1", target_activation=0.1).start_sparse(ae, rows, torch.tensor([5.0]))
    assert down.weight.tolist() == [[1], [-2]]
    # around 5 a tenth of the rows exceed 9 - 5, and 10 - 2 * 1: -5 - 4 and 10 - 8
    np.testing.assert_allclose(down.bias.detach(), [-9, 2], atol=1e-5)


@pytest.mark.parametrize(
    ("k", "n", "n_on"),
    [(3, 100, 3), (None, 100, 5), (None, 9, 1), (0.3, 11, 3), (0.01, 9, 1)],
)
def test_how_many_units_are_on(k, n, n_on):
    assert TopK("topk", n_nonzero_coefs=k).n_on(n) == n_on


# Bits


def test_bits_are_flipped_with_their_noise():
    code, encoded = Bits(bit_noise=0.1), torch.tensor([[50.0, -50, 0]])
    ae = SimpleNamespace(
        encoder=lambda x: x,
        likelihood=SimpleNamespace(embed=lambda x: x),
        nll=lambda bits, target: bits @ torch.tensor([1.0, 10, 100]),
    )
    # they are on with probabilities of 0.9, 0.1 and 0.5
    for u, cost in (([0.89, 0.09, 0.49], 111), ([0.91, 0.11, 0.51], 0)):
        terms = code.loss(ae, encoded, encoded, torch.tensor([u]), 1.0)
        assert float(terms.nll) == pytest.approx(cost)
    encoded.requires_grad_()
    code.loss(ae, encoded, encoded, torch.zeros(1, 3), 1.0).nll.sum().backward()
    # the slope of 0.1 + 0.8 s is 0.8 s (1 - s): 0.2 at 0, for a cost of 100
    torch.testing.assert_close(encoded.grad, torch.tensor([[0.0, 0, 20]]))
    assert code.encode(ae, encoded).tolist() == [[1, 0, 0]]


# Clusters


def test_rows_are_tied_to_their_neighbours_and_a_little_to_all():
    graph = points_graph(np.array([[0.0], [1], [10], [11]]), 2)
    times = tied(graph, 0.5)
    # two pairs: degrees of 1, and 0.5 is shared out among the four rows
    found = times(np.array([1.0, 0, 0, 0]))
    np.testing.assert_allclose(found, np.array([0.125, 1.125, 0.125, 0.125]) / 1.5)
    np.testing.assert_allclose(times(np.ones(4)), np.ones(4))


def test_a_cut_costs_the_edges_it_cuts_for_what_it_tells():
    graph = points_graph(np.array([[0.0], [1], [10], [11]]), 2)
    assert graph.cost(np.array([0, 0, 1, 1]), 2) == 0
    # of one row: its edge, and one of the others' three, for 0.56 nats
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert graph.cost(np.array([0, 1, 1, 1]), 2) == pytest.approx((1 + 1 / 3) / entropy)


# Adversaries


class Judged(Adversarial):
    """Codes that are the rows."""

    def judged(self, ae, x):
        return [x]


class Listener:
    """An adversary that keeps the noise it is given."""

    def mistaken(self, codes, draws, noise, y=None, weight=None):
        self.noise = noise
        return torch.tensor(1.0)

    def caught(self, codes, noise, y=None, weight=None):
        self.noise_of_codes = noise
        return torch.tensor(2.0)


def adversarial(**params):
    ae = SimpleNamespace(
        device="cpu", eval=lambda: None, style_adversary=Listener(), cluster_adversary=None
    )
    return Judged(**params), ae


@pytest.mark.parametrize(("weight", "coefficient"), [(None, 0.5), ([9.0, 3, 1], 0.25)])
def test_held_out_codes_are_judged_by_their_weighted_distance(weight, coefficient):
    code, ae = adversarial()
    x = torch.tensor([[0.0], [1], [7]])
    weight = weight and torch.tensor(weight)
    rows = SimpleNamespace(take=x.__getitem__, weight=weight)
    valid = SimpleNamespace(index=torch.tensor([0, 1]), rows=rows)
    play = Play(Aim(None), None, torch.zeros(5, 1))
    # codes 0 and 1, draws 0: with shares of 1/2 means between and within are 1/2 and 1/2,
    # with 3/4 and 1/4 they are 1/4 and 3/8: 1 - (1/2 + 0) / 2 / (1/2), or
    # 1 - (3/8 + 0) / 2 / (1/4)
    more, noted = code.judge(ae, play, SimpleNamespace(valid=valid), {})
    assert noted["prior_distance"] == pytest.approx(coefficient**0.5)
    assert more == pytest.approx(coefficient**0.5)


def test_the_noise_of_adversaries_falls_with_what_is_left():
    found = []
    for instance_noise, left in ((0.3, 1.0), (0.3, 0.5), (0.6, 0.5), (0.3, 0.0)):
        code, ae = adversarial(instance_noise=instance_noise)
        run = SimpleNamespace(
            generator=torch.Generator().manual_seed(0),
            task=SimpleNamespace(corrupted=lambda batch, generator: batch),
            course=SimpleNamespace(left=lambda left=left: left),
        )
        play = Play(Aim(None), torch.zeros(3, 2), None)
        losses = dict(code.further(ae, play, (torch.zeros(4000, 2), None), run))
        assert {name: float(loss) for name, loss in losses.items()} == {
            "discriminator": 1,
            "generator": 2,
        }
        adversary = ae.style_adversary
        assert adversary.noise.shape == (8000, 2)  # of codes and of draws
        found.append([adversary.noise.std(), adversary.noise_of_codes.std()])
    expected = [[0.3] * 2, [0.15] * 2, [0.3] * 2, [0] * 2]
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_dead_units_learn_what_is_missing_and_cost_nothing():
    code = TopK("topk", n_nonzero_coefs=1, positive_code=True)
    ae = SimpleNamespace(
        training=True, patience=1000, idle=torch.tensor([0.0, 1000, 0]),
        encoder=lambda x: x, decoder=None, likelihood=SimpleNamespace(embed=lambda x: x),
        nll=lambda z, target: z @ torch.tensor([1.0, 10, 100]),
    )  # fmt: skip
    x = torch.tensor([[3.0, 2, 1]], requires_grad=True)
    terms = code.loss(ae, x, x, None, 1.0)
    assert terms.nll.tolist() == [3]  # the first unit is on, and costs 1 times 3
    terms.nll.sum().backward()
    assert x.grad.tolist() == [[1, 10, 0]]  # the second is dead
