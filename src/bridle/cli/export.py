"""``bridle export``: writes a model with its table's transformers in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridle.cli.options import Model
from bridle.errors import UsageError

__all__ = ["export"]


def export(
    model: Model,
    onnx: Annotated[
        Path,
        typer.Option("--onnx", help="Write the model to this ONNX file.", show_default=False),
    ],
) -> None:
    """Write MODEL as an ONNX graph that goes from the cells of a table to predictions.

    Each column is an input of its own: numbers as doubles, dates as seconds since 1970, and
    categories, booleans and texts as strings. It needs the package onnx: `pip install
    'bridle[onnx]'`.
    """
    from rich.console import Console

    from bridle.cli.outputs import Outputs
    from bridle.cli.report_output import check_folder
    from bridle.models.file import load

    check_folder(onnx)
    if onnx.is_dir():
        raise UsageError(f"--onnx is {str(onnx)!r}, which is a folder; name a file")
    if onnx.exists() and model.exists() and onnx.samefile(model):
        raise UsageError(f"--onnx is {str(onnx)!r}, which is the model itself; give another file")
    with Outputs("model") as written:
        loaded = load(model)
        made = loaded.to_onnx(onnx)
        written.tell("model", f"ONNX model written to {onnx}")
    inputs, outputs = ([each.name for each in of] for of in (made.graph.input, made.graph.output))
    told = f"{onnx}: {len(inputs)} inputs, and the outputs {', '.join(outputs)}"
    Console(stderr=True).print(f"ONNX model written to {told}")
