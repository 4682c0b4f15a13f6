"""``Exported``: a module whose Linear layers have another form, and what was left, with reasons."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

__all__ = ["Exported", "ExportedLayer", "bytes_of"]


def bytes_of(module: nn.Module) -> int:
    """Return the bytes of a module's parameters and buffers; shared ones count once."""
    return sum(map(_bytes, [*module.parameters(), *module.buffers()]))


def _bytes(tensor: Tensor) -> int:
    inner = getattr(tensor, "__tensor_flatten__", None)
    if inner is None:
        return tensor.numel() * tensor.element_size()
    parts = [getattr(tensor, name) for name in inner()[0]]
    return sum(part.numel() * part.element_size() for part in parts)


@dataclass(frozen=True)
class ExportedLayer:
    """What became of one Linear layer.

    Attributes
    ----------
    name : str
        Its qualified name; empty for the model itself.
    form : str
        Its new form in words, such as "rank 8".
    inputs, outputs : int
    bytes_before, bytes_after : int
        The bytes of its parameters and buffers.
    error : float
        The norm of the change of its weight, divided by the norm of the weight.
    """

    name: str
    form: str
    inputs: int
    outputs: int
    bytes_before: int
    bytes_after: int
    error: float


@dataclass(frozen=True, eq=False)
class Exported:
    """A new module, of which some Linear layers have another form.

    Attributes
    ----------
    model : torch.nn.Module
        A copy in the training mode of the given model, which is unchanged. An optimizer of the
        given model does not have its parameters.
    layers : tuple of ExportedLayer
        The layers that were converted.
    kept : tuple of str
        One line for each layer that was not, with the reason.
    bytes_before, bytes_after : int
        The bytes of all parameters and buffers.
    error : float
        The norm of the change of the outputs on the example, divided by the norm of the outputs.
    note : str
        What the new layers can and cannot do.
    """

    model: nn.Module
    layers: tuple[ExportedLayer, ...]
    kept: tuple[str, ...]
    bytes_before: int
    bytes_after: int
    error: float
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything except the module, as JSON values."""
        return {
            "layers": [asdict(layer) for layer in self.layers],
            "kept": list(self.kept),
            "bytes_before": self.bytes_before,
            "bytes_after": self.bytes_after,
            "error": self.error,
            "note": self.note,
        }

    def __str__(self) -> str:
        rows = [("layer", "outputs × inputs", "form", "bytes", "error")]
        rows += [
            (
                layer.name or "(the model)",
                f"{layer.outputs} × {layer.inputs}",
                layer.form,
                f"{layer.bytes_before} → {layer.bytes_after}",
                f"{layer.error:.2g}",
            )
            for layer in self.layers
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        total = f"{self.bytes_before} → {self.bytes_after}"
        lines.append(f"all bytes: {total}; change of the outputs: {self.error:.2g}")
        return "\n".join([*lines, *self.kept, *([self.note] if self.layers else [])])
