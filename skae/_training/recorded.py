"""A function and its gradient as the flat list of operations that they take.

Run without autograd, that takes half the time where tensors are small, and gives the same
numbers but for rounding.
"""

import functools
import math
from collections import Counter

import torch

from skae._training.tape import TURNS, Line, aten, memory_of, tensors

BLANK = {  # of a tensor they see no more than its shape
    "aten::zeros_like", "aten::ones_like", "aten::full_like", "aten::empty_like",
    "aten::new_zeros", "aten::new_ones", "aten::new_full", "aten::new_empty",
}  # fmt: skip
DIRECT = {  # functions of torch's that do what their operations do, and are quicker
    f"aten::{function.__name__}": function
    for function in (
        torch.mm, torch.addmm, torch.bmm, torch.baddbmm, torch.add, torch.sub, torch.mul,
        torch.div, torch.neg, torch.t, torch.transpose, torch.sum, torch.exp, torch.log,
        torch.sqrt, torch.sigmoid, torch.tanh, torch.relu, torch.where, torch.cat,
    )
}  # fmt: skip
PRODUCTS = {
    aten.mm.default, aten.addmm.default, aten.bmm.default, aten.baddbmm.default,
}  # fmt: skip
NARROW, LARGE = 16, 4096  # columns of a product; numbers of its other factor


class Record:
    """Operations between inputs and outputs, as a function `run` of the inputs.

    Parameters
    ----------
    lines : list of Line
        Whose outputs are alive.
    inputs : list of Tensor
        That differ from run to run. What else no line has made, weights and buffers,
        is read where it is.
    outputs : list of Tensor
        What `run` returns.
    gradients : list of (Tensor or None, Tensor), default=()
        Each to be written into a place at a run; None is zero.

    Attributes
    ----------
    text : str
        The function's text.
    bound : dict
        What its text names.
    changes : bool
        Whether it changes memory that was there before, but for the gradients' places.
    has_alias : bool
        Whether memory that it makes is seen by tensors that no line has made, so that it
        does not say all.
    """

    def __init__(self, lines, inputs, outputs, gradients=()):
        self.same = {}  # what a tensor is the same as, by id
        self.by = {}  # the line that made a tensor, by id
        self.known = set()  # ids of tensors that are the same at each run
        self.narrow = set()  # ids of products that are computed transposed
        self.inputs = {id(x) for x in inputs}
        made = {id(t) for li in lines if not li.changes for t in tensors(li.out)}
        self.moving = made | self.inputs  # ids of what is not in its place for good
        given = {id(t): memory_of(t) for line in lines for t in line.given()}
        new = set(map(memory_of, inputs))
        for line in lines:
            if not (line.changes or line.is_view):
                new |= {memory_of(t) for t in tensors(line.out)} - {
                    given.get(id(t)) for t in line.given()
                }
        self.has_alias = any(m in new for i, m in given.items() if i not in self.moving)
        self.restless = {memory_of(t) for line in lines for t in line.changed()}
        here = {memory_of(t) for li in lines for t in li.given() if id(t) not in made}
        self.lasting = self.restless & here
        self.changes = bool(self.lasting)
        kept = self._simplified(lines)
        outputs = self._of(outputs)
        gradients = [(self._of(g), place) for g, place in gradients]
        kept = self._fused(kept, [outputs, [g for g, _ in gradients]])
        kept = self._turned(kept)
        kept, copies = self._placed(kept, gradients)
        kept = self._needed(kept, [outputs, [g for g, _ in copies]])
        self._write(kept, inputs, outputs, copies)
        del self.same, self.by  # and with them what was made

    def is_like(self, other):
        """Tell whether another record is the same, of other inputs."""
        if self.text != other.text or self.bound.keys() != other.bound.keys():
            return False
        pairs = [(self.bound[name], other.bound[name]) for name in self.bound]
        return all(
            (torch.is_tensor(b) and a.shape == b.shape and torch.equal(a, b))
            if torch.is_tensor(a)
            else a is b or a == b
            for a, b in pairs
        )

    def _of(self, value):
        """Return a value with what tensors are the same as in place of them."""
        if torch.is_tensor(value):
            while id(value) in self.same:
                value = self.same[id(value)]
            return value
        if isinstance(value, tuple | list):
            return [self._of(part) for part in value]
        return value

    def _moves(self, line):
        """Tell whether lines change memory that a line sees or makes."""
        return any(memory_of(t) in self.restless for t in line.given() + tensors(line.out))

    def _simplified(self, lines):
        """Return the lines that have to be run: no known ones, and none twice."""
        kept, runs = [], {}
        for line in lines:
            kwargs = {name: self._of(value) for name, value in line.kwargs.items()}
            line = line._replace(args=self._of(line.args), kwargs=kwargs)
            given, made = line.given(), tensors(line.out)
            twin = line.twin(self.by, self.restless)
            if twin is not None:
                if twin is not line.out:  # which `lift_fresh` returns itself
                    self.same[id(line.out)] = twin
                continue
            if line.is_view and all(id(t) not in self.moving for t in given):
                # of memory that stays in its place, which may not be what was seen
                there = tensors(line.op(*line.args, **line.kwargs))
                self.same |= {id(t): view for t, view in zip(made, there, strict=True)}
                continue
            self.by |= {id(t): line for t in made}
            if not (line.draws or self._moves(line)):
                key = line.op, _key(line.args), _key(sorted(line.kwargs.items()))
                if key in runs:
                    pairs = zip(made, tensors(runs[key]), strict=True)
                    self.same |= {id(t): first for t, first in pairs}
                    continue
                runs[key] = line.out
                if line.name in BLANK or all(id(t) in self.known for t in given):
                    self.known |= {id(t) for t in made}
                    continue
            kept.append(line)
        return kept

    def _fused(self, kept, wanted):
        """Return lines with batched products and what is added to them as one."""
        uses = Counter(id(t) for line in kept for t in line.given())
        uses.update(id(t) for t in tensors(wanted))
        gone, fused = set(), []
        for line in kept:
            plain = line.op is aten.add.Tensor and not line.kwargs  # which may hold alpha
            terms = list(line.args) if plain else []
            for product, bias in (terms, terms[::-1]) if len(terms) == 2 else ():
                by = self.by.get(id(product)) if torch.is_tensor(product) else None
                is_product = by is not None and by.op is aten.bmm.default
                if not (is_product and torch.is_tensor(bias)) or self._moves(line):
                    continue
                if self._moves(by) or not product.dtype == bias.dtype == line.out.dtype:
                    continue
                if uses[id(product)] == 1 and product.shape == line.out.shape:
                    gone.add(id(product))
                    line = Line(aten.baddbmm.default, [bias, *by.args], {}, line.out)
                    self.by[id(line.out)] = line
                    break
            fused.append(line)
        return [li for li in fused if not (torch.is_tensor(li.out) and id(li.out) in gone)]

    def _turned(self, kept):
        """Return lines with narrow products computed as what they are transposed.

        (a b)' = b' a': a result of few rows takes a third of the time of few columns.
        """
        if any(line.tells_strides or (line.is_view and self._moves(line)) for line in kept):
            return kept
        turned, turns = [], self._turnable(kept)
        for line in kept:
            if not (torch.is_tensor(line.out) and id(line.out) in turns):
                turned.append(line)
                continue
            *bias, a, b = line.args
            pair = [self._transposed(t, turned) for t in (b, a)]
            bias = [t[:, None] if t.ndim == 1 else t.mT for t in bias]
            product = line.out.mT.clone(memory_format=torch.contiguous_format)
            self.by[id(product)] = Line(line.op, [*bias, *pair], {}, product)
            self.by[id(line.out)] = Line(
                aten.transpose.int, [product, -2, -1], {}, line.out
            )
            turned += [self.by[id(product)], self.by[id(line.out)]]
            self.moving.add(id(product))
            self.narrow.add(id(product))
        return turned

    def _turnable(self, kept):
        """Return the ids of narrow products whose layout no other line heeds."""
        sources, heeded = {}, set()  # the products whose layout a tensor has, by id
        for line in kept:
            if line.op in PRODUCTS:
                *bias, a, b = line.args
                stays = all(id(t) not in self.moving for t in bias)  # and is not computed
                stays = stays and not line.kwargs and not self._moves(line)
                if stays and _is_narrow(a, b):
                    sources[id(line.out)] = {id(line.out)}
                continue
            of = [sources[id(t)] for t in line.given() if id(t) in sources]
            if of and line.heeds_layout:
                heeded.update(*of)
            elif of:
                of = set().union(*of)
                sources |= {id(t): of for t in tensors(line.out) if t.ndim > 1}
        return {i for i, of in sources.items() if of == {i}} - heeded

    def _transposed(self, t, lines):
        """Return a matrix transposed; if need be by one more of the lines."""
        by = self.by.get(id(t))
        if by is not None and by.op in TURNS:
            axes = {axis % t.ndim for axis in by.args[1:]} or {0, 1}
            if axes == {t.ndim - 2, t.ndim - 1}:
                return by.args[0]
        view = t.mT
        if id(t) in self.moving:
            self.moving.add(id(view))
            self.by[id(view)] = Line(aten.transpose.int, [t, -2, -1], {}, view)
            lines.append(self.by[id(view)])
        return view

    def _placed(self, kept, gradients):
        """Return lines that write gradients into their places, and what is to be copied."""
        into, copies = {}, []
        for gradient, place in gradients:
            source, there = gradient, place
            line = None if source is None else self.by.get(id(source))
            while line is not None and line.is_view:  # the place is seen the same way
                back = line.undone(there)
                if back is None:
                    break
                source, there = line.args[0], back
                line = self.by.get(id(source))
            if line is None or id(source) in into or not self._fits(line, there):
                copies.append((gradient, place))
            else:
                into[id(source)] = there
        placed = []
        for line in kept:
            there = into.get(id(line.out)) if torch.is_tensor(line.out) else None
            if there is not None:
                kwargs = {**line.kwargs, "out": there}
                line = line._replace(op=with_out(line.op), kwargs=kwargs)
            placed.append(line)
        self.at_once = set(into)
        return placed, copies

    def _fits(self, line, place):
        """Tell whether a line's operation can write into a place."""
        out = line.out
        if not torch.is_tensor(out) or id(out) in self.known or self._moves(line):
            return False
        if id(out) in self.narrow:  # in a place that is transposed it would not be
            return False
        same = out.shape == place.shape and out.dtype == place.dtype
        return same and not line.is_view and with_out(line.op) is not None

    def _needed(self, kept, wanted):
        """Return the lines that matter for what is wanted, or change what lasts."""
        need = {id(t) for t in tensors(wanted)} | self.at_once
        memory, needed = self.lasting | {memory_of(t) for t in tensors(wanted)}, []
        for line in reversed(kept):
            made = {id(t) for t in tensors(line.out)}
            writes = {memory_of(t) for t in line.changed()}
            if line.draws or made & need or writes & memory & self.restless:
                needed.append(line)
                need |= {id(t) for t in line.given()}
                memory |= {memory_of(t) for t in line.given()}
        return needed[::-1]

    def _write(self, kept, inputs, outputs, copies):
        """Write the function."""
        names = {id(x): f"x{i}" for i, x in enumerate(inputs)}
        self.bound, body = {"zero_": torch.Tensor.zero_, "copy_": torch.Tensor.copy_}, []
        bound_names = {}

        def text(value):
            if torch.is_tensor(value) and id(value) in names:
                return names[id(value)]
            if isinstance(value, list):
                return f"[{', '.join(map(text, value))}]"
            if isinstance(value, tuple):
                return f"({''.join(text(part) + ', ' for part in value)})"
            plain = type(value) in (int, bool, str) or value is None
            if plain or (type(value) is float and math.isfinite(value)):
                return repr(value)
            if id(value) not in bound_names:
                bound_names[id(value)] = name = f"k{len(bound_names)}"
                self.bound[name] = value
            return bound_names[id(value)]

        def target(out, used):
            if isinstance(out, tuple | list):
                return f"({''.join(target(part, used) + ', ' for part in out)})"
            return names.setdefault(id(out), f"v{len(names)}") if id(out) in used else "_"

        last = {}
        for i, line in enumerate(kept):
            last |= {id(t): i for t in line.given()}
        stays = {id(t) for t in tensors([outputs, [g for g, _ in copies]])} | self.inputs
        for i, line in enumerate(kept):
            given = [text(a) for a in line.args]
            given += [f"{name}={text(value)}" for name, value in line.kwargs.items()]
            call = f"{text(function_of(line.op))}({', '.join(given)})"
            used = {id(t) for t in tensors(line.out)}
            used = {j for j in used if last.get(j, -1) > i or j in stays}
            if used:
                call = f"{target(line.out, used)} = {call}"
            gone = {
                names[id(t)] for t in line.given() if last[id(t)] == i and id(t) in names
            }
            gone -= {names[j] for j in stays if j in names}
            body += [call, *[f"del {', '.join(sorted(gone))}"] * bool(gone)]
        for gradient, place in copies:
            if gradient is None:
                body.append(f"zero_({text(place)})")
            else:
                body.append(f"copy_({text(place)}, {text(gradient)})")
        returned = "".join(text(o) + ", " for o in outputs)
        given = ", ".join(f"x{i}" for i in range(len(inputs)))
        body.append(f"return ({returned})")
        self.text = f"def run({given}):\n    " + "\n    ".join(body) + "\n"
        exec(self.text, self.bound)  # only what was recorded above
        self.run = self.bound.pop("run")
        del self.bound["__builtins__"]


def _is_narrow(a, b):
    """Tell whether a product (m, n) of matrices is quicker as (n, m)."""
    n = b.shape[-1]
    return n < NARROW and a.numel() >= (LARGE if n <= NARROW // 2 else 4 * LARGE)


def _key(value):
    """Return what tells values apart by which tensors they hold."""
    if torch.is_tensor(value):
        return id(value), "tensor"
    if isinstance(value, tuple | list):
        return tuple(map(_key, value))
    return type(value), repr(value)


@functools.cache
def with_out(op):
    """Return the operation that writes what another one returns into `out`, or None."""
    wanted = [(a.name, str(a.type)) for a in op._schema.arguments]
    for overload in op.overloadpacket.overloads():
        other = getattr(op.overloadpacket, overload)
        *first, last = other._schema.arguments or [None]
        if last is not None and last.is_out and last.name == "out":
            if [(a.name, str(a.type)) for a in first] == wanted:
                return other
    return None


def function_of(op):
    """Return the quickest function that does what an operation does."""
    if op in (aten.view.default, aten._unsafe_view.default):
        return torch.reshape  # as what was contiguous may be transposed now
    return DIRECT.get(op._schema.name, op)
