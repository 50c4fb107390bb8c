"""Codes of rows whose class is known of some: Kingma's semi-supervised model, M2.

B is the number of rows, c the classes, k the components of the code.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch.nn.functional import one_hot

from skae._codes import labels
from skae._codes.base import Terms, pair
from skae._codes.normal import Normal
from skae._losses import normal_kl
from skae.networks._edges import edges

ALPHA = 1.0  # of telling classes apart, for each row and column, if all were known
OWN = {"objective": "kl", "n_importance_samples": 1, "free_bits": 0, "capacity": None}


@dataclass
class SemiSupervised(Normal):
    """L(x, y) = -log p(x | y, z) - log p(y) + beta KL(q(z | x, y) || N(0, I)).

    The loss is L(x, y) - alpha log q(y | x) where y is known, and else
    sum_y q(y | x) (L(x, y) + log q(y | x)). All classes are as probable before x is seen.
    """

    guesses_classes: ClassVar[bool] = True

    # Before training

    def read(self, y, n, classes, *, reset):
        """Return the classes of y, as ones among zeros and as places, -1 for none."""
        if not self.conditional:
            return super().read(y, n, classes, reset=reset)
        told = labels.read(y, n, classes, reset=reset, remedy="set conditional=False")
        if len(told.classes) < 2:
            raise ValueError(
                f"y names one class, {told.classes.tolist()[0]!r}, beside rows of unknown "
                "class (-1). Label rows of another class, too, or set conditional=False."
            )
        hot = one_hot(torch.from_numpy(told.labels + 1).long(), len(told.classes) + 1)
        return told._replace(known=(hot[:, 1:].float(),))

    def build(self, task):
        """Return the module, with a classifier q(y | x) of the network's kind."""
        ae = super().build(task)
        ae.classifier, _ = pair(task, None, ae.n_classes)
        place = task.told.labels[task.sample.train.numpy()]
        n_known = int((place >= 0).sum())
        if not n_known:
            raise ValueError(
                "y: no row of known class is learnt from, as all have a sample_weight of 0 "
                "or are held out. Give some of them a positive weight, or set "
                "early_stopping=False."
            )
        weight = ALPHA * ae.likelihood.n_params * len(place) / n_known
        weight = torch.tensor(weight, dtype=torch.float32)
        ae.register_buffer("alpha", weight)
        return ae

    def take(self, ae):
        """Let a module go by these parameters, if they go together."""
        for name, value in OWN.items():
            if self.get_params()[name] != value:
                raise ValueError(
                    f"{name}={self.get_params()[name]!r} is not for rows of unknown class "
                    f"(-1 in y). Use {name}={value!r}, or leave these rows out."
                )
        super().take(ae)

    def edges(self, ae):
        """Return the layers that rows enter and leave by; the classifier is one of them."""
        found, more = super().edges(ae), edges(ae.classifier, ae.decoder)
        if found is None or more is None:
            return None
        return found._replace(readers=[*found.readers, *more.readers])

    # In training

    def class_logits(self, ae, x):
        """Return the logits of q(y | x) of standardised rows; (B, c)."""
        return ae.classifier(ae.likelihood.embed(x))

    def informed(self, ae, x, *known):
        """Return classes (B, c), those that are not told as probable as q(y | x) says."""
        q = self.class_logits(ae, x).softmax(1)
        if not known:
            return (q,)
        (told,) = known
        return (torch.where(told.sum(1, keepdim=True) > 0, told, q),)

    def posterior(self, ae, x, *known):
        """Return the mean and the log-variance of q(z | x, y); (B, k) each."""
        return super().posterior(ae, x, *self.informed(ae, x, *known))

    def drawn_params(self, ae, x, noise, *known):
        """Return the parameters at codes drawn from the posterior; (B, n_params)."""
        return super().drawn_params(ae, x, noise, *self.informed(ae, x, *known))

    def loss(self, ae, x, target, noise, progress, *known):
        """Return what rows cost: of the class that is told, or over all classes."""
        (told,) = known
        share, log_c = self._share(progress), math.log(ae.n_classes)
        log_q = self.class_logits(ae, x).log_softmax(1)
        nll, kl = self.of_each_class(ae, x, target, noise)  # (B, c) each
        is_told = told.sum(1)
        cross_entropy = -(told * log_q).sum(1)
        # classes are learnt from those that are told first
        log_q = log_q.detach() + share * (log_q - log_q.detach())
        q = torch.where(is_told[:, None] > 0, told, log_q.exp())
        reg = (q * (share * self.beta * kl + log_c)).sum(1)
        reg = reg + (1 - is_told) * (q * log_q).sum(1) + ae.alpha * cross_entropy
        return Terms((q * nll).sum(1), reg)

    def of_each_class(self, ae, x, target, noise):
        """Return -log p(x | y, z) and the KL of rows, were they of each class; (B, c)."""
        c = ae.n_classes
        every = torch.eye(c, dtype=x.dtype, device=x.device).repeat_interleave(len(x), 0)
        x, target, e = (t.repeat(c, 1) for t in (x, target, noise[0]))
        mean, log_variance = super().posterior(ae, x, every)
        z = mean + (0.5 * log_variance).exp() * e
        nll, kl = ae.nll(z, target, every), normal_kl(mean, log_variance).sum(1)
        return nll.view(c, -1).t(), kl.view(c, -1).t()

    # After training

    def describe(self, ae, task):
        """Return which components are active, and how many rows are of each class."""
        q = task.by_blocks(
            lambda x: self.class_logits(ae, x).softmax(1), ae.n_classes
        ).astype(np.float64)
        place, index = task.told.labels, task.sample.index.numpy()
        known = place >= 0
        q[known] = np.eye(ae.n_classes)[place[known]]
        weight = np.ones(len(q)) if task.sample.weight is None else task.sample.weight
        count = weight[index] @ q[index] / weight[index].mean()
        return super().describe(ae, task) | {"class_count_": count}


def some_hot(classes, y, n):
    """Return classes y of n rows, or one for all, as ones among zeros; (n, c).

    Zeros alone where the class is not known: at -1, or if y is None.
    """
    if np.ndim(y) == 0 and y is not None:
        y = np.full(n, y)
    place = labels.read(y, n, classes, reset=False).labels
    hot = np.zeros((n, len(classes)), dtype=np.float32)
    hot[place >= 0, place[place >= 0]] = 1
    return hot
