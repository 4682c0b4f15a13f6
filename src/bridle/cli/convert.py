"""``bridle convert``: a line with a regularizer, as another framework writes it."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from bridle.cli.options import AsJson

__all__ = ["convert"]


def convert(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help='A call in quotes, such as "torch.AdamW(weight_decay=0.1, lr=1e-3)". '
            "Default: list the frameworks.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        str, typer.Option(help="The framework, or one of its settings, such as keras.SGD.")
    ] = "bridle",
    rows: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="The training rows, or the rows of a batch, where a library divides by them.",
            show_default=False,
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="The learning rate, if RECIPE has none.", show_default=False),
    ] = None,
    squared_error: Annotated[
        str,
        typer.Option(help="full or half: the regression loss of the library beside scikit-learn."),
    ] = "full",
    as_json: AsJson = False,
) -> None:
    """Convert a line with a regularizer into the line that means the same in another framework.

    Warnings on standard error say what differs there. RECIPE is parsed and never executed.
    """
    from bridle.dialects import frameworks, translate

    if recipe is None:
        records = frameworks()
        if as_json:
            names = {each.name: [s.name for s in each.settings] for each in records}
            print(json.dumps(names))  # noqa: T201
            return
        width = max(len(each.name) for each in records)
        for each in records:
            settings = ", ".join(setting.name for setting in each.settings) or "none"
            print(f"{each.name:{width}}  {settings}")  # noqa: T201
        return
    found = translate(
        recipe, to, rows=rows, learning_rate=learning_rate, squared_error=squared_error
    )
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False))  # noqa: T201
        return
    print(found.line)  # noqa: T201
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)  # noqa: T201
