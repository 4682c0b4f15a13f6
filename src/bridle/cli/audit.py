"""``bridle audit``: proof, by steps on a copy, that a model's regularizers act."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bridle.cli.options import AsJson, Model

__all__ = ["audit"]


def audit(
    model: Model,
    table: Annotated[
        Path | None, typer.Argument(help="Rows to step with; random ones without it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that MODEL's regularizers act: real steps on a copy, measured beside the formulas.

    Exits with 0 when everything acts as it should, else with 1.
    """
    from bridle.models.audit import audit_model
    from bridle.models.file import load

    audited = audit_model(load(model), table)
    if as_json:
        print(json.dumps(audited.to_dict(), ensure_ascii=False))  # noqa: T201
    else:
        sys.stdout.write(str(audited))
    raise typer.Exit(audited.exit_code)
