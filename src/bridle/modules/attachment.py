"""``Attachment``: penalties that act through an optimizer's step hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.modules.rules import PenaltyRule
from bridle.penalties import Penalty, apply_prox, at_step
from bridle.penalties.sharded import gradient_of, value_of

__all__ = ["Attachment", "PenaltyRule", "attachments_of", "groups_of"]


class Attachment:
    """Penalties that act at every step of an optimizer; :func:`bridle.attach` returns one.

    Attributes
    ----------
    penalties : dict of str to tuple of Penalty
        The penalties on each parameter, by qualified name. Annealed penalties have the strength of
        the current step.
    rules : dict of str to tuple of Penalty or Annealed
        The penalties on each parameter, as they were given.
    parameters : dict of str to Parameter
    mode, metric : str
        How the penalties act; see :func:`bridle.attach`.
    step : int
        The number of optimizer steps since the attachment. Annealed penalties read their strength
        from it.

    Examples
    --------
    >>> import torch, bridle
    >>> model = torch.nn.Linear(2, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> attached = bridle.attach(optimizer, {"weight": bridle.L2(0.5)}, model=model)
    >>> bool(attached.value() == 0.25 * model.weight.square().sum())
    True
    >>> attached.detach()
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        parameters: dict[str, nn.Parameter],
        rules: Mapping[str, tuple[PenaltyRule, ...]],
        *,
        mode: str,
        metric: str,
    ) -> None:
        self.parameters = parameters
        self.rules = rules
        self.mode = mode
        self.metric = metric
        self.step = 0
        by_rules: dict[tuple[int, ...], tuple[tuple[PenaltyRule, ...], list[nn.Parameter]]] = {}
        for name, each in rules.items():
            key = tuple(map(id, each))
            by_rules.setdefault(key, (each, []))[1].append(parameters[name])
        self._by_rules = list(by_rules.values())  # one prox call for all weights of equal rules
        self._handles = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]

    def __repr__(self) -> str:
        return f"<Attachment on {len(self.rules)} parameters, {self.mode}>"

    def __str__(self) -> str:
        """Return one line for each parameter."""
        how = "coupled" if self.mode == "coupled" else f"proximal, {self.metric}"
        width = max(map(len, self.rules), default=0)
        return "\n".join(
            f"{name:<{width}}  {', '.join(map(str, penalties))}  ({how})"
            for name, penalties in self.rules.items()
        )

    @property
    def penalties(self) -> dict[str, tuple[Penalty, ...]]:
        """The penalties that act on each parameter at the next step."""
        return {name: at_step(each, self.step) for name, each in self.rules.items()}

    def state_dict(self) -> dict[str, int]:
        """Return the step count. Save it in checkpoints if a penalty is annealed."""
        return {"step": self.step}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Restore the step count from a checkpoint."""
        self.step = int(state["step"])

    def value(self) -> Tensor:
        """Return R(w), the sum of all penalties: a differentiable scalar."""
        return torch.stack(
            [
                value_of(penalty, self.parameters[name]).sum()
                for name, penalties in self.penalties.items()
                for penalty in penalties
            ]
        ).sum()

    def detach(self) -> None:
        """Remove the penalties from the optimizer. A second call does nothing."""
        for handle in self._handles:
            handle.remove()

    @torch.no_grad()
    def _add_gradients(self, optimizer: torch.optim.Optimizer, scale: Tensor | None = None) -> None:
        groups = groups_of(optimizer)
        for name, penalties in self.penalties.items():
            weight = self.parameters[name]
            # a parameter without a gradient is in no loss, and the optimizer does not update it
            if weight.grad is None or id(weight) not in groups:
                continue
            if weight.grad.is_sparse:
                raise UsageError(
                    f"{name} has a sparse gradient, and a coupled penalty would make it dense: "
                    "use mode='proximal'"
                )
            sign = -1 if groups[id(weight)].get("maximize") else 1
            for penalty in penalties:
                gradient = gradient_of(penalty, weight)
                weight.grad.add_(gradient if scale is None else gradient * scale, alpha=sign)

    def _before(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        if self.mode != "coupled":
            return None
        # args begins with the optimizer itself
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is None:
            # with a fused optimizer, the gradients are still multiplied by the gradient scale
            self._add_gradients(optimizer, getattr(optimizer, "grad_scale", None))
            return None
        wrapped = self._with_gradients(optimizer, closure)
        if len(args) > 1:
            return (args[0], wrapped, *args[2:]), kwargs
        return args, kwargs | {"closure": wrapped}

    def _with_gradients(
        self, optimizer: torch.optim.Optimizer, closure: Callable[[], Any]
    ) -> Callable[[], Any]:
        """Return a closure that adds the penalties' gradients after each evaluation."""
        total = isinstance(optimizer, torch.optim.LBFGS)

        def wrapped() -> Any:
            loss = closure()
            self._add_gradients(optimizer)
            # a line search needs the value that belongs to the gradient
            return loss + self.value().detach() if total else loss

        return wrapped

    def _after(
        self, optimizer: torch.optim.Optimizer, *_: tuple[Any, ...] | dict[str, Any]
    ) -> None:
        overflow = getattr(optimizer, "found_inf", None)
        if overflow is not None and float(overflow):
            return  # the gradient scaler has skipped this step
        groups = groups_of(optimizer)
        for rules, weights in self._by_rules if self.mode == "proximal" else ():
            updated = [w for w in weights if w.grad is not None and id(w) in groups]
            apply_prox(optimizer, updated, at_step(rules, self.step), metric=self.metric)
        self.step += 1


def attachments_of(optimizer: torch.optim.Optimizer) -> list[Attachment]:
    """Return the attachments of an optimizer, oldest first."""
    hooks = optimizer._optimizer_step_post_hooks.values()
    owners = [getattr(hook, "__self__", None) for hook in hooks]
    return [owner for owner in owners if isinstance(owner, Attachment)]


def groups_of(optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Any]]:
    """Return the parameter group of each of an optimizer's parameters, by the parameter's id."""
    return {id(p): group for group in optimizer.param_groups for p in group["params"]}
