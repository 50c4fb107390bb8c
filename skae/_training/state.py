"""Modules and tensors as plain arrays and descriptions, and back.

So that a file of a fitted estimator holds no bytes that would have to be unpickled.
"""

import warnings
from typing import NamedTuple

import numpy as np
import torch
from torch import nn


class Plain(NamedTuple):
    """A tensor."""

    array: np.ndarray
    trained: bool  # whether it is a parameter that asks for its gradient
    stride: tuple  # of its memory


class Described(NamedTuple):
    """A module: its class, what it holds, and where its parts are among all of them."""

    kind: type
    attributes: dict
    parameters: dict  # places among the tensors, by name; None where there is none
    buffers: dict
    modules: dict  # places among the modules


def plain(value):
    """Return a value with arrays in place of all tensors in it."""
    if torch.is_tensor(value):
        array = value.detach().cpu().contiguous().numpy()
        return Plain(array, value.requires_grad, torch.empty_like(value).stride())
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    return value


def tensors_of(value):
    """Return a value with tensors in place of what `plain` made of them."""
    if isinstance(value, Plain):
        array = torch.from_numpy(value.array)
        tensor = torch.empty_strided(
            array.shape, value.stride, dtype=array.dtype, device="cpu"
        )
        return tensor.copy_(array).requires_grad_(value.trained)
    if isinstance(value, dict):
        return {key: tensors_of(v) for key, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(tensors_of, value))
    return value


def is_plain(module):
    """Tell whether a module holds nothing but what `plain_module` describes.

    That is so of skae's layers and torch's own, as long as nobody has hooked anything into
    them.
    """
    hooks = [name for name in vars(nn.Module()) if "hooks" in name]
    return all(
        type(m).__module__.startswith(("skae.", "torch.nn.modules."))
        and not isinstance(m, nn.RNNBase)  # which holds references to its own weights
        and not any(vars(m)[name] for name in (*hooks, "_non_persistent_buffers_set"))
        for m in module.modules()
    )


def has_hooks(module):
    """Tell whether anything is called whenever a module's parts, or gradients, are."""
    hooks = [name for name in vars(nn.Module()) if name.endswith("ward_hooks")]
    hooks += [name.replace("_hooks", "_pre_hooks") for name in hooks]
    if any(vars(m).get(name) for m in module.modules() for name in hooks):
        return True
    return any(getattr(p, "_post_accumulate_grad_hooks", 0) for p in module.parameters())


def has_statistics(module):
    """Tell whether a module's parts keep running statistics of the rows."""
    return any(getattr(m, "track_running_stats", False) for m in module.modules())


def plain_module(module):
    """Return a module as a dict of descriptions and arrays, what is shared once."""
    modules, tensors = list(module.modules()), {}
    for m in modules:
        for t in (*m.parameters(recurse=False), *m.buffers(recurse=False)):
            tensors.setdefault(id(t), t)
    place = {id(m): i for i, m in enumerate(modules)}
    at = {key: i for i, key in enumerate(tensors)}
    usual = vars(nn.Module()).keys() | {"_compiled_call_impl"}
    usual -= {"training"}

    def places(module, kind, where):
        parts = vars(module)[f"_{kind}"].items()
        return {name: None if p is None else where[id(p)] for name, p in parts}

    return {
        "tensors": [plain(t) for t in tensors.values()],
        "modules": [
            Described(
                type(m),
                {k: plain(v) for k, v in vars(m).items() if k not in usual},
                places(m, "parameters", at),
                places(m, "buffers", at),
                places(m, "modules", place),
            )
            for m in modules
        ],
    }


def module_of(state):
    """Return the module that `plain_module` described."""
    tensors = [tensors_of(t) for t in state["tensors"]]
    modules = []
    for described in state["modules"]:
        module = described.kind.__new__(described.kind)
        nn.Module.__init__(module)
        vars(module).update(tensors_of(described.attributes))
        modules.append(module)
    for module, described in zip(modules, state["modules"], strict=True):
        for name, i in described.parameters.items():
            if i is not None and not isinstance(tensors[i], nn.Parameter):
                tensors[i] = nn.Parameter(tensors[i], tensors[i].requires_grad)
            module.register_parameter(name, None if i is None else tensors[i])
        for name, i in described.buffers.items():
            module.register_buffer(name, None if i is None else tensors[i])
        for name, i in described.modules.items():
            module.register_module(name, None if i is None else modules[i])
    return modules[0]


def plain_net(attributes):
    """Return a net's attributes with its module and optimisers as plain arrays."""
    state = dict(attributes)
    state["module_"] = plain_module(state["module_"])
    for name in state["_optimizers"]:
        state[f"{name}_"] = plain(state[f"{name}_"].state_dict())
    return state


def net_of(state):
    """Return a net's attributes, and the states of its optimisers by name."""
    names = [f"{name}_" for name in state["_optimizers"]]
    optimizers = {name: tensors_of(state[name]) for name in names}
    device = _device_here(state["device"])
    module = module_of(state["module_"]).to(device)
    return state | {"module_": module, "device": device}, optimizers


def _device_here(device):
    """Return a saved net's device, or the CPU where it is not here, with a warning."""
    if torch.device(device).type != "cuda" or torch.cuda.is_available():
        return device
    warnings.warn(
        f"The net was trained on {device}, which is not here, and is loaded to the CPU.",
        stacklevel=4,
    )
    return "cpu"
