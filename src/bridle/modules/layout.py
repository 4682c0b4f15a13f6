"""Which axes of a weight belong to one unit, read from the module that holds the weight."""

from __future__ import annotations

from torch import nn

from bridle.errors import UsageError
from bridle.networks.population import Network
from bridle.penalties import Annealed, GroupLasso, MaxNorm, Penalty
from bridle.penalties.annealing import inside

__all__ = ["placed"]

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_FIRST_AXIS_IS_UNITS = (
    nn.Linear,
    nn.Bilinear,
    nn.Embedding,
    nn.EmbeddingBag,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.RNNBase,
    nn.RNNCellBase,
    nn.MultiheadAttention,
)


def placed(
    rule: Penalty | Annealed, name: str, module: nn.Module, axes: int, holder: nn.Module
) -> Penalty | Annealed:
    """Return a rule with the rows of a module's weight, if it needs rows and names no axes.

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
    return inside(rule, lambda penalty: _with_rows(penalty, name, module, axes, holder))


def _with_rows(
    rule: Penalty, name: str, module: nn.Module, axes: int, holder: nn.Module
) -> Penalty:
    if not isinstance(rule, GroupLasso | MaxNorm):
        return rule
    if rule.dim is not None:
        chosen = [rule.dim] if isinstance(rule.dim, int) else rule.dim
        if not all(-axes <= axis < axes for axis in chosen):
            raise UsageError(f"{rule} does not fit {name}, which has {axes} axes: give others")
        return rule
    if isinstance(module, nn.ParameterList) and isinstance(holder, Network):
        return rule  # bridle's [members, in, out]
    kind = type(module).__name__
    if isinstance(module, _TRANSPOSED):  # [in, out / groups, ...]
        return rule.along((0, *range(2, axes)), blocks=module.groups)
    if kind == "Conv1D" and axes == 2:  # [in, out], in transformers
        return rule.along((0,))
    if axes == 2 or (axes > 2 and isinstance(module, _FIRST_AXIS_IS_UNITS)):
        return rule.along(tuple(range(1, axes)))
    example = f"{type(rule).__name__}(…, dim=-1)"
    raise UsageError(
        f"bridle does not know which axes of {name}, {axes} of a {kind}, belong to one unit: say "
        f"it, such as {example}, or leave {name} out of the rules"
    )
