"""torch as it is by default, whatever has been set for other work.

Its default dtype is the process's, so it is not set here, where other threads would see
it: what is made within gets its dtype by a mode of this thread. So does the device.
"""

import functools
import inspect
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if
from torch.overrides import TorchFunctionMode

FLOATS = {  # made of floats, unless a dtype says otherwise
    torch.empty, torch.empty_strided, torch.zeros, torch.ones, torch.eye, torch.rand,
    torch.randn, torch.linspace, torch.logspace,
}  # fmt: skip
NUMBERS = {torch.tensor, torch.as_tensor, torch.scalar_tensor, torch.full, torch.arange}
DIVISIONS = {"div", "__truediv__", "__rtruediv__", "true_divide"}  # of integers: floats
ARITHMETIC = {"add", "sub", "rsub", "mul", "pow"}  # floats, if one is
ARITHMETIC |= {f"__{r}{name}__" for r in ("", "r") for name in ("add", "sub", "mul", "pow")}
DEVICES = "cpu", "cuda", "mps", "xpu"
CONDITIONAL = type(available_if(bool)(bool))


class _Float32(TorchFunctionMode):
    """Makes float32 of Python's floats, of integers divided, and of what has no dtype."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        has_floats = _has_floats((*args, *kwargs.values()))
        if func in FLOATS or (func in NUMBERS and has_floats):
            if kwargs.get("dtype") is None and kwargs.get("out") is None:
                kwargs["dtype"] = torch.float32
        elif name in DIVISIONS or (name in ARITHMETIC and has_floats):
            tensors = [arg for arg in args if torch.is_tensor(arg)]
            if not any(t.is_floating_point() or t.is_complex() for t in tensors):
                args = [arg.float() if torch.is_tensor(arg) else arg for arg in args]
        elif func is torch.where and all(type(arg) is float for arg in args[1:]):
            place = {"dtype": torch.float32, "device": args[0].device}
            args = [args[0], *(torch.tensor(value, **place) for value in args[1:])]
        return func(*args, **kwargs)


def _has_floats(values):
    """Tell whether a float of Python's own is among values, or in a list of them."""
    return any(
        type(value) is float or (type(value) in (list, tuple) and _has_floats(value))
        for value in values
    )


@contextmanager
def usual_torch():
    """Find torch, and NumPy's errors, as they are by default; leave them as they were.

    No default dtype or device, no autocast and no gradient mode of the caller's plays a
    part, nor do errors that NumPy is asked to raise.
    """
    with np.errstate(all="warn", under="ignore"):
        if changes := list(_changes()):
            with ExitStack() as stack:
                for change in changes:
                    stack.enter_context(change)
                yield
        else:
            yield


def _changes():
    """Yield what makes torch as it is by default, where it is not."""
    if torch.is_inference_mode_enabled():
        yield torch.inference_mode(False)
    if not torch.is_grad_enabled():
        yield torch.enable_grad()
    if torch.get_default_dtype() is not torch.float32:
        yield _Float32()
    if torch.get_default_device().type != "cpu":
        yield torch.device("cpu")
    for kind in DEVICES:
        if torch.is_autocast_enabled(kind):
            yield torch.autocast(kind, enabled=False)


class Apart:
    """An object whose public methods are called with torch as it is by default."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name, method in list(vars(cls).items()):
            if name[0] != "_" and inspect.isfunction(method):
                setattr(cls, name, _apart(method))
            elif isinstance(method, CONDITIONAL):
                method.fn = _apart(method.fn)


def _apart(method):
    """Return a method that is called with torch as it is by default."""

    @functools.wraps(method)
    def called(*args, **kwargs):
        with usual_torch():
            return method(*args, **kwargs)

    return called
