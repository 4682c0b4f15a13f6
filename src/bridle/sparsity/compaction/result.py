"""``Compacted``: the smaller module, the sizes of its layers, and why units were kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

__all__ = ["Compacted", "CompactedLayer", "count_parameters", "keeps_dead"]


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters; shared ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def keeps_dead(count: int, noun: str) -> str:
    """Return "keeps 1 dead unit", "keeps 2 dead units"."""
    return f"keeps {count} dead {noun}{'s' * (count > 1)}"


@dataclass(frozen=True)
class CompactedLayer:
    """The size of one layer before and after.

    Attributes
    ----------
    name : str
        The layer's qualified name in the model that was given; empty for the model itself.
    kind : str
        Its class.
    units_before, units_after : int
        Outputs of a Linear, channels of a Conv2d, the width of an Embedding, heads of attention.
    inputs_before, inputs_after : int
        Inputs, input channels, the indices of an Embedding, the width that attention reads.
    dead_inputs : tuple of int
        The model inputs for which all weights of this layer are zero.
    """

    name: str
    kind: str
    units_before: int
    units_after: int
    inputs_before: int
    inputs_after: int
    dead_inputs: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Compacted:
    """A smaller module with the same predictions as the given one.

    Attributes
    ----------
    model : torch.nn.Module
        A new module, each part of which is in the training mode that it had. Its parameters are
        new ones: an optimizer that was made before does not have them.
    layers : tuple of CompactedLayer
        Every Linear, Conv2d, Embedding and attention in the forward pass, in its order.
    kept : tuple of str
        One line for each layer that could not shrink, with the reason.
    parameters_before, parameters_after : int
        The number of parameters.
    """

    model: nn.Module
    layers: tuple[CompactedLayer, ...]
    kept: tuple[str, ...]
    parameters_before: int
    parameters_after: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything except the module, as JSON values."""
        return {
            "parameters_before": self.parameters_before,
            "parameters_after": self.parameters_after,
            "layers": [
                {**asdict(layer), "dead_inputs": list(layer.dead_inputs)} for layer in self.layers
            ],
            "kept": list(self.kept),
        }

    def __str__(self) -> str:
        rows = [("layer", "kind", "units", "inputs")]
        rows += [
            (
                layer.name or "(the model)",
                layer.kind,
                _change(layer.units_before, layer.units_after),
                _change(layer.inputs_before, layer.inputs_after),
            )
            for layer in self.layers
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines.append(f"parameters: {_change(self.parameters_before, self.parameters_after)}")
        return "\n".join([*lines, *self.kept])


def _change(before: int, after: int) -> str:
    return f"{before}" if before == after else f"{before} → {after}"
