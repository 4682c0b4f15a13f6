"""``SparsityTarget``: a target sparsity that acts through an optimizer's step hooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridle.modules.bound import BoundWeights
from bridle.modules.joint import Joint
from bridle.modules.joint_weights import gather, scatter
from bridle.modules.step_hooks import was_skipped
from bridle.penalties import Grouping, Sparsity
from bridle.penalties.sparse_weights import SparseWeights

__all__ = ["SparsityTarget"]


class SparsityTarget:
    """A :class:`bridle.Sparsity` on parameters of a model, at every step of an optimizer.

    :func:`bridle.attach` makes it; it is in ``attachment.sparsity``. It has no state but the number
    of steps, and the groups that it chose last: these stay zero.

    Attributes
    ----------
    rule : Sparsity
    joint : Joint or None
        The selector, if its groups are of several weights.

    Examples
    --------
    >>> import torch, bridle
    >>> model = torch.nn.Linear(4, 5)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> rule = bridle.Sparsity(0.4, groups="units", ramp=2)
    >>> target = bridle.attach(optimizer, {"weight": rule}, model=model).sparsity[0]
    >>> for _ in range(2):
    ...     model(torch.ones(1, 4)).sum().backward()
    ...     optimizer.step()
    >>> target, round(target.reached, 6), target.zero_groups
    (Sparsity(0.4, ramp=2, groups='units'), 0.4, {'weight': 2})
    """

    def __init__(self, rule: Sparsity, bound: BoundWeights, joint: Joint | None = None) -> None:
        self.rule = rule
        self.joint = joint
        self._bound = bound
        weights: Sequence[Tensor] = [*bound.parameters.values()]
        groupings = [*bound.groupings.values()]
        if joint is not None:  # the groups are the rows of a table, a copy
            weights, groupings = [gather(bound)], [Grouping.rows()]
        self._weights = SparseWeights(rule, weights, groupings)

    def __repr__(self) -> str:
        return repr(self.rule)

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """The selected weights, by qualified name."""
        return self._bound.parameters

    @property
    def groupings(self) -> dict[str, Grouping]:
        """The groups of each weight."""
        return self._bound.groupings

    @property
    def step(self) -> int:
        """The number of optimizer steps since the attachment."""
        return self._weights.step

    @step.setter
    def step(self, value: int) -> None:
        self._weights.moved_to(value)

    @property
    def threshold(self) -> float:
        """The largest root mean square of a group that was set to zero by the last choice.

        With ``shrink`` and SGD, divided by the learning rate it is λ.
        """
        return self._weights.threshold

    @property
    def due(self) -> float:
        """The share of zero weights that is due now."""
        return self.rule.due(self.step)

    @property
    def phase(self) -> str:
        """The phase of the last step: "dense", "ramp" or "healing"."""
        return self.rule.phase(self.step)

    @property
    def reached(self) -> float:
        """The share of exact zeros in the selected weights; of joint groups, in groups of zeros."""
        if self.joint is None:
            return self._weights.reached
        (zero,) = self.zero_masks
        return float(zero.double().mean())

    @property
    def tolerance(self) -> float:
        """How far the share may be off: by one group, or with ``global_=False`` one a tensor."""
        sizes = self._weights.sizes
        total = sum(w.numel() for w in self._weights.weights)
        return (max(sizes) if self.rule.global_ else sum(sizes)) / total

    @property
    def zeros(self) -> dict[str, float]:
        """The share of exact zeros in each selected weight."""
        return {name: float((w == 0).double().mean()) for name, w in self.parameters.items()}

    @property
    def zero_masks(self) -> list[Tensor]:
        """Whether each group is zero, for each selected weight; for all at once of joint groups."""
        self._refresh()
        return self._weights.zero_groups()

    @property
    def zero_groups(self) -> dict[str, int]:
        """The number of groups of zeros in each selected weight, or of joint groups."""
        counts = [int(each.sum()) for each in self.zero_masks]
        if self.joint is not None:
            counts *= len(self.parameters)
        return dict(zip(self.parameters, counts, strict=True))

    def _refresh(self) -> None:
        """Copy the weights to the table of joint groups."""
        if self.joint is not None:
            self._weights.weights[0] = gather(self._bound)

    def before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:  # noqa: ARG002
        """Remember the groups that must stay zero in this step."""
        self._bound.refuse_replaced(self.rule)
        self._refresh()
        self._weights.before_step()

    @torch.compiler.disable(reason="zeros are chosen outside of the graph")  # type: ignore[untyped-decorator]
    @torch.no_grad()
    def after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Set the groups that are due to zero, or keep those that were."""
        if was_skipped(optimizer):
            return
        self._refresh()
        self._weights.after_step()
        if self.joint is not None:
            moved = scatter(self._weights.weights[0], self._bound)
            for w, value in zip(self.parameters.values(), moved, strict=True):
                w.copy_(value)
