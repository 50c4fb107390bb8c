"""The one training loop: epochs of steps, of one net or of many at once.

M is the number of nets.
"""

import torch

from skae._training.blocks import row_cost
from skae._training.callbacks import JudgedRows, have_stopped
from skae._training.lines import Lines
from skae._training.loss import check_loss
from skae._training.runtime import few_threads


def train(side):
    """Train the nets of a `Run` or of `Members`; the best weights stay, if any rows judge.

    Where Ctrl-C ends it after an epoch or more, nets that `keep_on_interrupt` keep what
    is best so far.
    """
    nets, task = list(side.nets), side.tasks[0]
    row = torch.zeros(1, task.train.rows.n_columns, device=nets[0].device).float()
    work = task.train.batch_size * row_cost(nets[0].module_, row).multiplications
    for net in nets:
        net.begin(len(nets), task.train.batch_size)
    with few_threads(work * len(nets)):
        try:
            side.start()
            if task.valid is not None and nets[0].module_.code.start_competes:
                for net, course, loss in zip(
                    nets, side.courses, side.judged(), strict=True
                ):
                    course.start_loss = net.start_loss_ = loss
            for net, own in zip(nets, side.tasks, strict=True):
                net.notify("on_train_begin", X=own, y=None)
            _run_epochs(side)
        finally:
            side.end()
            for net in nets:
                net.module_.eval()


def _run_epochs(side):
    """Run epochs until the last course is over, or the user stops them."""
    data = {
        net: {
            "dataset_train": JudgedRows(task.train, net.module_),
            "dataset_valid": task.valid and JudgedRows(task.valid, net.module_),
        }
        for net, task in zip(side.nets, side.tasks, strict=True)
    }
    verbose = side.nets[0].verbose
    lines = Lines(verbose, side.tasks[0].unit) if verbose else None
    try:
        while side.left:
            _epoch(side, data)
            if lines is not None:
                rows = [side.nets[m].history[-1] for m in side.left]
                lines.tell([side.courses[m] for m in side.left], rows)
            over = [m for m in side.left if side.courses[m].is_over]
            if over:
                _dismiss(side, over)
        if lines is not None:
            lines.end()
    except KeyboardInterrupt:
        left = [(side.nets[m], side.courses[m], side.n_before[m]) for m in side.left]
        if not all(net.keep_on_interrupt and course.epoch for net, course, _ in left):
            raise
        for net, course, before in left:
            net.interrupted_ = True
            del net.history[before + course.epoch :]  # one that was cut off has no losses
        _dismiss(side, side.left)


def _dismiss(side, over):
    """Let nets go, each with its best weights; callbacks may know better ones."""
    for m in over:
        net = side.nets[m]
        side.give_back(m)
        history = net.history  # of what happened they know no more
        net.notify("on_train_end", X=side.tasks[m], y=None)
        net.history = history
    side.keep_on([m for m in side.left if m not in over])


def _epoch(side, data):
    """Run over the batches once, and over those that judge; losses leave the device."""
    for m in side.left:
        net = side.nets[m]
        net.notify("on_epoch_begin", **data[net])
    side.begin_epoch()
    tasks = side.tasks
    total = torch.zeros(len(tasks), dtype=torch.float32, device=side.device)
    for batch, n_rows in side.batches():
        total.add_(side.step(batch), alpha=n_rows)
        for course in side.courses:
            course.step += 1
    losses = (total / len(tasks[0].train.index)).tolist()
    for m in side.left:
        remedy = side.nets[m].module_.code.remedies[0]
        side.note(m, tasks[m].train, check_loss(losses[m], side.courses[m], remedy))
    judged = side.judged() if tasks[0].valid is not None else None
    for m in side.left:
        net, course = side.nets[m], side.courses[m]
        if judged is not None:
            loss = check_loss(judged[m], course, of="the held-out loss")
            net.history.record("valid_loss", loss)
            net.history.record("valid_batch_count", len(tasks[m].valid))
        course.epoch += 1
        if judged is not None:
            better = course.judge(judged[m], net.patience, net.tol)
            if better:
                side.keep(m)
            net.history.record("valid_loss_best", better)
        side.end_epoch(m)
        try:
            net.notify("on_epoch_end", **data[net])
        except KeyboardInterrupt:  # skorch's `EarlyStopping` raises one, as users do
            if not have_stopped(net.callbacks_):
                raise
            course.cool_to = course.epoch
