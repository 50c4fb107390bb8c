"""Traced functions, without what tracing and mapping leave behind."""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from skae._training.runtime import lock_over_forks
from skae._training.usual import usual_torch

_TRACING = lock_over_forks()  # a child that came amid a trace would be in it for good


def traced(fn, *args):
    """Return a function as the operations that it takes for arguments like these.

    torch changes what is the process's while it traces, so one trace is made at a time,
    and modes of the thread, which an interrupt at the wrong moment would leave on: a trace
    has a thread of its own, as interrupts reach the main one.
    """

    def trace():
        with _TRACING, usual_torch(), torch.no_grad():
            return simplified(make_fx(fn)(*args))

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(trace).result()


def simplified(traced):
    """Return a traced function without the operations that mapping leaves behind.

    Shapes that stay as they are and factors of 1 go; a batched product and a sum become
    one operation.
    """
    aten, graph = torch.ops.aten, traced.graph
    reshaping = (aten.expand.default, aten.view.default, aten._unsafe_view.default)

    def shape(node):
        return node.meta["val"].shape

    for node in graph.nodes:
        args = node.args
        same = node.target in reshaping and shape(node) == shape(args[0])
        if same or (node.target is aten.mul.Scalar and args[1] == 1):
            node.replace_all_uses_with(args[0])
    graph.eliminate_dead_code()
    for node in graph.find_nodes(op="call_function", target=aten.add.Tensor):
        for product, bias in (node.args, node.args[::-1]):
            of_nodes = all(isinstance(part, torch.fx.Node) for part in (product, bias))
            if of_nodes and product.target is aten.bmm.default and len(product.users) == 1:
                with graph.inserting_before(node):
                    fused = graph.call_function(aten.baddbmm.default, (bias, *product.args))
                fused.meta = node.meta
                node.replace_all_uses_with(fused)
                break
    graph.eliminate_dead_code()
    traced.recompile()
    return traced
