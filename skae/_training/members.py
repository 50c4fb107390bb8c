"""Many trained at once: members of an ensemble as one batched model.

Each member has its own start, rows, noise, learning rate, best epoch and end: it
becomes what its own `fit` would have made of it, to rounding. M is the number of
members, n of the numbers in the widest one's weights.
"""

import re
import time

import torch
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from skae._codes.base import AutoencoderModule
from skae._losses import elastic_net
from skae._training.blocks import row_cost
from skae._training.course import Course
from skae._training.fit import Fitting
from skae._training.net import Net, _in_memory_order, check_loss, mean_loss, row_loss
from skae._training.runtime import few_threads
from skae.networks._layers import Activation, Dropout, TransposedLinear

WIDTHS = re.compile(r"(in|out)_features=\d+")


def fit_together(estimators, X, y=None, sample_weight=None, *, report=True):
    """Fit autoencoders on the same rows, batched as far as they are alike.

    Parameters
    ----------
    estimators : list of BaseAutoencoder
        Not yet fitted. Those that differ in `random_state`, or in the widths of plain
        dense layers, are trained as one; dropout, batch normalisation, callbacks,
        another optimiser than Adam and networks of one's own are trained one by one.
    X, y, sample_weight
        As for `fit`.
    report : bool, default=True
        Whether to warn of each member's signs of trouble.

    Returns
    -------
    estimators : list of BaseAutoencoder
        The same, fitted.
    """
    fittings, first = [], {}
    for estimator in estimators:
        estimator._validate_params()
        rows, weight = estimator._check_fit(X, sample_weight, reset=True)
        sharing = repr((estimator.likelihood, estimator.device))
        fitting = Fitting(
            estimator,
            rows,
            weight,
            warm=False,
            condition=estimator._condition(y, rows, reset=True),
            labels=estimator._labels(y, rows, reset=True),
            like=first.get(sharing),
        )
        first.setdefault(sharing, fitting)
        fittings.append(fitting)
    groups = {}
    with torch.inference_mode(False), torch.enable_grad():
        for i, fitting in enumerate(fittings):
            if not _can_join(fitting):
                fitting.run(None)
                continue
            fitting.net_and_job()
            groups.setdefault(_kind(fitting) or i, []).append(fitting)
        for group in groups.values():
            if len(group) == 1:
                group[0].net.train(group[0].job, group[0].epochs)
            else:
                Members(group).train()
            for fitting in group:
                fitting.measure()
    for fitting in fittings:
        vars(fitting.estimator).update(fitting.attributes(fitting.net))
        if report or fitting.net.interrupted_:
            fitting.report()
    return estimators


def _can_join(fitting):
    """Tell whether an estimator leaves its training to the engine, as far as is known."""
    params = fitting.parts.net_params
    own = {"callbacks", "compile", "optimizer"} & set(params)
    own |= {name for name in params if name.startswith("optimizer__")}
    plain = fitting.estimator._net_class is Net  # one optimiser, one phase
    return plain and fitting.is_ours and not own and not fitting.estimator.verbose


def _kind(fitting):
    """Return what members of one batch have in common, or None if there can be none."""
    module, job, estimator = fitting.net.module_, fitting.job, fitting.estimator
    if any(isinstance(m, Dropout) or _has_statistics(m) for m in module.modules()):
        return None
    if not module.is_functional:
        return None
    for hook in (hooks := getattr(job.corruption, "attach", lambda *_: [])(module, None)):
        hook.remove()
    if hooks:
        return None
    parts = [part for part in (job.train, job.valid) if part is not None]
    params = estimator.get_params(deep=False)
    for name in ("random_state", "network", "n_components"):
        del params[name]
    structure = repr(module)
    if _can_be_padded(module):
        structure = WIDTHS.sub("", structure)
    return (
        type(estimator),
        repr(sorted(params.items())),
        structure,
        job.schedule,
        *[(len(part.index), part.batch_size, part.weight is None) for part in parts],
    )


def _has_statistics(module):
    return getattr(module, "track_running_stats", False)


def _can_be_padded(module):
    """Tell whether units that are always cut off change nothing for the others."""
    leaves = [m for net in (module.encoder, module.decoder) for m in net.modules()]
    leaves = [m for m in leaves if not any(m.children())]
    known = (torch.nn.Linear, TransposedLinear, Activation, torch.nn.Sequential)
    return type(module) is AutoencoderModule and all(isinstance(m, known) for m in leaves)


class Members:
    """Nets trained as one: their weights are the rows of one matrix (M, n).

    The modules' `forward` is a function of weights, rows, noise and progress; mapped
    over the members it is traced once, so that a step costs about as many operations
    for all as for one.
    """

    def __init__(self, fittings):
        self.fittings = fittings
        self.net = fittings[0].net
        self.template = self.net.module_
        self.device = self.net.device
        named = [dict(f.net.module_.named_parameters()) for f in fittings]
        self.shapes = {
            name: tuple(
                max(sizes) for sizes in zip(*(p[name].shape for p in named), strict=True)
            )
            for name in named[0]
        }
        rows, present = [], []
        for params in named:
            whole = {k: torch.zeros(s, device=self.device) for k, s in self.shapes.items()}
            there = {k: torch.zeros(s, device=self.device) for k, s in self.shapes.items()}
            for name, p in params.items():
                place = tuple(slice(n) for n in p.shape)
                whole[name][place], there[name][place] = p.detach(), 1
            rows.append(torch.cat([t.reshape(-1) for t in whole.values()]))
            present.append(torch.cat([t.reshape(-1) for t in there.values()]))
        self.flat, present = torch.stack(rows), torch.stack(present)
        self.present = None if present.all() else present
        self.is_weight = torch.cat(
            [torch.full((s.numel(),), float(s.ndim > 1)) for s in whole.values()]
        ).to(self.flat)
        self.courses = [
            Course(f.epochs, len(f.job.train), f.job.schedule, self.template.warm_up)
            for f in fittings
        ]
        self.rates = [1.0] * len(fittings)
        self.best = None
        self._take(self.flat)

    def _take(self, flat, state=None):
        """Make a matrix (M, n) the members' weights, and start or keep the optimiser."""
        self.flat, self.grad, self.graphs = flat, torch.zeros_like(flat), {}
        # Adam walks from zero at a rate of 1: each member's own rate is put on its way
        self.way = torch.nn.Parameter(torch.zeros_like(flat))
        self.way.grad = self.grad
        self.optimizer = torch.optim.Adam([self.way], lr=1.0, fused=True)
        if state is not None:
            self.optimizer.state[self.way] = state
        self.params = self._parts(flat)
        for p in self.params.values():
            p.requires_grad_()

    def _parts(self, flat):
        """Return views of numbers (..., n) as tensors by the parameters' names."""
        sizes = [torch.Size(shape).numel() for shape in self.shapes.values()]
        return {
            name: part.view(*flat.shape[:-1], *shape)
            for (name, shape), part in zip(
                self.shapes.items(), flat.detach().split(sizes, dim=-1), strict=True
            )
        }

    def train(self):
        """Train to the end of the last member's course."""
        row = torch.zeros(1, self.fittings[0].rows.n_columns, device=self.device)
        job = self.fittings[0].job
        work = job.train.batch_size * row_cost(self.template, row).multiplications
        nets = [fitting.net for fitting in self.fittings]
        for net in nets:
            net.interrupted_ = False
            net._start_rate()
        with few_threads(work * len(nets)):
            try:
                if job.valid is not None:
                    for course, loss in zip(self.courses, self._judged(), strict=True):
                        course.best_loss = loss
                    self.best = self.flat.clone()
                while self.fittings:
                    self._epoch()
            except KeyboardInterrupt:
                for fitting, course in zip(self.fittings, self.courses, strict=True):
                    fitting.net.interrupted_ = True
                    del fitting.net.history[fitting.start + course.epoch :]
                self._dismiss(range(len(self.fittings)))
            finally:
                for net in nets:
                    net._set_training(False)

    def _epoch(self):
        started = time.time()
        for fitting in self.fittings:
            fitting.net.history.new_epoch()
            fitting.net.history.record("epoch", len(fitting.net.history))
        self.template.train()
        total, n_rows = 0.0, 0
        for batches in zip(*(f.job.train for f in self.fittings), strict=True):
            total = total + self._step(batches) * len(batches[0][0])
            n_rows += len(batches[0][0])
        losses = (total / n_rows).tolist()
        judged = self._judged() if self.best is not None else None
        for m, (fitting, course) in enumerate(
            zip(self.fittings, self.courses, strict=True)
        ):
            record, net = fitting.net.history.record, fitting.net
            record("lr", net.lr * self.rates[m])
            record("train_loss", check_loss(losses[m], course))
            record("train_batch_count", len(fitting.job.train))
            course.epoch += 1
            if judged is not None:
                better = course.judge(judged[m], net.patience, net.tol)
                if better:
                    self.best[m] = self.flat[m]
                record("valid_loss", judged[m])
                record("valid_batch_count", len(fitting.job.valid))
                record("valid_loss_best", better)
            record("dur", time.time() - started)
        self._dismiss([m for m, course in enumerate(self.courses) if course.is_over])

    def _step(self, batches):
        """Take a step on a batch for each member; return their losses (M,)."""
        net = self.net
        self.rates = [1.0 if c.is_constant else c.rate() for c in self.courses]
        sources = [fitting.train.generator for fitting in self.fittings]
        _, losses = self._losses(batches, sources, self.courses[0].progress())
        grads = torch.autograd.grad(
            losses.sum(), tuple(self.params.values()), materialize_grads=True
        )
        with torch.no_grad():
            torch.cat([grad.flatten(1) for grad in grads], 1, out=self.grad)
            if self.present is not None:
                self.grad.mul_(self.present)
            if net.alpha and not net.l1_ratio:
                self.grad.addcmul_(self.flat, self.is_weight, value=net.alpha)
            elif net.alpha:
                weights = self.flat * self.is_weight
                _, gradient = elastic_net(weights.view(-1), net.alpha, net.l1_ratio)
                self.grad.add_(gradient.view_as(self.grad))
            if net.gradient_clip_value is not None:
                self.grad.renorm_(2, 0, net.gradient_clip_value)
            self.optimizer.step()
            if len(set(self.rates)) == 1:
                self.flat.add_(self.way, alpha=net.lr * self.rates[0])
            else:
                rates = torch.tensor(self.rates, device=self.device)[:, None]
                self.flat.addcmul_(self.way, rates, value=net.lr)
            self.way.zero_()
        for course in self.courses:
            course.step += 1
        return losses.detach()

    def _judged(self):
        """Return each member's held-out loss, per column."""
        self.template.eval()
        rows = []
        sources = [fitting.net._judging_generator() for fitting in self.fittings]
        with torch.no_grad():
            for batches in zip(*(f.job.valid for f in self.fittings), strict=True):
                rows.append(self._losses(batches, sources, torch.tensor(1.0))[0])
        n_columns = self.fittings[0].rows.n_columns
        return (torch.cat(rows, 1) / n_columns).mean(1).tolist()

    def _losses(self, batches, sources, progress):
        """Return what the rows of the members' batches cost (M, B), and the means (M,)."""
        prepared = [
            (*batch, noise)
            for batch, noise in (
                f.net.prepare_batch(f.job, batch, source)
                for f, batch, source in zip(self.fittings, batches, sources, strict=True)
            )
        ]
        given = {
            i: torch.stack(parts)
            for i, parts in enumerate(zip(*prepared, strict=True))
            if parts[0] is not None
        }
        key = self.template.training, *[(i, t.shape) for i, t in given.items()]
        if key not in self.graphs:
            with torch.no_grad():
                params = {name: p.detach() for name, p in self.params.items()}
                all_at_once = torch.vmap(self._loss_of_one, in_dims=(0, 0, None))
                trace = make_fx(lambda *args: all_at_once(*args))
                self.graphs[key] = _simplified(trace(params, given, progress))
        return self.graphs[key](self.params, given, progress)

    def _loss_of_one(self, params, given, progress):
        *batch, noise = [given.get(i) for i in range(5)]

        def forward(*args):
            return functional_call(self.template, params, args)

        row, penalty = row_loss(forward, batch, noise, progress)
        return row, mean_loss(row, penalty, batch[0].numel())

    def _dismiss(self, over):
        """Give members their weights back, and go on without them."""
        if not len(over):
            return
        state = self.optimizer.state.get(self.way, {})
        for m in over:
            self._give_back(m, state)
        left = [m for m in range(len(self.fittings)) if m not in over]
        self.fittings = [self.fittings[m] for m in left]
        self.courses = [self.courses[m] for m in left]
        self.rates = [self.rates[m] for m in left]
        if not left:
            return
        self.present = None if self.present is None else self.present[left]
        self.best = None if self.best is None else self.best[left]
        kept = {k: v if v.ndim == 0 else v[left] for k, v in state.items()}
        self._take(self.flat[left], kept)

    def _give_back(self, m, state):
        """Put a member's weights, and the optimiser's memory of them, into its net."""
        net = self.fittings[m].net
        named = dict(net.module_.named_parameters())

        def own(flat):
            for name, part in self._parts(flat).items():
                p = named[name]
                yield p, part[tuple(slice(n) for n in p.shape)]

        weights = self.flat[m] if self.best is None else self.best[m]
        with torch.no_grad():
            for p, values in own(weights):
                p.copy_(values)
        (whole,) = net.optimizer_.param_groups[0]["params"]
        net.optimizer_.param_groups[0]["lr"] = net.lr * self.rates[m]
        net.optimizer_.state[whole] = {
            name: value.clone()
            if value.ndim == 0
            else torch.cat(
                [
                    _in_memory_order(torch.empty_like(p).copy_(values)).detach()
                    for p, values in own(value[m])
                ]
            )
            for name, value in state.items()
        }


def _simplified(traced):
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
