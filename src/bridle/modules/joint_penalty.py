"""``JointPenalty``: penalties of groups of several weights, at every step of an optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.modules.bound import BoundWeights
from bridle.modules.joint import Joint
from bridle.modules.joint_weights import gather, scatter
from bridle.modules.optimizers import groups_of
from bridle.modules.rules import plain
from bridle.modules.step_hooks import was_skipped, with_gradients
from bridle.penalties import (
    Annealed,
    Grouped,
    Grouping,
    GroupLasso,
    Penalty,
    Scaled,
    SparseGroupLasso,
    at_step,
    check_application,
)
from bridle.penalties.annealing import inside
from bridle.penalties.application import step_of
from bridle.penalties.overlaps import in_order, l2_of, shortened
from bridle.penalties.protocol import takes_steps, wide_type

__all__ = ["JointPenalty", "check_joint_rule"]

Rule = Penalty | Annealed
Held = dict[int, dict[str, Any]]
"""The parameter groups of an optimizer, by the identity of their weights."""


class JointPenalty:
    """Penalties of joint groups; :func:`bridle.attach` makes it. ``attachment.joint`` has all.

    It acts after the penalties of single weights, whose constraints it keeps, as it shortens
    groups and leaves their direction. An L2 of a single weight acts before it, too, and does not
    shorten its step: the step of their sum would be smaller by the factor 1 / (1 + step λ).

    Attributes
    ----------
    joint : Joint
    rules : tuple of Penalty or Annealed
        As they were given.
    parameters : dict of str to Parameter
        The weights that are joined, by qualified name.
    groupings : dict of str to Grouping
        The groups of each weight.
    step : int
        The number of optimizer steps since the attachment.

    Examples
    --------
    >>> import torch, bridle
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    >>> units = bridle.Joint({"0.weight": "units", "1.weight": "inputs"})
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> attached = bridle.attach(optimizer, {units: bridle.GroupLasso(0.5)}, model=model)
    >>> print(attached)
    0.weight, 1.weight  GroupLasso(0.5) of Joint({'0.weight': 'units', '1.weight': 'inputs'})
    """

    def __init__(
        self,
        joint: Joint,
        rules: Sequence[Rule],
        bound: BoundWeights,
        *,
        mode: str,
        metric: str,
    ) -> None:
        self.joint, self.rules, self.bound = joint, tuple(rules), bound
        self.mode, self.metric = mode, metric
        self.step = 0
        self._of_rows = tuple(inside(rule, _of_rows) for rule in self.rules)

    def __repr__(self) -> str:
        return f"{', '.join(map(str, self.rules))} of {self.joint}"

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """The weights that are joined, by qualified name."""
        return self.bound.parameters

    @property
    def groupings(self) -> dict[str, Grouping]:
        """The groups of each weight."""
        return self.bound.groupings

    @property
    def acting(self) -> tuple[Penalty, ...]:
        """The penalties of the next step, as penalties of the rows of a table of the groups."""
        return self.acting_at(self.step)

    def acting_at(self, step: int) -> tuple[Penalty, ...]:
        """Return the penalties of a step, as penalties of the rows of a table of the groups."""
        return at_step(self._of_rows, step)

    def parts_of(self, name: str) -> list[Penalty]:
        """Return the penalties as penalties of one weight, whose groups are parts of the joint."""
        return [_by(plain(rule), self.groupings[name]) for rule in self.rules]

    def table_like(self) -> Tensor:
        """Return a tensor without values that is shaped like the table ``[groups, size]``."""
        sizes = [groups.size(self.parameters[name]) for name, groups in self.groupings.items()]
        count = sum(w.numel() for w in self.parameters.values()) // sum(sizes)
        return torch.empty(count, sum(sizes), device="meta")

    def refuse_shapes(self) -> None:
        """Raise a UsageError if a penalty does not fit the number of groups."""
        for penalty in self.acting:
            try:
                penalty.value(self.table_like())
            except UsageError as error:
                raise UsageError(f"{self}: {error}") from None

    def value(self) -> Tensor:
        """Return R(w): a differentiable scalar."""
        pairs = zip(self.groupings.values(), self.parameters.values(), strict=True)
        table = torch.cat([groups.table(w) for groups, w in pairs], 1)
        return torch.stack([penalty.value(table) for penalty in self.acting]).sum()

    def gradients(self) -> list[Tensor]:
        """Return the gradient with respect to each weight."""
        table = gather(self.bound)
        parts = [penalty.gradient(table) for penalty in self.acting]
        return scatter(torch.stack(parts).sum(0), self.bound)

    def moved(self, step: float | Tensor) -> list[Tensor]:
        """Return the weights after the proximal steps, of the size that :meth:`step_size` gives."""
        table = gather(self.bound)
        acting = self.acting
        l2 = [penalty for penalty in acting if penalty.elastic is not None]
        for penalty in [*l2, *in_order(acting, table, per_weight=isinstance(step, Tensor))]:
            table = penalty.prox(table, step)
            step = shortened(step, l2_of(penalty), table)
        return scatter(table, self.bound)

    def step_size(self, optimizer: torch.optim.Optimizer, held: Held) -> float | Tensor:
        """Return the step size: one number, or ``[groups, size]`` if the weights differ in it.

        ``held`` is what :func:`groups_of` returns for the optimizer.

        Raises
        ------
        UsageError
            If step sizes differ, and a penalty has no such step.
        """
        weights = self.parameters.values()
        steps = [step_of(optimizer, held[id(w)], w, self.metric) for w in weights]
        numbers = {step for step in steps if not isinstance(step, Tensor)}
        if len(numbers) == 1 and not any(isinstance(step, Tensor) for step in steps):
            return numbers.pop()
        for rule in self._of_rows:
            if not takes_steps(plain(rule)):
                shown = ", ".join(f"{rate:g}" for rate in sorted(numbers))
                raise UsageError(
                    f"{self} joins weights with different step sizes ({shown}), for which "
                    f"{rule} has no closed-form proximal step: give the weights one learning rate, "
                    "use GroupLasso, or mode='coupled'"
                )
        return gather(
            self.bound,
            [
                step
                if isinstance(step, Tensor)
                else torch.full_like(w, step, dtype=wide_type(w.dtype))
                for w, step in zip(weights, steps, strict=True)
            ],
        )

    def _trained(self, held: Held) -> bool:
        """Whether the optimizer updates the weights in this step: all of them, or none."""
        idle = [name for name, w in self.parameters.items() if w.grad is None or id(w) not in held]
        if idle and len(idle) < len(self.parameters):
            raise UsageError(
                f"{', '.join(idle)} has no gradient in this step, but other weights of its groups "
                f"have: leave it out of {self.joint}, or let the loss depend on it"
            )
        return not idle

    def before_step(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Add the gradients of coupled penalties."""
        self.bound.refuse_replaced(self)
        annealed = any(isinstance(rule, Annealed) for rule in self.rules)
        if self.mode == "proximal" and annealed:  # before the optimizer moves the weights
            in_order(self.acting, self.table_like(), per_weight=self.metric == "adaptive")
        if self.mode != "coupled":
            return None
        return with_gradients(optimizer, args, kwargs, self._add_gradients, self.value)

    @torch.no_grad()
    def _add_gradients(self, optimizer: torch.optim.Optimizer, scale: Tensor | None) -> None:
        held = groups_of(optimizer)
        if not self._trained(held):
            return
        for w, gradient in zip(self.parameters.values(), self.gradients(), strict=True):
            sign = -1 if held[id(w)].get("maximize") else 1
            scaled = gradient if scale is None else gradient * scale
            w.grad = scaled.mul(sign) if w.grad is None else w.grad.add_(scaled, alpha=sign)

    def _shorten(self, step: float | Tensor) -> bool:
        """Multiply the groups in place, without a table, if that is the proximal step."""
        (rule, *others) = self.acting
        factor = rule.factor if isinstance(rule, Scaled) else 1.0
        inner = rule.penalty if isinstance(rule, Scaled) else rule
        if others or isinstance(step, Tensor) or not isinstance(inner, Grouped | GroupLasso):
            return False
        if not factor:
            return True
        pairs = list(zip(self.groupings.values(), self.parameters.values(), strict=True))
        norms = [groups.norms(w) for groups, w in pairs]
        total = torch.stack([each.flatten().square() for each in norms]).sum(0).sqrt()
        factors = inner.factors(total[:, None], step * factor)
        for (groups, w), each in zip(pairs, norms, strict=True):
            groups.scale(w, factors.view_as(each))
        return True

    @torch.compiler.disable(reason="step sizes are read from the optimizer's state")  # type: ignore[untyped-decorator]
    @torch.no_grad()
    def after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Make the proximal steps."""
        if was_skipped(optimizer):
            return
        held = groups_of(optimizer) if self.mode == "proximal" else {}
        if held and self._trained(held):
            step = self.step_size(optimizer, held)
            if not self._shorten(step):
                for w, moved in zip(self.parameters.values(), self.moved(step), strict=True):
                    w.copy_(moved)
        self.step += 1


def _by(penalty: Any, groups: Grouping) -> Penalty:
    other: Penalty = penalty.by(groups)
    return other


def _of_rows(penalty: Penalty) -> Penalty:
    return _by(penalty, Grouping.rows())


def check_joint_rule(joint: Joint, rule: Any, mode: str, metric: str) -> None:
    """Raise a UsageError if a rule is no penalty of joint groups, or cannot act so."""
    inner = plain(rule)
    fits = isinstance(inner, GroupLasso) and inner.dim is None
    fits |= isinstance(inner, Grouped | SparseGroupLasso) and inner.groups.name == "joint"
    if not fits:
        raise UsageError(
            f"{rule} for {joint} is no penalty of its groups: give GroupLasso(1e-3), "
            "Grouped(MCP(1e-3), 'joint'), SparseGroupLasso(1e-4, 1e-3, 'joint') or "
            "Sparsity(0.8, groups='joint', ramp=1000), and other rules by a selector of their own"
        )
    strengths = [getattr(inner, name, None) for name in ("strength", "l1", "group")]
    strengths.append(getattr(getattr(inner, "penalty", None), "strength", None))
    if any(isinstance(each, Tensor) for each in strengths):
        raise UsageError(f"{rule} has a strength for each member; joint groups have one number")
    check_application(at_step([inside(rule, _of_rows)], 0), mode, metric)
