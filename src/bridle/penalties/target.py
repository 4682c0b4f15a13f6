"""``Sparsity``: a share of zero weights to reach, in place of a strength."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from bridle.errors import UsageError, flag_of
from bridle.penalties.annealing import Annealed
from bridle.penalties.groupings import Grouping, as_grouping
from bridle.penalties.protocol import Penalty, is_number
from bridle.schedules import CubicSchedule, StepSchedule

__all__ = ["Sparsity"]


@final
class Sparsity:
    """A rule that sets a given share of the weights to exactly zero, by the end of a ramp.

    Give it to :func:`bridle.attach` or :func:`bridle.regularize` in place of a penalty, or beside
    penalties. After each step of the optimizer it sets the groups of smallest norm to zero, as many
    as are due: ``target (1 - (1 - t)³)`` of the weights, where t goes from 0 to 1 over the ramp
    (Zhu & Gupta 2017). So there is no strength to choose, and the result is exact to one group.

    During the ramp, a group that is zero returns if a step makes it large enough. Afterwards the
    zeros are frozen, and the other weights train on without ``penalty``, which removes its
    shrinkage (debiasing): train for a while after the ramp.

    With ``shrink``, the smallest groups become zero by a soft threshold, which shrinks all others
    too: each step is the proximal step of L1 (of the group lasso) whose λ makes as many zeros as
    are due. Such a run follows the path of the lasso to the target, and ``shrink`` ends with the
    ramp.

    Parameters
    ----------
    target : float
        The share of zero weights to reach, 0 or more and below 1.
    ramp : int
        The number of optimizer steps until the target is reached.
    groups : Grouping or str
        What is set to zero together; see :class:`bridle.Grouping`. Groups of different sizes
        compare by their root mean square.
    begin : int
        The number of steps before the ramp.
    every : int
        Groups are chosen anew every so many steps; in between, zeros stay.
    global_ : bool
        Whether the share is of all selected weights together, or of each tensor. In both cases
        the largest group of each tensor stays; of groups that are whole tensors, the largest one.
    freeze : bool
        Whether zeros stay after the ramp. With False, the groups are chosen anew to the end.
    penalty : Penalty, optional
        Acts on the selected weights until the ramp ends.
    shrink : bool
        Whether the threshold is soft.

    Raises
    ------
    UsageError
        If an argument is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> model = torch.nn.Linear(10, 10)
    >>> optimizer = torch.optim.Adam(model.parameters())
    >>> rule = bridle.Sparsity(target=0.8, ramp=20)
    >>> attached = bridle.attach(optimizer, {"weight": rule}, model=model)
    >>> for _ in range(30):
    ...     model(torch.randn(4, 10)).square().mean().backward()
    ...     optimizer.step()
    >>> round(attached.sparsity[0].reached, 6), int((model.weight == 0).sum())
    (0.8, 80)
    """

    def __init__(
        self,
        target: float,
        *,
        ramp: int,
        groups: Grouping | str = "elements",
        begin: int = 0,
        every: int = 1,
        global_: bool = True,
        freeze: bool = True,
        penalty: Penalty | None = None,
        shrink: bool = False,
    ) -> None:
        if not is_number(target) or not 0 <= target < 1:
            raise UsageError(
                f"target is {target!r}; it must be a share of zeros: 0 or more, below 1"
            )
        for name, value, least in (("ramp", ramp, 1), ("begin", begin, 0), ("every", every, 1)):
            if type(value) is not int or value < least:
                raise UsageError(f"{name} is {value!r}; give a number of steps, {least} or more")
        plain = penalty is None or (isinstance(penalty, Penalty) and not isinstance(penalty, type))
        if not plain:
            raise UsageError(f"penalty is {penalty!r}; give one such as bridle.L1(1e-4), or None")
        self.target = float(target)
        self.groups = as_grouping(groups)
        self.ramp, self.begin, self.every = ramp, begin, every
        self.global_, self.freeze = flag_of("global_", global_), flag_of("freeze", freeze)
        self.penalty, self.shrink = penalty, flag_of("shrink", shrink)
        self._share = CubicSchedule(0.0, 1.0, steps=ramp, begin=begin)

    def __repr__(self) -> str:
        given = {
            "ramp": self.ramp,
            **({} if self.groups == Grouping.elements() else {"groups": self.groups.shown}),
            **({"begin": self.begin} if self.begin else {}),
            **({"every": self.every} if self.every > 1 else {}),
            **({} if self.global_ else {"global_": False}),
            **({} if self.freeze else {"freeze": False}),
            **({} if self.penalty is None else {"penalty": repr(self.penalty)}),
            **({"shrink": True} if self.shrink else {}),
        }
        shown = "".join(f", {name}={text}" for name, text in given.items())
        return f"Sparsity({self.target:g}{shown})"

    @property
    def end(self) -> int:
        """The number of steps after which the target is reached."""
        return self.begin + self.ramp

    def due(self, steps: int) -> float:
        """Return the share of zeros that is due after a number of steps."""
        return self.target * self._share(steps)

    def phase(self, steps: int) -> str:
        """Return the phase of a step, by the number of steps after it.

        "dense" before the ramp, "ramp", and then "healing".
        """
        return "dense" if steps <= self.begin else "ramp" if steps <= self.end else "healing"

    def chooses(self, steps: int) -> bool:
        """Whether the groups are chosen anew after a step, by the number of steps after it."""
        if steps <= self.begin or (self.freeze and steps > self.end):
            return False
        return steps == self.end or (steps - self.begin) % self.every == 0

    def last_choice(self, steps: int) -> int | None:
        """Return after which of so many steps the groups were last chosen, or None."""
        last = min(steps, self.end) if self.freeze else steps
        regular = last - (last - self.begin) % self.every
        found = [at for at in (regular, self.end) if self.begin < at <= last]
        return max(found, default=None)

    def rule(self) -> Annealed | None:
        """Return the penalty of the ramp as a rule that ends with it, or None."""
        if self.penalty is None:
            return None
        rule = Annealed(self.penalty, StepSchedule({0: 1.0, self.end: 0.0}))
        rule.of_ramp = True  # acts beside other penalties of its class
        return rule

    def check_reachable(self, weights: Sequence[Tensor], groupings: Sequence[Grouping]) -> None:
        """Raise a UsageError if the target is out of reach, as one group of each tensor stays.

        Raises
        ------
        UsageError
            If the largest possible share is more than one group below the target, or if there is
            only one group.
        """
        if not self.target:
            return
        pairs = list(zip(weights, groupings, strict=True))
        for part in [pairs] if self.global_ else [[pair] for pair in pairs]:
            sizes = [groups.size(w) for w, groups in part]
            total = sum(w.numel() for w, _ in part)
            kept = [
                size for size, (_, groups) in zip(sizes, part, strict=True) if not _is_whole(groups)
            ] or [min(sizes)]
            most = 1 - sum(kept) / total
            if most <= 0:
                raise UsageError(
                    f"{self} would choose among single groups, and one group stays: with "
                    "global_=False or one weight, choose groups that are smaller than the weight, "
                    "or leave out weights of one unit"
                )
            if self.target > most + max(sizes) / total:
                raise UsageError(
                    f"the target of {self} is out of reach: one group of each weight stays, so at "
                    f"most {most:.4g} of {total} weights can be zero; lower the target, or choose "
                    "smaller groups"
                )

    # ------------------------------------------------------------------------------- the selection

    def thresholds(
        self, weights: Sequence[Tensor], groupings: Sequence[Grouping], steps: int
    ) -> list[tuple[Tensor, float]]:
        """Return which groups are due to be zero, and the threshold.

        Parameters
        ----------
        weights : sequence of Tensor
        groupings : sequence of Grouping
            The groups of each weight.
        steps : int
            The number of steps so far.

        Returns
        -------
        list of tuple
            For each weight, whether each group is due, shaped like the norms; and the largest root
            mean square of those groups, of all weights with ``global_``.
        """
        sizes = [groups.size(w) for w, groups in zip(weights, groupings, strict=True)]
        scores = [
            groups.norms(w) / size**0.5
            for w, groups, size in zip(weights, groupings, sizes, strict=True)
        ]
        share = self.due(steps)
        if self.global_:
            return _smallest(scores, sizes, share, [not _is_whole(each) for each in groupings])
        pairs = zip(scores, sizes, strict=True)
        return [_smallest([score], [size], share, [True])[0] for score, size in pairs]

    def apply(
        self, weights: Sequence[Tensor], groupings: Sequence[Grouping], steps: int
    ) -> list[tuple[Tensor, float]]:
        """Set the groups that are due to zero, in place; return them as :meth:`thresholds` does."""
        found = self.thresholds(weights, groupings, steps)
        soft = self.shrink and steps <= self.end
        for w, groups, (due, threshold) in zip(weights, groupings, found, strict=True):
            if soft:
                norms = groups.norms(w)
                limit = threshold * groups.size(w) ** 0.5
                # no more than are due: equals, and the largest of a small tensor, stay
                groups.scale(w, torch.where(norms > limit, 1 - limit / norms, 1.0))
            groups.clear(w, due)  # a NaN or an infinity times zero is no zero
        return found


def _is_whole(groups: Grouping) -> bool:
    return groups == Grouping.whole()


def _smallest(
    scores: Sequence[Tensor], sizes: Sequence[int], share: float, one_stays: Sequence[bool]
) -> list[tuple[Tensor, float]]:
    """Return the smallest scores that make up a share of the weights, to the nearest group.

    The largest group of each tensor stays, where ``one_stays``: a layer of zeros lets nothing
    through. If that is so for no tensor, the largest of all stays.
    """
    device = scores[0].device
    flat = torch.cat([score.flatten().to(device) for score in scores])
    counts = [score.numel() for score in scores]
    begin = 0
    if not any(one_stays):
        flat[flat.argmax()] = torch.inf
    for score, count, stays in zip(scores, counts, one_stays, strict=True):
        if stays:
            flat[begin + int(score.argmax())] = torch.inf
        begin += count
    due = _lowest(flat, counts, sizes, share)
    threshold = float(flat[due].max()) if bool(due.any()) else 0.0
    parts = zip(due.split(counts), scores, strict=True)
    return [(part.view(score.shape).to(score.device), threshold) for part, score in parts]


def _kth(flat: Tensor, count: int) -> float:
    """Return the value of that rank; on a CPU, NumPy partitions faster than torch."""
    if flat.device.type == "cpu":
        return float(np.partition(flat.detach().numpy(), count - 1)[count - 1])
    return float(flat.kthvalue(count).values)


def _lowest(flat: Tensor, counts: list[int], sizes: Sequence[int], share: float) -> Tensor:
    """Return whether each score is among the lowest that make up a share of the weights."""
    due = torch.zeros_like(flat, dtype=torch.bool)
    if len(set(sizes)) == 1:  # without sorting, which takes several times as long
        most = int(flat.isfinite().sum())
        count = min(max(math.ceil(share * len(flat) - 0.5), 0), most)
        if count:
            last = _kth(flat, count)
            due = flat < last
            due[(flat == last).nonzero()[: count - int(due.sum())]] = True
        return due
    repeats = torch.tensor(counts, device=flat.device)
    each = torch.tensor(sizes, dtype=torch.float64, device=flat.device).repeat_interleave(repeats)
    order = flat.argsort(stable=True)
    before = each[order].cumsum(0) - 0.5 * each[order]
    chosen = (before < share * float(each.sum())) & flat[order].isfinite()
    return due.scatter(0, order, chosen)
