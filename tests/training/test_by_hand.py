"""The course of a training, its losses and its measures, worked out by hand."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch

from skae._codes import signs
from skae._codes.base import Plain, Terms
from skae._data.rows import Batch
from skae._data.split import Sample
from skae._training.blocks import Stream, row_cost
from skae._training.course import Course
from skae._training.loss import mean_loss, row_loss
from skae._training.measure import squared_residuals
from skae._training.task import Recipe, Schedule, Task
from skae._training.train import train
from skae.likelihoods import Gaussian
from skae.networks import DenseNetwork

# The course


def at(step, epochs=10, n_steps=4, schedule="trapezoid", warm_up=0.0):
    course = Course(epochs, n_steps, schedule, warm_up)
    course.step = step
    return course


@pytest.mark.parametrize(
    ("step", "rate"),
    # it rises over a twentieth of 40 steps, and falls over the last 3 of 10 epochs
    [(0, 0.5), (1, 1), (2, 1), (28, 1), (30, 2.5 / 3), (34, 0.5), (39, 0.25 / 3), (40, 0)],
)
def test_the_rate_is_a_trapezoid(step, rate):
    assert at(step).rate() == pytest.approx(rate, abs=1e-12)


def test_the_rate_of_a_short_training_starts_at_once():
    assert at(0, epochs=1).rate() == 1
    assert at(0, epochs=100, n_steps=2).rate() == 1 / 10  # of as many steps


@pytest.mark.parametrize(
    ("step", "progress"), [(0, 0), (5, 0.125), (9, 0.225), (10, 1), (39, 1)]
)
def test_progress_is_told_in_a_warm_up(step, progress):
    assert float(at(step, warm_up=0.25).progress()) == pytest.approx(progress)
    assert float(at(step).progress()) == 1
    assert float(at(step, epochs=1, warm_up=0.25).progress()) == 1


def test_what_is_left_of_a_training():
    assert at(0).left() == 1
    assert at(10).left() == 0.75
    course = at(10)
    course.cool_to = 5  # of 20 steps
    assert course.left() == 0.5
    course.step = 21
    assert course.left() == 0
    assert at(10, schedule="constant").left() == 1


def test_a_training_winds_down_once_losses_no_longer_fall_by_a_share():
    course = at(0, epochs=20, n_steps=1)
    course.best_loss, found = 10.0, []
    # less by a tenth than 10, 9.5, 8.5, 8.5 and 7.7 is 9, 8.55, 7.65, 7.65 and 6.93
    for epoch, loss in enumerate([9.5, 8.5, 8.5, 7.7, 7.7], start=6):
        course.epoch = epoch
        better = course.judge(loss, 2, 0.1)
        lowest = pytest.approx(course.best_loss)
        found.append((better, course.waited, lowest, course.cool_from))
    assert found == [
        (True, 1, 9.5, 14),
        (True, 0, 8.5, 14),
        (False, 1, 8.5, 14),
        (True, 2, 7.7, 9),  # two epochs in vain
        (False, 3, 7.7, 9),
    ]
    assert course.cool_to == 12  # 0.3 * 9 epochs more, and no more later
    assert not course.is_over
    rates = []
    for course.step in (8, 9, 10, 11, 12, 13):
        rates.append(course.rate())
    np.testing.assert_allclose(rates, [1, 1, 2 / 3, 1 / 3, 0, 0])
    course.epoch = 12
    assert course.is_over


def test_a_share_of_a_negative_loss_is_of_its_size():
    course = at(0, epochs=100)
    course.best_loss, waited = -1.0, []
    for loss in (-1.05, -1.2, -1.31, -1.45):  # from -1.05 to -1.155, -1.32, -1.441
        course.judge(loss, 9, 0.1)
        waited.append(course.waited)
    assert waited == [1, 0, 1, 0]


def test_a_constant_rate_ends_at_once():
    course = at(0, schedule="constant")
    course.epoch, course.best_loss = 5, 1.0
    course.judge(1.0, 1, 0.0)
    assert course.cool_to == 5
    assert course.is_over


def test_patience_does_not_run_out_in_a_warm_up():
    course = at(0, epochs=20, warm_up=0.5)
    course.best_loss, waited = 1.0, []
    for course.epoch in (1, 9, 10, 11):  # the final loss is there from epoch 10
        course.judge(1.0, 2, 0.0)
        waited.append(course.waited)
    assert waited == [0, 0, 1, 2]
    assert (course.cool_from, course.cool_to) == (11, 15)  # 0.3 * 11 is 3.3


@pytest.mark.parametrize("tol", [0.0, 0.1])
def test_the_first_loss_is_better_than_none(tol):
    course = at(0)
    course.epoch = 1
    assert course.judge(5.0, 1, tol)
    assert (course.waited, course.best_loss) == (0, 5)
    assert not course.is_over


# What rows cost


def forward(x, target, noise, progress, *known):
    return Terms(torch.tensor([1.0, 2]), torch.tensor([10.0, 20]),
                 torch.tensor(3.0), torch.tensor(7.0))  # fmt: skip


def test_terms_are_weighed_summed_and_added_up():
    x, weight = torch.zeros(2, 4), torch.tensor([0.5, 1.5])
    row, terms = row_loss(forward, Batch(x, weight), None, 1.0)
    assert row.tolist() == [5.5, 33]
    # 38.5 of 8 cells; the batch's 3 for each of 2 rows of 8 cells; what is aside
    assert float(mean_loss(row, terms, 8)) == 38.5 / 8 + 3 * 2 / 8 + 7
    row, terms = row_loss(forward, Batch(x), None, 1.0)
    assert row.tolist() == [11, 22]
    alone = Terms(terms.nll)
    assert float(mean_loss(alone.nll, alone, 8)) == 3 / 8
    row, _ = row_loss(lambda *args: alone, Batch(x, weight), None, 1.0)
    assert row.tolist() == [0.5, 3]


@dataclass
class Fixed(Plain):
    """Rows cost 2, a batch 5 for each, and 7 is trained along."""

    def loss(self, ae, x, target, noise, progress):
        nothing = 0 * ae.nll(self.encode(ae, x), target)
        none = nothing.sum()
        return Terms(2 + nothing, 1 + nothing, 5 + none, 7 + none)


def recipe(code, **schedule):
    network = DenseNetwork(())
    schedule = {"max_iter": 2, "batch_size": 4, "n_iter_no_change": 9} | schedule
    return Recipe(network, Gaussian(), None, code, 1, {}, Schedule(**schedule), "cpu")


def sample(n=11, weight=None, held_out=0.3):
    X = np.random.default_rng(0).normal(size=(n, 4))
    return Sample.of(X, weight=weight, shape=(4,), check=lambda block: None,
                     held_out=held_out)  # fmt: skip


def test_a_batchs_cost_is_judged_and_what_is_aside_is_not():
    history = train(recipe(Fixed()), sample()).net.history
    # of 4 columns: (2 + 1 + 5) / 4, and in training 7 beside that
    assert history[:, "valid_loss"] == [2, 2]
    assert history[:, "train_loss"] == [9, 9]


@dataclass
class Indexed(Plain):
    """A row costs what its first column holds, in data units."""

    def loss(self, ae, x, target, noise, progress):
        location, scale = (torch.as_tensor(getattr(ae.likelihood, name)[0])
                           for name in ("location", "scale"))  # fmt: skip
        cost = x[:, 0] * scale + location
        return Terms((cost + 0 * ae.nll(self.encode(ae, x), target)).float())


def test_held_out_losses_are_weighted_means_of_rows():
    weight = np.arange(1.0, 12)
    drawn = sample(weight=weight)
    history = train(recipe(Indexed(), max_iter=1), drawn).net.history
    for name, index in (("valid_loss", drawn.valid), ("train_loss", drawn.train)):
        w = weight[index]
        expected = w @ drawn.X[index, 0] / w.sum() / 4
        assert history[0, name] == pytest.approx(expected, rel=1e-4)


@dataclass
class Late(Plain):
    """The start is no candidate."""

    start_competes: ClassVar[bool] = False


@dataclass
class Averaged(Late):
    """Averages of weights are kept."""

    averaged: ClassVar[float] = 0.99


def test_the_average_of_weights_starts_short():
    def weights(code, **schedule):
        schedule = {"max_iter": 1, "batch_size": 99, "learning_rate": 0.1} | schedule
        module = train(recipe(code, **schedule), sample()).net.module_
        return torch.cat([p.detach().flatten() for p in module.parameters()])

    start, trained = weights(Late(), learning_rate=1e-30), weights(Late())
    # one step has been taken: (1 + 0) / (10 + 0) of the start is left
    expected = 0.1 * start + 0.9 * trained
    torch.testing.assert_close(weights(Averaged()), expected)
    assert float((trained - start).abs().max()) > 0.01


def decay(params, code=None, **schedule):
    """Return weights and biases after one step down nothing but their penalty."""
    schedule = {"max_iter": 1, "batch_size": 99, "learning_rate": 0.1} | schedule
    net_params = {"schedule": "constant", "gradient_clip_value": None} | params
    fixed = recipe(code or Fixed(), **schedule)._replace(net_params=net_params)
    module = train(fixed, sample(held_out=None)).net.module_
    return [torch.cat([p.detach().flatten() for p in module.parameters() if p.ndim == n])
            for n in (2, 1)]  # fmt: skip


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_weights_are_penalised_and_biases_are_not(optimizer):
    params = {"optimizer": torch.optim.SGD} if optimizer == "sgd" else {}
    weight, bias = decay(params)
    for l1_ratio in (0.0, 0.5):
        weight_after, bias_after = decay(params, alpha=0.5, l1_ratio=l1_ratio)
        # Adam's first step is a tenth of its sign
        gradient = 0.5 * (l1_ratio * weight.sign() + (1 - l1_ratio) * weight)
        step = gradient if optimizer == "sgd" else weight.sign()
        torch.testing.assert_close(weight_after, weight - 0.1 * step, atol=1e-5, rtol=0)
        torch.testing.assert_close(bias_after, bias)


@dataclass
class Rivalled(Fixed):
    """A module stands by that the loss does not train."""

    def build(self, task):
        ae = super().build(task)
        ae.rival = torch.nn.Linear(2, 3)
        torch.nn.init.constant_(ae.rival.weight, 1000.0)
        return ae

    def rivals(self, ae):
        return [ae.rival]


def test_rivals_are_not_penalised_and_do_not_shorten_the_steps_of_others():
    params = {"optimizer": torch.optim.SGD, "gradient_clip_value": 1.0}
    weight, _ = decay(params, code=Rivalled())
    weight_after, _ = decay(params, code=Rivalled(), alpha=0.5)
    # two directions of length 1: a gradient of 0.5 times the root of 2 is not clipped
    torch.testing.assert_close(weight_after[:-6], 0.95 * weight[:-6])
    assert (weight_after[-6:] == 1000).all()


@pytest.mark.parametrize(
    ("n", "size"),
    # a twentieth is 0.5, 5, 48, 90, 100 and 1000: the nearest powers are 1, 4, 64, ...
    [(10, 32), (100, 32), (960, 64), (1800, 64), (2000, 128), (20_000, 512)],
)
def test_batch_sizes_that_are_not_told(n, size):
    drawn = Sample.of(np.arange(n, dtype=float)[:, None], shape=(1,),
                      check=lambda block: None)  # fmt: skip
    assert Task(recipe(Plain(), batch_size="auto"), drawn).train.batch_size == size


def test_components_are_found_in_rows_by_their_weight():
    weight = np.arange(1.0, 12) ** 3
    task = Task(recipe(Plain()), sample(weight=weight, held_out=None)).prepare()
    mean = sample().X.mean(0) - np.average(sample().X, axis=0, weights=weight)
    # they are standardised by their weights: of 10,000 draws the mean is 0
    np.testing.assert_allclose(task.principal.target.mean(0), 0, atol=0.04)
    np.testing.assert_allclose(task.principal.target.var(0), 1, atol=0.06)
    assert np.abs(mean).max() > 0.2


# What is measured


class Error(torch.nn.Module):
    """Squared errors, 0 where a cell is missing."""

    def squared_error(self, params, target):
        return torch.nan_to_num((params - target).square())


class Parts(list):
    """Batches."""

    index = (0, 1, 2)


class Noise:
    """A code that draws 3 for each row, and is its noise."""

    noise_is_of_rows, draws_codes = True, True

    def draw(self, module, n, generator):
        return torch.full((n, 1), 3.0)

    def drawn_params(self, module, x, noise, *known):
        return noise.expand(x.shape)


def net_of(code):
    module = SimpleNamespace(
        likelihood=Error(), code=code, params=lambda x, *known: torch.zeros_like(x)
    )
    return SimpleNamespace(module_=module, device="cpu")


X = torch.tensor([[1.0, 2], [3, torch.nan]]), torch.tensor([[-2.0, 5]])


def test_squared_residuals_by_hand():
    net = net_of(SimpleNamespace(draws_codes=False))
    found, errors = squared_residuals(net, Parts(map(Batch, X)))
    assert errors.tolist() == [1 + 4, 9, 4 + 25]
    # 1 + 9 + 4 and 4 + 25; 3 and 2 cells are there
    assert found.tolist() == [[14, 29], [14, 29], [3, 2]]
    weights = torch.tensor([2.0, 0.5]), torch.tensor([3.0])
    found, errors = squared_residuals(net, Parts(map(Batch, X, weights)))
    assert errors.tolist() == [1 + 4, 9, 4 + 25]
    # 2 * 1 + 0.5 * 9 + 3 * 4 and 2 * 4 + 3 * 25
    assert found.tolist() == [[18.5, 83], [18.5, 83], [5.5, 5]]
    clean = X[0] + 1, X[1]
    found, _ = squared_residuals(net, Parts(map(Batch, X, (None, None), clean)))
    assert found[0].tolist() == [4 + 16 + 4, 9 + 25]


@pytest.mark.parametrize("of_rows", [True, False])
def test_residuals_under_noise_are_means_over_both_signs(of_rows):
    code = Noise()
    code.noise_is_of_rows = of_rows
    found, _ = squared_residuals(net_of(code), Parts(map(Batch, X)))
    # of (3 - x)^2 and (-3 - x)^2 it is 9 + x^2
    assert found[0].tolist() == [14, 29]
    np.testing.assert_allclose(found[1], [14 + 3 * 9, 29 + 2 * 9], rtol=1e-5)


def test_noise_and_explained_variance_of_a_training():
    drawn = sample(60)
    trained = train(recipe(Plain(), max_iter=3), drawn)
    module, X = trained.net.module_, drawn.X
    mean = module.likelihood.restore(
        module.reconstruct(torch.from_numpy(module.likelihood.standardize(X)))
        .detach().numpy()
    )  # fmt: skip
    square = np.square((X - mean) / X.std(0))
    np.testing.assert_allclose(module.likelihood.noise_variance, square.mean(0), rtol=1e-4)
    # standardised, the four columns have a variance of 4 in all
    for share, index in zip(trained.explained, (drawn.train, drawn.valid), strict=True):
        total = 4 * drawn.X[drawn.train].var(0) / X.var(0)  # of the rows that are learnt
        wanted = 1 - square[index].sum(1).mean() / total.mean()
        assert share == pytest.approx(wanted, rel=1e-4)
    assert (trained.n_iter, trained.n_seen) == (3, 60)


@dataclass
class Drawn(Plain):
    """Codes are drawn 2 off those of rows."""

    draws_codes: ClassVar[bool] = True

    def draw(self, ae, n_rows, generator):
        return torch.full((n_rows, 1), 2.0)

    def drawn_params(self, ae, x, noise, *known):
        return ae.decode(ae.encode(x) + noise)


def test_the_noise_of_a_code_is_part_of_a_likelihoods():
    drawn = sample(60)
    module = train(recipe(Drawn(), max_iter=1), drawn).net.module_
    x = torch.from_numpy(module.likelihood.standardize(drawn.X))
    square = (module.reconstruct(x) - x).square().mean(0)
    up = module.decoder.layers[-1].weight[:, 0]
    # of (r + 2 w)^2 and (r - 2 w)^2 it is r^2 + 4 w^2
    expected = (square + 4 * up.square()).detach()
    np.testing.assert_allclose(module.likelihood.noise_variance, expected, rtol=1e-4)


def test_noise_of_passes_is_a_running_mean():
    drawn = sample(40, held_out=None)
    pass_ = recipe(Plain(), one_pass=True, learning_rate=1e-12)
    first = train(pass_, drawn)
    before = first.net.module_.likelihood.noise_variance.copy()
    more = drawn._replace(X=drawn.X[:20] * 3, index=torch.arange(20),
                          train=torch.arange(20))  # fmt: skip
    second = train(pass_, more, first)
    likelihood, module = second.net.module_.likelihood, second.net.module_
    x = torch.from_numpy(likelihood.standardize(more.X))
    now = (module.reconstruct(x) - x).square().mean(0).detach().numpy()
    # 20 new rows beside the 40 of before
    np.testing.assert_allclose(likelihood.noise_variance, (2 * before + now) / 3, rtol=1e-3)
    assert second.n_seen == 60
    recalled = second._replace(n_seen=10**6)  # at most 9 times as many
    before = likelihood.noise_variance.copy()
    third = train(pass_, more, recalled)
    expected = 0.9 * before + 0.1 * now
    np.testing.assert_allclose(
        third.net.module_.likelihood.noise_variance, expected, rtol=1e-3
    )


# Blocks


def test_blocks_are_padded_with_zeros():
    stream = Stream(np.arange(1.0, 11).reshape(5, 2))
    block = stream.block(3)
    assert stream.into(block, slice(0, 3)).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert stream.into(block, slice(3, 5)).tolist() == [[7, 8], [9, 10], [0, 0]]


def test_the_cost_of_a_row():
    network = DenseNetwork((5,), linear_path=False)
    drawn = recipe(Plain())._replace(network=network)
    module = train(drawn, sample()).net.module_
    # 4 to 5 to 1 to 5 to 4, of which an activation puts out 5 again, twice
    cost = row_cost(module, torch.zeros(1, 4))
    assert cost.numbers == 5 + 5 + 1 + 5 + 5 + 4
    # and with biases, each of which is one more weight
    assert cost.multiplications == (20 + 5 + 5 + 20) + (5 + 1 + 5 + 4)


# Signs, at their limits


def is_sign(found):
    return bool(list(found))


def test_limits_of_underfitting_and_overfitting():
    assert not is_sign(signs.underfitting(0.9 * 0.5, 0.5, 2, ""))
    assert is_sign(signs.underfitting(0.9 * 0.5 - 1e-9, 0.5, 2, ""))
    assert not is_sign(signs.overfitting(0.4, 0.0, 0.3, ""))
    assert is_sign(signs.overfitting(0.4 + 1e-9, 0.0, 0.3, ""))
    assert not is_sign(signs.overfitting(0.4 + 1e-9, 0.0, 0.2, ""))
    assert is_sign(signs.overfitting(0.4 + 1e-9, 0.0, 0.2 + 1e-9, ""))
    assert not is_sign(signs.explains_nothing(0.02, ""))
    assert is_sign(signs.explains_nothing(0.02 - 1e-9, ""))


def test_limits_of_divergence():
    assert not is_sign(signs.divergence([3, 1, 2.05], 0.5))  # twice as much, and 0.05
    assert is_sign(signs.divergence([3, 1, 2.051], 0.5))
    assert not is_sign(signs.divergence([3, -1, 0.0], 0.5))  # a nat more
    assert is_sign(signs.divergence([3, -1, 1e-9], 0.5))
    assert not is_sign(signs.divergence([1, 1], -1.0))  # twice the variance
    assert is_sign(signs.divergence([1, 1], -1 - 1e-9))
    assert not is_sign(signs.divergence([0, 1.0], 0.5))


def test_limits_of_collapse():
    assert not is_sign(signs.collapse(np.arange(4) == 0, 0.02, ""))
    assert is_sign(signs.collapse(np.arange(5) == 0, 0.9, ""))
    assert is_sign(signs.collapse(np.ones(4, bool), 0.01, ""))
    (of_one,) = signs.collapse(np.zeros(1, bool), 0.9, "Do")
    assert of_one.endswith("of the rows. Do.")  # and takes no fewer than 1
    assert not is_sign(signs.empty_clusters(2, 4, ""))
    assert is_sign(signs.empty_clusters(1, 4, ""))


def test_limits_of_dead_units():
    def dead(*columns):
        return is_sign(signs.dead_units({"a layer": np.stack(columns, 1)}, "", ""))

    varied, still = np.arange(3.0), np.ones(3)
    assert not dead(varied, still)
    assert dead(varied, still, still)
    # a millionth of the largest spread, or of 1, is none
    faint = np.array([0, 0, 1e-6])
    assert dead(faint, faint, faint)
    assert not dead(varied, 3 * faint)
    assert dead(1e6 * varied, varied, varied)
    assert not is_sign(signs.never_on(np.array([True, False]), ""))
    assert is_sign(signs.never_on(np.array([True, False, True]), ""))


def test_limits_of_an_adversary():
    limit = 0.15**2 + 1 / 100  # so few rows are 0.01 apart by chance
    assert not is_sign(signs.prior_missed(limit, 100, 0.69, ""))
    (found,) = signs.prior_missed(limit + 1e-9, 100, 0.69, "")
    assert found.startswith("Prior missed: codes are 0.18 from")
    assert not is_sign(signs.prior_missed(0.0, 100, 0.1, ""))
    (found,) = signs.prior_missed(0.0, 100, 0.1 - 1e-9, "")
    assert found.startswith("Adversary ahead")
