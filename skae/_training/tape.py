"""The operations that are run while a tape is on.

They must be the same whatever the numbers are: where any is read out of a tensor, as a
branch on it does, that is noticed.
"""

import functools
from typing import NamedTuple

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
SAME = {"aten::detach", "aten::alias", "aten::lift_fresh"}  # return what they are given
SHAPED = {"aten::view", "aten::expand", "aten::_unsafe_view"}
TURNS = aten.t.default, aten.transpose.int
READERS = {
    "numpy", "tolist", "item", "data_ptr", "untyped_storage", "__array__", "__bool__",
    "__float__", "__int__", "__index__", "__complex__", "__contains__", "__dlpack__",
    "tensor_split", "__set__",  # the latter of `data`
}  # fmt: skip
MAKERS = {"tensor", "as_tensor", "asarray", "new_tensor", "sparse_coo_tensor"}
MOST_BYTES = 2**26  # of what is noted; steps of larger tensors are no slower by autograd
DECIDES = {
    torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape,
    torch.Tag.inplace_view,  # as `set_`, which lets a tensor lie elsewhere
}  # fmt: skip
LENGTHS = {"aten::_pack_padded_sequence", "aten::segment_reduce"}  # read by no operation
BLIND = {  # give the same however what they are given lies in memory; pointwise ones, too
    "aten::sum", "aten::mean", "aten::amax", "aten::amin", "aten::max", "aten::min",
    "aten::any", "aten::all", "aten::argmax", "aten::argmin", "aten::cat", "aten::stack",
    "aten::gather", "aten::scatter", "aten::topk", "aten::index", "aten::logsumexp",
    "aten::_softmax", "aten::_softmax_backward_data", "aten::_log_softmax",
    "aten::_log_softmax_backward_data", "aten::native_layer_norm",
    "aten::native_layer_norm_backward", "aten::mse_loss", "aten::mse_loss_backward",
    "aten::huber_loss", "aten::huber_loss_backward", "aten::_to_copy",
    "aten::binary_cross_entropy_with_logits", "aten::constant_pad_nd",
    "aten::linalg_vector_norm", "aten::zeros_like", "aten::ones_like", "aten::full_like",
    "aten::empty_like", "aten::new_zeros", "aten::select_backward", "aten::slice_backward",
}  # fmt: skip


class Line(NamedTuple):
    """An operation, what it is given, and what it returned when it was recorded."""

    op: object
    args: list
    kwargs: dict
    out: object

    @property
    def name(self):
        """The operation's name, without that of its kind of arguments."""
        return _traits(self.op)[0]

    @property
    def decides(self):
        """Whether something else than numbers of a tensor depends on those it is given."""
        if self.op is aten.index.Tensor:  # by places, or by a mask
            masks = torch.bool, torch.uint8
            return any(index.dtype in masks for index in tensors(self.args[1]))
        return self.name in LENGTHS or not DECIDES.isdisjoint(self.op.tags)

    @property
    def draws(self):
        """Whether it draws random numbers."""
        return _traits(self.op)[1]

    @property
    def tells_strides(self):
        """Whether it is told how its argument lies in memory."""
        return self.name in ("aten::as_strided", "aten::_reshape_alias")

    @property
    def heeds_layout(self):
        """Whether what it returns may depend on how its arguments lie in memory."""
        is_blind = self.is_view or self.name in BLIND or torch.Tag.pointwise in self.op.tags
        return self.draws or not is_blind

    @property
    def is_view(self):
        """Whether it returns memory that it was given."""
        return _traits(self.op)[2]

    @property
    def changes(self):
        """Whether it changes something in place, which is then what it returns."""
        return _traits(self.op)[3]

    def given(self):
        """Return the tensors that it is given."""
        return tensors(self.args) + tensors(self.kwargs)

    def changed(self):
        """Yield the tensors that it changes in place."""
        if self.changes:
            kinds = self.op._schema.arguments
            more = (self.kwargs.get(kind.name) for kind in kinds[len(self.args) :])
            for kind, value in zip(kinds, [*self.args, *more], strict=True):
                if kind.alias_info is not None and kind.alias_info.is_write:
                    yield from tensors(value)

    def twin(self, by, restless):
        """Return the tensor that its output is the same as, or None; `by`: made by which.

        That of what is transposed twice, of a view of the same shape, of a product with 1
        whose memory is not among those that are changed.
        """
        first, out = self.args[0] if self.args else None, self.out
        if not (torch.is_tensor(first) and torch.is_tensor(out)):
            return None
        alike = first.shape == out.shape and first.stride() == out.stride()
        alike = alike and first.dtype == out.dtype
        if self.name in SAME or (self.name in SHAPED and alike):
            return first
        by_one = self.name == "aten::mul" and not torch.is_tensor(self.args[1])
        if by_one and self.args[1] == 1 and alike:
            stays = restless.isdisjoint(map(memory_of, (first, out)))
            return first if stays else None
        before = by.get(id(first))
        if self.op in TURNS and before is not None and before.op is self.op:
            return before.args[0] if before.args[1:] == self.args[1:] else None
        return None

    def undone(self, place):
        """Return a place seen as what this view was made of, or None."""
        if self.op in TURNS:
            return self.op(place, *self.args[1:])
        if self.name in SHAPED and self.out.numel() == self.args[0].numel():
            return place.view(self.args[0].shape) if place.is_contiguous() else None
        return None


@functools.cache
def _traits(op):
    """Return an operation's name, and whether it draws, gives a view, changes memory."""
    schema = op._schema
    draws = torch.Tag.nondeterministic_seeded in op.tags
    is_view = any(r.alias_info is not None for r in schema.returns)
    return schema.name, draws, is_view and not schema.is_mutable, schema.is_mutable


class Tape(TorchDispatchMode):
    """Notes the operations that are run, and whether a number was read.

    What is noted stays in memory: where it is too large, nothing is noted any more.
    """

    def __init__(self):
        super().__init__()
        self.lines, self.has_read, self.n_bytes = [], False, 0

    @property
    def is_full(self):
        """Whether more was to be noted than it holds."""
        return self.n_bytes > MOST_BYTES

    def stop(self):
        """Note nothing any more, also if an interrupt has left the mode on."""
        self.lines, self.n_bytes = [], MOST_BYTES + 1

    @classmethod
    def _should_skip_dynamo(cls):  # otherwise torch imports its compiler
        return False

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = op(*args, **kwargs)
        if self.is_full:
            return out
        line = Line(op, list(args), kwargs, out)
        self.has_read |= line.decides
        self.lines.append(line)
        if not (line.is_view or line.changes):
            self.n_bytes += sum(t.nbytes for t in tensors(out))
            if self.is_full:
                self.stop()
        return out


class Reads(TorchFunctionMode):
    """Notes whether a number is read in a way that is no operation, as `numpy` is."""

    has_read = False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        self.has_read |= name in READERS or (name in MAKERS and _is_built(name, args))
        return func(*args, **(kwargs or {}))


def _is_built(name, args):
    """Tell whether a tensor is built of others' numbers, which is no operation."""
    given = args[1:] if name == "new_tensor" else args
    return bool(tensors(given)) and not (name == "as_tensor" and torch.is_tensor(given[0]))


def tensors(value):
    """Return the tensors in nested tuples, lists and values of dicts."""
    if isinstance(value, torch.Tensor):
        return [value]
    found = []
    if isinstance(value, tuple | list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            if isinstance(part, torch.Tensor):
                found.append(part)
            elif isinstance(part, tuple | list | dict):
                found += tensors(part)
    return found


def memory_of(tensor):
    """Return what tells a tensor's memory from that of others alive."""
    return tensor.untyped_storage().data_ptr()
