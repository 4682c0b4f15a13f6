"""``Plan``: which units of a model go together, what reads them, and what must be cut with them."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, fx

from bridle.sparsity.compaction.steps import Place, Step
from bridle.sparsity.compaction.wires import Units

__all__ = ["Group", "Plan", "Reader"]


@dataclass(frozen=True)
class Reader:
    """Columns of a weight that read units; constants can be folded into the bias if ``folds``.

    ``rows`` is the part of the weight, and ``source`` the node that it reads.
    """

    target: str
    weight: str
    bias: str
    rows: slice
    ids: Tensor
    source: Place
    folds: bool = True


@dataclass(frozen=True)
class Group:
    """Attention heads: one unit of each query head, and of each key/value head."""

    queries: Tensor
    """``[groups, query heads a group]``."""
    shared: Tensor
    """``[groups]``; the same units as the queries, if each has its own keys and values."""


@dataclass
class Plan:
    """What can be removed from a model; modules have their names under the root.

    Attributes
    ----------
    layers : dict
        Each layer's units and inputs (or None), in the order of the forward pass.
    ids : dict
        The units in the output of each node.
    readers : list of Reader
    mixers : list
        Ids that a norm over the units reads, the node that it reads, and the norm's name: only
        zeros can go.
    steps : list of Step
        In the order of the forward pass.
    cuts : dict
        The ids along axes of parameters and buffers: (module, name, axis).
    pins : list
        Ids that must stay, and why.
    groups : dict
        The heads of each attention module.
    norms : dict
        The ids of each norm over the units.
    first : set of str
        Layers that read the model's input, so that their inputs can be selected.
    recorded : bool
        Whether the graph was recorded, so that sizes are numbers whatever they come from.
    others : list of str
        One line for each module with parameters that compaction does not support.
    """

    units: Units = field(default_factory=Units)
    layers: dict[str, tuple[Tensor, Tensor | None]] = field(default_factory=dict)
    ids: dict[Place, Tensor] = field(default_factory=dict)
    readers: list[Reader] = field(default_factory=list)
    mixers: list[tuple[Tensor, fx.Node, str]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    cuts: dict[tuple[str, str, int], Tensor] = field(default_factory=dict)
    pins: list[tuple[Tensor, str]] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)
    norms: dict[str, Tensor] = field(default_factory=dict)
    first: set[str] = field(default_factory=set)
    recorded: bool = False
    others: list[str] = field(default_factory=list)
