"""Operations as a flat list: the same numbers as autograd's, nothing run for nothing."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from skae._training.recorded import DIRECT, Record, with_out
from skae._training.tape import Reads, Tape, tensors

aten = torch.ops.aten


def recorded(fn, params, *inputs):
    """Return the record of fn, and the places of its gradients."""
    places = [torch.full_like(p, 7.0) for p in params]
    with Tape() as tape:
        out = fn(*inputs)
        found = [None] * len(params)
        if out.requires_grad:
            found = torch.autograd.grad(out, params, allow_unused=True)
    pairs = list(zip(found, places, strict=True))
    return Record(tape.lines, tensors(inputs), [out], pairs), places


def check(fn, params, first, other, **tolerance):
    """Check that what is recorded of one input says of another what autograd does."""
    record, places = recorded(fn, params, *first)
    with torch.inference_mode():
        (value,) = record.run(*other)
    out = fn(*other)
    wanted = torch.autograd.grad(out, params, allow_unused=True)
    torch.testing.assert_close(value, out.detach(), **tolerance)
    for place, gradient in zip(places, wanted, strict=True):
        zeros = torch.zeros_like(place)
        wanted = zeros if gradient is None else gradient
        torch.testing.assert_close(place, wanted, **tolerance)
    return record


NEAR = {"rtol": 1e-4, "atol": 1e-4}


def leaf(*shape, seed=0):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return values.requires_grad_()


def rows(*shape, seed=1):
    return leaf(*shape, seed=seed).detach()


def test_a_product_s_gradient_is_worked_out_into_its_place():
    w, b, unused = leaf(3, 2), leaf(3), leaf(4)

    def fn(x):
        return F.linear(x, w, b).sum()

    record, (of_w, of_b, of_unused) = recorded(fn, [w, b, unused], torch.ones(5, 2))
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat(3, 1)[:5]
    with torch.inference_mode():
        record.run(x)
    assert of_w.tolist() == [[9.0, 14.0]] * 3  # each row is the sum of x
    assert of_b.tolist() == [5.0] * 3
    assert of_unused.tolist() == [0.0] * 4
    assert not record.changes


CASES = {
    "silu, twice the same": lambda x, w, v: (F.silu(x @ w) * F.silu(x @ w)).mean(),
    "tied": lambda x, w, v: (torch.tanh(x @ w) @ w.t() - x).square().sum(),
    "normalised": lambda x, w, v: F.layer_norm(x @ w, (4,)).exp().mean() + v.sum(),
    "stacked": lambda x, w, v: torch.cat([x @ w, (x @ w) * v], 1).logsumexp(1).sum(),
    "chunks": lambda x, w, v: (lambda a, b: (a * b.exp()).sum())(*(x @ w).chunk(2, 1)),
    "where": lambda x, w, v: torch.where(x @ w > 0, x @ w, 0.1 * v).square().sum(),
    "sorted": lambda x, w, v: (
        (x @ w).topk(2, 1).values.sum() + (x @ w).cumsum(1)[:, 2].sum()
    ),
    "in place": lambda x, w, v: (x @ w).mul(v).add_(1.0).clamp_(min=0.0).pow(2).sum(),
    "filled": lambda x, w, v: (
        torch.zeros(len(x), 4)
        .index_copy(1, torch.tensor([2, 0]), (x @ w)[:, :2])
        .add_(1)
        .square()
        .sum()
    ),
    "constants": lambda x, w, v: ((x @ w) * torch.arange(4.0).softmax(0)).sum() / len(x),
    "by rows": lambda x, w, v: torch.einsum("bi,ij,bk->jk", x, w, x).square().mean(),
    "shared": lambda x, w, v: (
        F.linear(x, w.t(), v).sum() + F.linear(x, w.t(), v).square().sum()
    ),
}


def changed_after(x, w, v):
    y = x * 1
    y.add_(1.0)
    return (y @ w + x.sum()).square().mean() + v.sum()


def changed_between(x, w, v):
    both = x.expand(2, *x.shape)
    ws = w.detach().expand(2, *w.shape).clone()
    product = both.bmm(ws)
    ws.add_(1.0)
    return (product + v).square().sum() + both.bmm(ws).sum() * w.sum()


def scaled(x, w, v):
    product = x.expand(2, *x.shape).bmm(w.expand(2, *w.shape))
    return torch.add(product, v, alpha=0.5).square().sum()


def of_two_dtypes(x, w, v):
    product = x.expand(2, *x.shape).bmm(w.expand(2, *w.shape))
    return (product + v.double()).square().sum().float()


def masked_attention(x, w, v):
    h, mask = (x @ w)[None, None], (x @ x.t()) * 1
    return F.scaled_dot_product_attention(h, h, h, attn_mask=mask).mul(v).sum()


def bits(x, w, v):
    positive = (x @ w.detach()).view(torch.int32) >= 0
    return ((x @ w) * positive).square().sum() + v.sum()


def written(x, w, v):
    h = torch.empty(len(x), 4)
    with torch.no_grad():
        torch.mm(x, w.detach(), out=h)
    return ((x @ w) * h * v).sum()


CASES |= {
    "a product with 1 that is changed": changed_after,
    "a factor that is changed after": changed_between,
    "a term that is scaled": scaled,
    "terms of two dtypes": of_two_dtypes,
    "a mask by its name": masked_attention,
    "seen as another dtype": bits,
    "written into what is given": written,
    "batch normalised": lambda x, w, v: (
        F.batch_norm(x @ w, None, None, v, v, training=True).square().mul(v).sum()
    ),
    "group normalised": lambda x, w, v: (
        F.group_norm((x @ w)[:, :, None], 2, v, v).square().sum()
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("n_rows", [3, 128])
def test_gradients_are_autograd_s(name, n_rows):
    w, v = leaf(3, 4), leaf(4, seed=2)

    def fn(x):
        return CASES[name](x, w, v)

    first, other = (rows(n_rows, 3), rows(n_rows, 3, seed=5))
    check(fn, [w, v], [first], [other], rtol=1e-5, atol=1e-5 * n_rows)


@pytest.mark.parametrize("k", [1, 2, 8, 9, 15, 16])
@pytest.mark.parametrize("n_rows", [32, 256])
def test_narrow_products_are_turned_and_the_same(k, n_rows):
    down, back, bias, out = leaf(k, 64), leaf(64, k), leaf(k, seed=3), leaf(64)

    def fn(x):
        return (F.linear(F.linear(x, down, bias).tanh(), back, out) - x).square().mean()

    params = [down, back, bias, out]
    record = check(fn, params, [rows(n_rows, 64)], [rows(n_rows, 64, seed=5)])
    texts = [line for line in record.text.split("\n") if "copy_(" in line]
    turned = k < 16 and n_rows * 64 >= (4096 if k <= 8 else 16384)
    assert len(texts) == turned  # the gradient of `back` lies the other way


def test_what_is_turned_may_be_viewed_in_any_shape():
    down, back = leaf(4, 64), leaf(64, 4)

    def fn(x):
        z = F.linear(x, down).tanh()
        flat = z.view(-1) * z.exp().view(-1)
        return (flat.view(z.shape) @ back.t()).square().mean() + z.as_strided(
            (4,), (1,)
        ).sum()

    for n_rows in (8, 256):
        check(fn, [down, back], [rows(n_rows, 64)], [rows(n_rows, 64, seed=5)], **NEAR)

    def turned(x):
        z = F.linear(x, down).tanh().view(-1).cumsum(0).view(len(x), 4)
        return (z @ back.t()).square().mean()

    record = check(turned, [down, back], [rows(256, 64)], [rows(256, 64, seed=5)], **NEAR)
    assert torch.reshape in record.bound.values()


def test_nothing_is_computed_that_is_known_or_asked_for_twice():
    w = leaf(3, 3)

    def fn(x):
        x.exp().add(1)  # is run by nobody
        scale = torch.ones(3).cumsum(0).sqrt()
        return (x @ w * scale + x @ w * scale).sum() + 0 * torch.arange(2.0).sum()

    record, _ = recorded(fn, [w], rows(5, 3))
    names = [value for value in record.bound.values() if callable(value)]
    assert torch.mm in names
    assert aten.exp.default not in names
    assert aten.cumsum.default not in names
    lines = record.text.split("\n")
    product = next(name for name, f in record.bound.items() if f is torch.mm)
    assert sum(f" {product}(" in line for line in lines) == 2  # forward and backward


def test_a_view_of_what_is_multiplied_by_1_is_of_the_weight():
    b = leaf(4)

    def fn(x):
        return (x + (b * 1).view(1, 4)).square().sum()

    record, (place,) = recorded(fn, [b], rows(3, 4))
    with torch.no_grad():
        b.add_(1.0)
    x = rows(3, 4, seed=4)
    with torch.inference_mode():
        record.run(x)
    torch.testing.assert_close(place, 2 * (x + b.detach()).sum(0))


def test_views_of_weights_are_looked_up_once_for_all():
    w, v = rows(3, 4), leaf(3)
    record, _ = recorded(lambda x: (x * w.t()[:2] * v).sum(), [v], rows(2, 3))
    called = {f for f in record.bound.values() if callable(f) and not torch.is_tensor(f)}
    assert torch.t not in called
    assert aten.slice.Tensor not in called
    assert torch.mul in called


def test_records_are_alike_if_operations_and_constants_are():
    w = leaf(3)

    def of(fn):
        return recorded(fn, [w], rows(2, 3))[0]

    first = of(lambda x: (x * w * torch.tensor([1.0, 2.0, 3.0])).sum())
    assert first.is_like(of(lambda x: (x * w * torch.tensor([1.0, 2.0, 3.0])).sum()))
    assert not first.is_like(of(lambda x: (x * w * torch.tensor([1.0, 2.0, 4.0])).sum()))
    assert not first.is_like(of(lambda x: (x + w * torch.tensor([1.0, 2.0, 3.0])).sum()))
    assert not of(lambda x: (2 * x * w).sum()).is_like(of(lambda x: (3 * x * w).sum()))


def test_noise_is_the_same_on_what_could_be_turned():
    down = leaf(4, 64)

    def fn(x):
        z = F.linear(x, down)
        return (z * torch.empty_like(z).bernoulli_(0.5) * F.dropout(z, 0.3)).sum()

    record, (place,) = recorded(fn, [down], rows(256, 64))
    other, state = rows(256, 64, seed=5), torch.get_rng_state()
    with torch.inference_mode():
        record.run(other)
    torch.set_rng_state(state)
    (wanted,) = torch.autograd.grad(fn(other), [down])
    torch.testing.assert_close(place, wanted, **NEAR)


ALIASES = {
    "parameter": lambda x: torch.nn.Parameter(x.mean(0), requires_grad=False),
    "subclass": lambda x: (x * 2).as_subclass(torch.nn.Buffer),
}


@pytest.mark.parametrize("name", ALIASES)
def test_memory_seen_by_a_tensor_that_no_line_made_is_noticed(name):
    w = leaf(3)
    record, _ = recorded(lambda x: (ALIASES[name](x) * w).sum(), [w], rows(4, 3))
    assert record.has_alias
    record, _ = recorded(lambda x: ((x * 2).data * w).sum(), [w], rows(4, 3))
    assert not record.has_alias


def test_members_products_take_what_is_added_along():
    w, b = leaf(4, 3, 2), leaf(4, 2, seed=2)

    def fn(x):
        return torch.vmap(lambda x, w, b: F.linear(x, w.t(), b).square().sum())(
            x, w, b
        ).sum()

    record = check(fn, [w, b], [rows(4, 5, 3)], [rows(4, 5, 3, seed=5)])
    assert torch.baddbmm in record.bound.values()


def test_memory_that_was_there_is_changed_at_each_run_alone():
    count, w = torch.zeros(3), leaf(3)

    def fn(x):
        with torch.no_grad():
            count.add_(1.0)
            count[x.sum(0) > 0] = 0
        return (x * w * count).sum()

    up, down = torch.ones(2, 3), -torch.ones(2, 3)
    record, (place,) = recorded(fn, [w], down)
    assert record.changes
    assert count.tolist() == [1.0] * 3
    with torch.inference_mode():
        record.run(down)
        assert place.tolist() == [-4.0] * 3
        record.run(torch.tensor([[1.0, -1.0, 1.0]]).repeat(2, 1))
    assert count.tolist() == [0.0, 3.0, 0.0]
    assert place.tolist() == [0.0, -6.0, 0.0]
    with torch.inference_mode():
        record.run(up)
    assert count.tolist() == [0.0] * 3


def test_random_numbers_are_drawn_anew_and_in_order():
    w, generator = leaf(4), torch.Generator()

    def fn(x):
        first = torch.rand(4, generator=generator)
        torch.rand(2, generator=generator)  # of no use, but others come after it
        mask = torch.empty(len(x), 4).bernoulli_(0.5, generator=generator)
        return (x * mask * w * first).sum()

    generator.manual_seed(0)
    record, (place,) = recorded(fn, [w], rows(6, 4))
    other, drawn = rows(6, 4, seed=5), []
    for seed in (3, 4):
        generator.manual_seed(seed)
        (wanted,) = torch.autograd.grad(fn(other), [w])
        left = generator.get_state()
        generator.manual_seed(seed)
        with torch.inference_mode():
            record.run(other)
        assert torch.equal(place, wanted)
        assert torch.equal(generator.get_state(), left)
        drawn.append(wanted)
    assert not torch.equal(*drawn)


def test_what_is_recorded_leaves_the_weights_where_they_are():
    w = leaf(3, 2)
    record, (place,) = recorded(lambda x: (x @ w).square().sum(), [w], rows(5, 3))
    with torch.no_grad():
        w.mul_(2.0)  # as an optimiser does
    x = rows(5, 3, seed=4)
    with torch.inference_mode():
        (value,) = record.run(x)
    assert float(value) == pytest.approx(float((x @ w.detach()).square().sum()), rel=1e-6)
    torch.testing.assert_close(place, 2 * x.t() @ (x @ w.detach()))


READING = {
    "if": lambda x: x if x.sum() > 0 else -x,
    "float": lambda x: x * float(x.sum()),
    "item": lambda x: x * x[0, 0].item(),
    "numpy": lambda x: x * x.detach().numpy().max(),
    "tolist": lambda x: x * x.tolist()[0][0],
    "asarray": lambda x: x * float(np.asarray(x).sum()),
    "nonzero": lambda x: x[x[:, 0].nonzero()[:, 0]],
    "mask": lambda x: x[x[:, 0] > 0],
    "unique": lambda x: x * len(x.unique()),
    "equal": lambda x: x if torch.equal(x, -x) else 2 * x,
    "in": lambda x: x if 3.0 in x else 2 * x,
    "tensor": lambda x: x * torch.tensor([x.mean(), 1.0, 2.0]),
    "new_tensor": lambda x: x * x.new_tensor([x.mean(), 1.0, 2.0]),
    "set_": lambda x: torch.zeros(4, 3).set_(x + 1),
}


@pytest.mark.parametrize("name", READING)
def test_numbers_that_are_read_are_noticed(name):
    with Reads() as reads, Tape() as tape:
        READING[name](rows(4, 3))
    assert tape.has_read or reads.has_read


def test_functions_of_shapes_alone_read_nothing():
    with Reads() as reads, Tape() as tape:
        x = rows(4, 3)
        (x.view(-1) if len(x) > 3 else x).sum() + x.shape[0] + x.numel()
    assert not tape.has_read
    assert not reads.has_read


def test_operations_that_can_write_into_a_place_are_found_by_their_arguments():
    assert with_out(aten.mm.default) is aten.mm.out
    assert with_out(aten.sum.dim_IntList) is aten.sum.IntList_out
    assert with_out(aten.add.Tensor) is aten.add.out
    assert (
        with_out(aten.t.default) is None
        or with_out(aten.t.default)._schema.name == "aten::t"
    )


def test_quicker_functions_are_of_the_same_name():
    assert all(getattr(torch, name.split("::")[1]) is f for name, f in DIRECT.items())
