"""Which axes of a weight belong to one unit, read from the module that holds the weight."""

from __future__ import annotations

from typing import Any

from torch import nn

from bridle.errors import UsageError
from bridle.networks.population import Network
from bridle.penalties import (
    Annealed,
    Grouped,
    Grouping,
    GroupLasso,
    MaxNorm,
    NOfM,
    Penalty,
    SparseGroupLasso,
)
from bridle.penalties.annealing import inside
from bridle.penalties.groupings import Split
from bridle.penalties.members import groups_of_members, of_members

__all__ = ["groups_in", "is_own", "placed"]

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_FIRST_AXIS_IS_UNITS = (
    nn.Linear,
    nn.Bilinear,
    nn.Embedding,
    nn.EmbeddingBag,
    *_CONVOLUTIONS,
    nn.RNNBase,
    nn.RNNCellBase,
    nn.MultiheadAttention,
)


def placed(
    rule: Penalty | Annealed, name: str, module: nn.Module, axes: int, holder: nn.Module
) -> Penalty | Annealed:
    """Return a rule with the groups of a module's weight, if the module decides which they are.

    Parameters
    ----------
    rule : Penalty or Annealed
    name : str
        The weight's qualified name, for errors.
    module : torch.nn.Module
        The module that uses the weight.
    axes : int
        The number of the weight's axes.
    holder : torch.nn.Module
        The module around it.

    Raises
    ------
    UsageError
        If the axes are not known, or if ``dim`` is not an axis of the weight.
    """
    return inside(rule, lambda penalty: _with_groups(penalty, name, module, axes, holder))


def _with_groups(
    rule: Penalty, name: str, module: nn.Module, axes: int, holder: nn.Module
) -> Penalty:
    own = is_own(module, holder)
    if isinstance(rule, GroupLasso | MaxNorm):
        if rule.dim is None:  # of bridle's [members, in, out], rows and columns are known
            groups = Grouping.units()
            return rule if own else rule.by(_bound(groups, rule, name, module, axes, holder))
        chosen = [rule.dim] if isinstance(rule.dim, int) else rule.dim
        if not all(-axes <= axis < axes for axis in chosen):
            raise UsageError(f"{rule} does not fit {name}, which has {axes} axes: give others")
    elif own:
        return of_members(rule)
    elif isinstance(rule, Grouped | SparseGroupLasso):
        return rule.by(_bound(rule.groups, rule, name, module, axes, holder))
    elif isinstance(rule, NOfM) and rule.dim is None:  # along the inputs
        inputs_first = isinstance(module, _TRANSPOSED) or type(module).__name__ == "Conv1D"
        axis = 0 if inputs_first else 1 if isinstance(module, _CONVOLUTIONS) else -1
        return NOfM(rule.n, rule.m, dim=axis)
    return rule


def is_own(module: nn.Module, holder: nn.Module) -> bool:
    """Whether a weight is one of bridle's own, ``[members, in, out]``."""
    return isinstance(module, nn.ParameterList) and isinstance(holder, Network)


def groups_in(
    groups: Grouping, name: str, module: nn.Module, axes: int, holder: nn.Module
) -> Grouping:
    """Return a grouping with the axes that it has in a module's weight.

    Parameters
    ----------
    groups : Grouping
    name, module, axes, holder
        As in :func:`placed`.

    Raises
    ------
    UsageError
        If the axes are not known.
    """
    return _bound(groups, groups, name, module, axes, holder)


def _bound(
    groups: Grouping, rule: Any, name: str, module: nn.Module, axes: int, holder: nn.Module
) -> Grouping:
    if is_own(module, holder):
        return groups_of_members(groups)
    if not groups.by_module:
        return groups
    if groups.name == "heads":
        return _heads(name, module, holder)
    units = groups.name == "units"
    kind = type(module).__name__
    rest = tuple(range(2, axes))
    blocks = getattr(module, "groups", 1)
    if isinstance(module, _TRANSPOSED):  # [in, out / groups, ...]
        if not units:
            return Grouping.along((1, *rest))
        return _within(blocks, rest) if blocks > 1 else Grouping.along((0, *rest))
    if kind == "Conv1D" and axes == 2:  # [in, out], in transformers
        return Grouping.along(0 if units else 1)
    if axes == 2 or (axes > 2 and isinstance(module, _FIRST_AXIS_IS_UNITS)):
        if units or isinstance(module, nn.Embedding | nn.EmbeddingBag):  # an entry is one input
            return Grouping.along((1, *rest))
        grouped = isinstance(module, _CONVOLUTIONS) and blocks > 1
        return _within(blocks, rest) if grouped else Grouping.along((0, *rest))
    example = f"{type(rule).__name__}(…, dim=-1)"
    if isinstance(rule, Grouped | SparseGroupLasso | Grouping):
        example = "groups=Grouping.along(-1)"
    raise UsageError(
        f"bridle does not know which axes of {name}, {axes} of a {kind}, belong to one "
        f"{'unit' if units else 'input'}: say it, such as {example}, or leave {name} out of the "
        "rules"
    )


def _within(blocks: int, rest: tuple[int, ...]) -> Grouping:
    """Return groups along the first axis, within the blocks of a grouped convolution."""
    return Grouping("axes", rest, (Split(0, (blocks, -1), (1,)),))


def _heads(name: str, module: nn.Module, holder: nn.Module) -> Grouping:
    last = name.rpartition(".")[2]
    if isinstance(module, nn.MultiheadAttention) and last.endswith("proj_weight"):
        return Grouping.heads(module.num_heads, parts=3 if last == "in_proj_weight" else 1)
    if isinstance(holder, nn.MultiheadAttention):
        return Grouping.heads(holder.num_heads, side="inputs")
    raise UsageError(
        f"bridle does not know the heads of {name}: give their number, Grouping.heads(8), with "
        "parts=3 if the weight holds queries, keys and values, or side='inputs' for the output "
        "projection"
    )
