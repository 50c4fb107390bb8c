"""Many trained at once: members of an ensemble as one batched model.

Each member has its own start, rows, noise, learning rate, best epoch and end: it
becomes what its own training would have made of it, to rounding. M is the number of
members.
"""

import torch
from torch.func import functional_call

from skae._adam import Adam, update
from skae._data.rows import Batch
from skae._losses import elastic_net
from skae._training.course import Course
from skae._training.flat import in_memory_order
from skae._training.loop import train
from skae._training.loss import judged_row, judging_generator, may_stay, mean_loss, row_loss
from skae._training.step import Step

LEAVE = 0.5  # share of members that must have ended for the others to go on alone


class Members:
    """Nets trained as one: each weight of all lies side by side, as (M, *shape).

    The modules' `forward` is a function of weights, rows, noise and progress; mapped
    over the members it is recorded once, so that a step costs about as many operations
    for all as for one.
    """

    def __init__(self, tasks, listener=None):
        self.tasks, self.nets = tasks, [task.net for task in tasks]
        self.listener = listener  # told of each epoch, which is one of all
        self.n_before = [len(net.history) for net in self.nets]
        self.net = self.nets[0]
        self.template, self.device = self.net.module_, self.net.device
        named = [dict(net.module_.named_parameters()) for net in self.nets]
        self.shapes = {
            name: tuple(
                max(sizes) for sizes in zip(*(p[name].shape for p in named), strict=True)
            )
            for name in named[0]
        }
        weights, present = self._zeros(), self._zeros()
        for m, params in enumerate(named):
            for name, p in params.items():
                place = m, *(slice(n) for n in p.shape)
                weights[name][place], present[name][place] = p.detach(), 1
        present = _in_one(present)
        self.present = None if present.all() else present
        self.courses = [
            Course(t.epochs, len(t.train), t.schedule, t.recipe.code.warm_up(t.aim))
            for t in tasks
        ]
        self.rates = [net.lr for net in self.nets]
        self.best = self.first = None
        self.left = list(range(len(tasks)))  # who is still trained
        self.came_to = {}  # where the draws of those in the batch who are not had come to
        self._take(_in_one(weights))

    def _zeros(self):
        """Return zeros for each weight of all members, by name."""
        return {
            name: torch.zeros(len(self.tasks), *shape, device=self.device)
            for name, shape in self.shapes.items()
        }

    def _take(self, flat, state=None):
        """Make a vector the members' weights, and start or keep the optimiser."""
        self.flat, self.grad = flat, torch.zeros_like(flat)
        whole = torch.nn.Parameter(flat)
        whole.grad = self.grad
        self.optimizer = Adam([whole])
        if state:
            self.optimizer.state[whole] = state
        self.state = self.optimizer.state_of(whole, self.optimizer.param_groups[0])
        self.params, grads = self._parts(flat), self._parts(self.grad)
        for name, p in self.params.items():
            p.requires_grad_().grad = grads[name]
        self.by_member = [g.flatten(1) for g in grads.values()]
        self.way, self.judges = torch.zeros_like(flat), None
        both = zip(self.params.values(), self._parts(self.way).values(), strict=True)
        self.ways = [(p.detach().flatten(1), way.flatten(1)) for p, way in both]
        is_weight = [torch.full((p.numel(),), float(p.ndim > 2)) for p in grads.values()]
        self.is_weight = torch.cat(is_weight).to(flat)
        # mapping them anew is dearer than a record
        params = self.params.values()
        self.cost = Step(self._cost, self.template, params, self.grad, n_eager=0)
        self.row_cost = Step(self._row_cost, self.template, n_eager=0)

    def _parts(self, flat):
        """Return views of numbers of all members as tensors (M, ...) by weights' names."""
        m = len(self.tasks)
        sizes = [m * torch.Size(shape).numel() for shape in self.shapes.values()]
        parts = zip(self.shapes.items(), flat.detach().split(sizes), strict=True)
        return {name: part.view(m, *shape) for (name, shape), part in parts}

    def train(self):
        """Train to the end of the last member's course."""
        train(self)

    def start(self):
        """Keep the weights that training starts from."""
        if self.tasks[0].valid is not None:
            self.best, self.first = self.flat.clone(), self.flat.clone()

    def end(self):
        """Do nothing: weights are given back one by one."""

    # A step

    def batches(self):
        """Yield what an epoch's batches hold, as `_given` does, and their rows' number."""
        parts = [task.train for task in self.tasks]
        sources, rows = [part.generator for part in parts], parts[0].rows
        shares = all(part.rows is rows for part in parts) and rows.resident is not None
        if not shares or rows.clean is not None or any(t.corruption for t in self.tasks):
            for some in zip(*parts, strict=True):
                yield self._given(some, sources), len(some[0].x)
            return
        n, size = len(parts[0].index), parts[0].batch_size
        places = [torch.randperm(n, generator=source) for source in sources]
        index = torch.stack(
            [part.index[at] for part, at in zip(parts, places, strict=True)]
        )
        index, weight = index.to(self.device), None
        if parts[0].weight is not None:
            pairs = zip(parts, places, strict=True)
            weight = torch.stack([part.weight[at.to(self.device)] for part, at in pairs])
        for at in (slice(start, start + size) for start in range(0, n, size)):
            chosen = index[:, at]
            tables = {0: rows.resident, **dict(enumerate(rows.known, 4))}
            given = {i: table[chosen] for i, table in tables.items()}
            if weight is not None:
                given[1] = weight[:, at]
            noise = self._noise(chosen.shape[1], sources)
            if noise is not None:
                given[3] = noise
            yield given, chosen.shape[1]

    def _noise(self, n_rows, sources):
        """Return what members' codes draw for so many rows, (M, ...), or None."""
        pairs = zip(self.tasks, sources, strict=True)
        drawn = [t.recipe.code.draw(t.net.module_, n_rows, s) for t, s in pairs]
        return None if drawn[0] is None else torch.stack(drawn)

    def step(self, given):
        """Take a step on a batch for each member; return their losses (M,)."""
        net, grad = self.net, self.grad
        _, losses = self.cost(given, self.courses[0].progress())
        with torch.no_grad():
            if self.present is not None:
                grad.mul_(self.present)
            if net.alpha and not net.l1_ratio:
                grad.addcmul_(self.flat, self.is_weight, value=net.alpha)
            elif net.alpha:
                weights = self.flat * self.is_weight
                grad.add_(elastic_net(weights, net.alpha, net.l1_ratio)[1])
            if net.gradient_clip_value is not None:
                self._clip(net.gradient_clip_value)
            self._descend()
        return losses

    def _clip(self, most):
        """Let no member's gradient be longer."""
        on_cpu = self.grad.device.type == "cpu"  # elsewhere to look at it costs a wait
        if on_cpu and float(torch.linalg.vector_norm(self.grad)) <= most:
            return  # as all together are not
        norms = [torch.linalg.vector_norm(part, dim=1) for part in self.by_member]
        norm = torch.linalg.vector_norm(torch.stack(norms), dim=0)
        gain = (most / (norm + 1e-7)).clamp(max=1)[:, None]
        for part in self.by_member:
            part.mul_(gain)

    def _descend(self):
        """Take Adam's step, for each member at its own rate."""
        pairs = zip(self.nets, self.courses, strict=True)
        self.rates = rates = [net.lr * c.rate() for net, c in pairs]
        group = self.optimizer.param_groups[0]
        if len(set(rates)) == 1:
            update(self.flat, self.grad, self.state, group | {"lr": rates[0]})
            return
        # Adam walks from zero at a rate of 1: each member's own is put on its way
        update(self.way.zero_(), self.grad, self.state, group | {"lr": 1.0})
        rates = torch.tensor(rates, device=self.device)[:, None]
        for weights, way in self.ways:
            weights.addcmul_(way, rates)

    def _given(self, batches, sources):
        """Return what members' batches hold and their codes draw, by place: (M, ...)."""
        prepared = []
        for task, batch, source in zip(self.tasks, batches, sources, strict=True):
            x, w, clean, known = task.corrupted(batch, source)
            noise = task.recipe.code.draw(task.net.module_, len(x), source)
            prepared.append((x, w, clean, noise, *known))
        return {
            i: torch.stack(parts)
            for i, parts in enumerate(zip(*prepared, strict=True))
            if parts[0] is not None
        }

    def _cost(self, given, progress):
        """Return what all batches cost together (), and each by itself (M,)."""

        def cost(params, given):
            row, terms, batch = self._terms(params, given, progress)
            return mean_loss(row, terms, batch.x.numel())

        losses = torch.vmap(cost)(self.params, given)
        return losses.sum(), losses

    def _row_cost(self, given, progress):
        """Return what the rows of the members' batches are judged by; ((M, B),)."""

        def cost(params, given):
            row, terms, _ = self._terms(params, given, progress)
            return judged_row(row, terms)

        return (torch.vmap(cost)(self.params, given),)

    def _terms(self, params, given, progress):
        """Return one member's rows' cost (B,), the terms and the batch."""
        x, w, clean, noise = [given.get(i) for i in range(4)]
        batch = Batch(x, w, clean, tuple(given[i] for i in sorted(given) if i > 3))

        def forward(*args):
            return functional_call(self.template, params, args)

        return *row_loss(forward, batch, noise, progress), batch

    # An epoch

    def begin_epoch(self):
        """Train."""
        if self.listener is not None:
            self.listener.begin()
        self.template.train()

    def note(self, m, batches, loss):
        """Note an epoch's loss of a member."""
        record = self.nets[m].history.record
        record("lr", self.rates[m])
        record("train_loss", loss)
        record("train_batch_count", len(batches))

    def judged(self):
        """Return each member's held-out loss, per column."""
        self.template.eval()
        given, rows = self.judges, []
        if given is None:  # they, and the noise to judge by, are the same each time
            sources = [judging_generator(self.device) for _ in self.tasks]
            batches = zip(*(task.valid for task in self.tasks), strict=True)
            given = (self._given(some, sources) for some in batches)
            if may_stay(self.tasks[0].valid, len(self.tasks)):
                self.judges = given = list(given)
        for some in given:
            rows += self.row_cost(some, self.courses[0].whole)
        n_columns = self.tasks[0].rows.n_columns
        return (torch.cat(rows, 1) / n_columns).mean(1).tolist()

    def end_epoch(self, m):
        """Tell who listens, after the last member, that an epoch has ended."""
        if self.listener is not None and m == self.left[-1] and self.listener.end():
            for m in self.left:
                self.courses[m].cool_to = self.courses[m].epoch

    # The best weights

    def keep(self, m):
        """Take a member's weights as they are for its best so far."""
        kept, now = self._parts(self.best), self._parts(self.flat)
        for name, part in kept.items():
            part[m] = now[name][m]

    def keep_on(self, left):
        """Go on with some of the members, once many have ended: anew recorded."""
        if left and len(left) > (1 - LEAVE) * len(self.tasks):
            for m in set(self.left) - set(left):
                self.came_to[m] = self.tasks[m].train.generator.get_state()
            self.left = left
            return
        for m, state in self.came_to.items():  # they went on drawing
            self.tasks[m].train.generator.set_state(state)
        self.left, self.came_to = list(range(len(left))), {}
        vectors = self.flat, self.best, self.first, self.present, *self.state.values()
        if left:
            vectors = [self._of_some(vector, left) for vector in vectors]
        lists = self.tasks, self.nets, self.courses, self.n_before, self.rates
        self.tasks, self.nets, self.courses, self.n_before, self.rates = (
            [values[m] for m in left] for values in lists
        )
        if left:
            flat, self.best, self.first, self.present, *values = vectors
            self._take(flat, dict(zip(self.state, values, strict=True)))

    def _of_some(self, vector, left):
        """Return what a vector holds of some members; anything else as it is."""
        if vector is None or vector.ndim == 0:
            return vector
        return _in_one({k: part[left] for k, part in self._parts(vector).items()})

    def give_back(self, m):
        """Put a member's weights, and the optimiser's memory of them, into its net."""
        net = self.nets[m]
        named = dict(net.module_.named_parameters())

        def own(vector):
            for name, part in self._parts(vector).items():
                p = named[name]
                yield p, part[(m, *(slice(n) for n in p.shape))]

        net.kept_start_ = self.courses[m].prefers_start()
        weights = self.flat if self.best is None else self.best
        with torch.no_grad():
            for p, values in own(self.first if net.kept_start_ else weights):
                p.copy_(values)
        (whole,) = net.optimizer_.param_groups[0]["params"]
        net.optimizer_.param_groups[0]["lr"] = self.rates[m]
        net.optimizer_.state[whole] = {
            name: value.clone()
            if value.ndim == 0
            else torch.cat(
                [
                    in_memory_order(torch.empty_like(p).copy_(values)).detach()
                    for p, values in own(value)
                ]
            )
            for name, value in self.state.items()
        }


def _in_one(parts):
    """Return tensors by name as one vector."""
    return torch.cat([part.reshape(-1) for part in parts.values()])
