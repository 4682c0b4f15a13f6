"""``Joint``: a selector of several weights whose groups are joined, group by group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from bridle.errors import UsageError
from bridle.penalties import Grouping
from bridle.penalties.groupings import as_grouping

__all__ = ["Joint"]


@final
class Joint:
    """Weights whose groups go together: group i is group i of each of them.

    Give it to :func:`bridle.attach` or :func:`bridle.regularize` in place of a selector. Its rules
    are penalties of the groups that it joins: ``GroupLasso(λ)``, ``Grouped(φ, "joint")``,
    ``SparseGroupLasso(l1, group, "joint")``; or ``Sparsity(target, groups="joint", ramp=...)``. A
    group has one norm, over all its weights, and becomes zero as a whole.

    ==================================== ========================================================
    A group is                           Parts
    ==================================== ========================================================
    a hidden unit: what enters it, its   ``{"0.weight": "units", "0.bias": "units",``
    bias, and what leaves it             ``"2.weight": "inputs"}``
    a feature, read by several layers    ``{"towers.*.0.weight": "inputs"}``
    a head of ``MultiheadAttention``     ``{"attn.in_proj_weight": "heads",``
                                         ``"attn.out_proj.weight": "heads"}``
    a residual branch                    ``{"block.branch.*weight": "whole",``
                                         ``"block.branch.*bias": "whole"}``
    a channel that ``Flatten`` reads     ``{"conv.weight": "units",``
                                         ``"fc.weight": Grouping.heads(channels, side="inputs")}``
    ==================================== ========================================================

    Of a vector, such as a bias or the γ of a normalization, ``"units"`` is one group for each
    entry.

    Parameters
    ----------
    parts : mapping of selector to Grouping or str
        The groups of each weight. A selector may match several weights, each of which is a part.

    Raises
    ------
    UsageError
        If there are no parts, or there is no grouping of that name. :func:`bridle.attach` raises it
        if the parts have different numbers of groups, and if a weight is frozen, distributed,
        computed from others, or in two parts.

    Examples
    --------
    >>> import torch, bridle
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> units = bridle.Joint({"0.weight": "units", "0.bias": "units", "2.weight": "inputs"})
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> rule = bridle.Sparsity(0.75, groups="joint", ramp=10)
    >>> attached = bridle.attach(optimizer, {units: rule}, model=model)
    >>> for _ in range(10):
    ...     model(torch.randn(5, 4)).square().mean().backward()
    ...     optimizer.step()
    >>> print(bridle.compact(model, torch.randn(5, 4)))
    layer  kind    units  inputs
    0      Linear  8 → 2  4
    2      Linear  2      8 → 2
    parameters: 58 → 16
    layer '2' keeps its 2 units: the model returns them
    """

    def __init__(self, parts: Mapping[Any, Grouping | str]) -> None:
        if not hasattr(parts, "items") or not parts:
            raise UsageError(
                f"the parts of Joint are {parts!r}; give a mapping such as "
                "{'0.weight': 'units', '2.weight': 'inputs'}"
            )
        self.parts = tuple((selector, as_grouping(groups)) for selector, groups in parts.items())
        if any(groups.name == "joint" for _, groups in self.parts):
            raise UsageError(f"{self} joins 'joint' groups; give those of each part, as 'units'")

    def __repr__(self) -> str:
        shown = ", ".join(f"{selector!r}: {groups.shown}" for selector, groups in self.parts)
        return f"Joint({{{shown}}})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Joint) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)
