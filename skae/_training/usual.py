"""torch as it is by default, whatever has been set for other work.

Its default dtype is the process's, so it is not set here, where other threads would see
it: what is made within gets its dtype by a mode of this thread. So does the device.
"""

import functools
import inspect
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

FLOATS = {  # made of floats, unless a dtype says otherwise
    torch.empty, torch.empty_strided, torch.zeros, torch.ones, torch.eye, torch.rand,
    torch.randn, torch.linspace, torch.logspace,
}  # fmt: skip
NUMBERS = {torch.tensor, torch.as_tensor, torch.scalar_tensor, torch.full, torch.arange}
DEVICES = "cpu", "cuda", "mps", "xpu"


class _Float32(TorchFunctionMode):
    """Makes float32 of Python's floats and of what has no dtype, as torch does."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in FLOATS or (func in NUMBERS and _has_floats((*args, *kwargs.values()))):
            if kwargs.get("dtype") is None and kwargs.get("out") is None:
                kwargs["dtype"] = torch.float32
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
    with ExitStack() as stack:
        enter = stack.enter_context
        enter(torch.inference_mode(False))
        enter(torch.enable_grad())
        enter(np.errstate(all="warn", under="ignore"))
        if torch.get_default_dtype() is not torch.float32:
            enter(_Float32())
        if torch.get_default_device().type != "cpu":
            enter(torch.device("cpu"))
        for kind in DEVICES:
            if torch.is_autocast_enabled(kind):
                enter(torch.autocast(kind, enabled=False))
        yield


class Apart:
    """An object whose public methods are called with torch as it is by default."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name, method in list(vars(cls).items()):
            if name[0] != "_" and inspect.isfunction(method):
                setattr(cls, name, _apart(method))


def _apart(method):
    """Return a method that is called with torch as it is by default."""

    @functools.wraps(method)
    def called(*args, **kwargs):
        with usual_torch():
            return method(*args, **kwargs)

    return called
