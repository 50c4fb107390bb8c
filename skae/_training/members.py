"""Many trained at once: members of an ensemble as one batched model.

Each member has its own start, rows, noise, learning rate, best epoch and end: it
becomes what its own training would have made of it, to rounding. M is the number of
members, n of the numbers in the widest one's weights.
"""

import time
from dataclasses import replace

import torch
from torch.func import functional_call

from skae._codes.base import Plain
from skae._data.rows import Batch
from skae._losses import elastic_net
from skae._params import equal
from skae._training.blocks import row_cost
from skae._training.course import Course
from skae._training.flat import in_memory_order
from skae._training.graphs import traced
from skae._training.loss import check_loss, judging_generator, mean_loss, row_loss
from skae._training.runtime import few_threads
from skae._training.task import Task
from skae._training.train import build, finished, run
from skae.corruption._named import hidden_rates
from skae.networks._dense import DenseNetwork
from skae.networks._layers import Dropout


def train_together(recipes, samples):
    """Train nets, those together that share shapes, and measure them.

    Recipes that differ in their seeds, in the widths of plain dense layers, in how large
    steps are or when they end, are trained as one; with dropout, batch normalisation,
    callbacks, another optimiser than Adam or a network of one's own, they are trained one
    by one.

    Parameters
    ----------
    recipes : list of Recipe
    samples : list of Sample
        All of the same rows X.

    Returns
    -------
    trained : list of Trained
    """
    tasks, first = [], []
    for recipe, sample in zip(recipes, samples, strict=True):
        sharing = recipe.likelihood, recipe.device, len(sample.told.known)
        like = next((task for key, task in first if equal(key, sharing)), None)
        tasks.append(Task(recipe, sample, like=like))
        if like is None:
            first.append((sharing, tasks[-1]))
    groups, alone = [], {}
    for i, task in enumerate(tasks):
        if not _can_join(task.recipe):
            alone[i] = run(task)
            _check_done(task, len(tasks) - len(alone))
            continue
        build(task)
        key = _kind(task)
        group = next((g for k, g in groups if key is not None and equal(k, key)), None)
        if group is None:
            groups.append((key, group := []))
        group.append(task)
    left = len(tasks) - len(alone)
    for _, group in groups:
        if len(group) == 1:
            group[0].net.train(group[0])
        else:
            Members(group).train()
        left -= len(group)
        _check_done(group[0], left)
    return [alone.get(i) or finished(task) for i, task in enumerate(tasks)]


def _check_done(task, left):
    """Raise a ``KeyboardInterrupt`` if a training was interrupted, and some are left."""
    if left and task.net.interrupted_:
        raise KeyboardInterrupt


def _can_join(recipe):
    """Tell whether a recipe leaves its training to the engine, as far as is known."""
    own = {"callbacks", "compile", "optimizer"} & set(recipe.net_params)
    own |= {name for name in recipe.net_params if name.startswith("optimizer__")}
    plain = not recipe.code.phase_names  # one optimiser, one phase
    return plain and recipe.is_ours and not own and not recipe.schedule.verbose


def _kind(task):
    """Return what members of one batch have in common, or None if there can be none."""
    recipe, module = task.recipe, task.net.module_
    drops = any(isinstance(m, Dropout) and m.p for m in module.modules())
    drops = drops or hidden_rates(recipe.corruption)
    if drops or any(map(_has_statistics, module.modules())) or not module.code.is_pure:
        return None
    schedule = recipe.schedule._replace(learning_rate=0.0, n_iter_no_change=0, tol=0.0)
    if not recipe.code.warm_up(task.aim):  # else they share how far they are
        schedule = schedule._replace(max_iter=0)
    width = recipe.n_components is None
    recipe = recipe._replace(seed=0, n_components=width, schedule=schedule)
    shapes = tuple(p.shape for p in module.parameters())
    if _can_be_padded(recipe):
        depth = len(recipe.network.hidden_layer_sizes)
        back = recipe.network.decoder_layer_sizes
        back = depth if back is None else len(back)
        narrow = replace(recipe.network, hidden_layer_sizes=depth, decoder_layer_sizes=back)
        recipe, shapes = recipe._replace(network=narrow), None
    parts = [part for part in (task.train, task.valid) if part is not None]
    sizes = [(len(part.index), part.batch_size, part.weight is None) for part in parts]
    return recipe, shapes, sizes


def _has_statistics(module):
    return getattr(module, "track_running_stats", False)


def _can_be_padded(recipe):
    """Tell whether units that are always cut off change nothing for the others."""
    network = recipe.network
    dense = isinstance(network, DenseNetwork) and network.normalization is None
    return dense and type(recipe.code) is Plain


class Members:
    """Nets trained as one: their weights are the rows of one matrix (M, n).

    The modules' `forward` is a function of weights, rows, noise and progress; mapped
    over the members it is traced once, so that a step costs about as many operations
    for all as for one.
    """

    def __init__(self, tasks):
        self.tasks = tasks
        self.net = tasks[0].net
        self.template = self.net.module_
        self.device = self.net.device
        named = [dict(t.net.module_.named_parameters()) for t in tasks]
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
            Course(t.epochs, len(t.train), t.schedule, t.recipe.code.warm_up(t.aim))
            for t in tasks
        ]
        self.rates = [1.0] * len(tasks)
        self.best = self.start = None
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
        first = self.tasks[0]
        row = torch.zeros(1, first.rows.n_columns, device=self.device)
        work = first.train.batch_size * row_cost(self.template, row).multiplications
        nets = [task.net for task in self.tasks]
        for net in nets:
            net.begin(len(nets))
        with few_threads(work * len(nets)):
            try:
                if first.valid is not None:
                    found = zip(self.courses, nets, self._judged(), strict=True)
                    for course, net, loss in found:
                        course.start_loss = net.start_loss_ = loss
                    self.best, self.start = self.flat.clone(), self.flat.clone()
                while self.tasks:
                    self._epoch()
            except KeyboardInterrupt:
                if not (self.net.keep_on_interrupt and all(c.epoch for c in self.courses)):
                    raise
                for task, course in zip(self.tasks, self.courses, strict=True):
                    task.net.interrupted_ = True
                    del task.net.history[task.n_before + course.epoch :]
                self._dismiss(range(len(self.tasks)))
            finally:
                for net in nets:
                    net.module_.eval()

    def _epoch(self):
        started = time.time()
        for task in self.tasks:
            task.net.history.new_epoch()
            task.net.history.record("epoch", len(task.net.history))
        self.template.train()
        total, n_rows = 0.0, 0
        for batches in zip(*(task.train for task in self.tasks), strict=True):
            total = total + self._step(batches) * len(batches[0].x)
            n_rows += len(batches[0].x)
        losses = (total / n_rows).tolist()
        judged = self._judged() if self.best is not None else None
        for m, (task, course) in enumerate(zip(self.tasks, self.courses, strict=True)):
            record, net = task.net.history.record, task.net
            record("lr", net.lr * self.rates[m])
            record("train_loss", check_loss(losses[m], course))
            record("train_batch_count", len(task.train))
            course.epoch += 1
            if judged is not None:
                better = course.judge(judged[m], net.patience, net.tol)
                if better:
                    self.best[m] = self.flat[m]
                check_loss(judged[m], course, of="the held-out loss")
                record("valid_loss", judged[m])
                record("valid_batch_count", len(task.valid))
                record("valid_loss_best", better)
            record("dur", time.time() - started)
        self._dismiss([m for m, course in enumerate(self.courses) if course.is_over])

    def _step(self, batches):
        """Take a step on a batch for each member; return their losses (M,)."""
        net = self.net
        self.rates = [1.0 if c.is_constant else c.rate() for c in self.courses]
        sources = [task.train.generator for task in self.tasks]
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
            lrs = [t.net.lr * r for t, r in zip(self.tasks, self.rates, strict=True)]
            if len(set(lrs)) == 1:
                self.flat.add_(self.way, alpha=lrs[0])
            else:
                lrs = torch.tensor(lrs, device=self.device)[:, None]
                self.flat.addcmul_(self.way, lrs)
            self.way.zero_()
        for course in self.courses:
            course.step += 1
        return losses.detach()

    def _judged(self):
        """Return each member's held-out loss, per column."""
        self.template.eval()
        rows = []
        sources = [judging_generator(self.device) for _ in self.tasks]
        with torch.no_grad():
            for batches in zip(*(task.valid for task in self.tasks), strict=True):
                rows.append(self._losses(batches, sources, torch.tensor(1.0))[0])
        n_columns = self.tasks[0].rows.n_columns
        return (torch.cat(rows, 1) / n_columns).mean(1).tolist()

    def _losses(self, batches, sources, progress):
        """Return what the rows of the members' batches cost (M, B), and the means (M,)."""
        prepared = []
        for task, batch, source in zip(self.tasks, batches, sources, strict=True):
            x, w, clean, known = task.corrupted(batch, source)
            noise = task.recipe.code.draw(task.net.module_, len(x), source)
            prepared.append((x, w, clean, noise, *known))
        given = {
            i: torch.stack(parts)
            for i, parts in enumerate(zip(*prepared, strict=True))
            if parts[0] is not None
        }
        key = self.template.training, *[(i, t.shape) for i, t in given.items()]
        if key not in self.graphs:
            params = {name: p.detach() for name, p in self.params.items()}
            all_at_once = torch.vmap(self._loss_of_one, in_dims=(0, 0, None))
            args = params, given, progress
            self.graphs[key] = traced(lambda *args: all_at_once(*args), *args)
        return self.graphs[key](self.params, given, progress)

    def _loss_of_one(self, params, given, progress):
        x, w, clean, noise = [given.get(i) for i in range(4)]
        batch = Batch(x, w, clean, tuple(given[i] for i in sorted(given) if i > 3))

        def forward(*args):
            return functional_call(self.template, params, args)

        row, terms = row_loss(forward, batch, noise, progress)
        judged = row if terms.batch is None else row + terms.batch
        return judged, mean_loss(row, terms, x.numel())

    def _dismiss(self, over):
        """Give members their weights back, and go on without them."""
        if not len(over):
            return
        state = self.optimizer.state.get(self.way, {})
        for m in over:
            self._give_back(m, state)
        left = [m for m in range(len(self.tasks)) if m not in over]
        self.tasks = [self.tasks[m] for m in left]
        self.courses = [self.courses[m] for m in left]
        self.rates = [self.rates[m] for m in left]
        if not left:
            return
        self.present = None if self.present is None else self.present[left]
        if self.best is not None:
            self.best, self.start = self.best[left], self.start[left]
        kept = {k: v if v.ndim == 0 else v[left] for k, v in state.items()}
        self._take(self.flat[left], kept)

    def _give_back(self, m, state):
        """Put a member's weights, and the optimiser's memory of them, into its net."""
        net = self.tasks[m].net
        named = dict(net.module_.named_parameters())

        def own(flat):
            for name, part in self._parts(flat).items():
                p = named[name]
                yield p, part[tuple(slice(n) for n in p.shape)]

        weights = self.flat[m] if self.best is None else self.best[m]
        net.kept_start_ = self.courses[m].prefers_start()
        if net.kept_start_:
            weights = self.start[m]
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
                    in_memory_order(torch.empty_like(p).copy_(values)).detach()
                    for p, values in own(value[m])
                ]
            )
            for name, value in state.items()
        }
