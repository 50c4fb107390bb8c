"""Adam by its fused kernel alone, as torch's own imports its compiler at the first step.

That takes a second of each process' first fit.
"""

import inspect

import torch

FUSED = {"cpu", "cuda", "mps", "xpu"}  # devices that have the kernel
MOMENTS = "exp_avg", "exp_avg_sq", "max_exp_avg_sq"


class Adam(torch.optim.Adam):
    """torch's Adam: the same parameters, steps and state.

    What the fused kernel does not do (``foreach``, ``capturable``, ``differentiable``)
    torch's own step does.
    """

    # without what would import the compiler
    add_param_group = inspect.unwrap(torch.optim.Adam.add_param_group)
    state_dict = inspect.unwrap(torch.optim.Adam.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Adam.load_state_dict)
    zero_grad = inspect.unwrap(torch.optim.Adam.zero_grad)

    def __init__(self, params, *args, decoupled_weight_decay=False, **kwargs):
        others = kwargs.get("foreach") or kwargs.get("differentiable")
        kwargs.setdefault("fused", not others)
        super().__init__(params, *args, **kwargs)
        for group in (self.defaults, *self.param_groups):  # older torch has no such key
            own = group.get("decoupled_weight_decay", False)
            group["decoupled_weight_decay"] = own or decoupled_weight_decay

    def step(self, closure=None):
        """Take a step by the gradients, after those that the closure computes."""
        for group in self.param_groups:
            if group["capturable"] or not group["fused"]:
                return super().step(closure)
        if self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks:
            return self._hooked_step(closure)
        return self._step(closure)

    step.hooked = True  # torch's wrapping costs as much as the step

    def _step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        update(p.data, p.grad, self.state_of(p, group), group)
        return loss

    _hooked_step = torch.optim.Optimizer.profile_hook_step(_step)

    def state_of(self, p, group):
        """Return what is known of a parameter's gradients, zeros at first."""
        state = self.state[p]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=p.device)
            for name in MOMENTS[: 2 + group["amsgrad"]]:
                state[name] = torch.zeros_like(p, requires_grad=False)
        return state


def update(p, grad, state, group):
    """Move numbers by their gradient, as a group of Adam's parameters says."""
    mean, square, step = state["exp_avg"], state["exp_avg_sq"], state["step"]
    rate, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
    decay, decoupled = group["weight_decay"], group["decoupled_weight_decay"]
    amsgrad, maximize = group["amsgrad"], group["maximize"]
    step += 1
    if p.device.type in FUSED and hasattr(torch, "_fused_adam_"):
        kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_
        kernel(
            [p], [grad], [mean], [square],
            [state["max_exp_avg_sq"]] if amsgrad else [], [step],
            lr=rate, beta1=beta1, beta2=beta2, weight_decay=decay, eps=eps,
            amsgrad=amsgrad, maximize=maximize,
        )  # fmt: skip
        return
    if maximize:
        grad = -grad
    if decoupled:
        p.mul_(1 - rate * decay)
    elif decay:
        grad = grad.add(p, alpha=decay)
    mean.lerp_(grad, 1 - beta1)
    square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    if amsgrad:
        square = torch.maximum(state["max_exp_avg_sq"], square, out=state["max_exp_avg_sq"])
    width = square.sqrt() / (1 - beta2**step).sqrt()
    p.sub_(rate / (1 - beta1**step) * mean / (width + eps))
