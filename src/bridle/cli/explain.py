"""``bridle explain``: what the code of a check stands for."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bridle.cli.options import AsJson

__all__ = ["explain"]


def explain(
    codes: Annotated[
        list[str] | None,
        typer.Argument(help="Codes such as BR001, or beginnings such as BR01. Default: all."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain the codes of the checks: when each fails, and what to do. The default is a list."""
    from dataclasses import asdict

    from bridle.checks import RULES, codes_of

    rules = [RULES[code] for code in codes_of(codes or ("BR",))]
    if as_json:
        text = json.dumps([asdict(rule) for rule in rules], ensure_ascii=False)
    elif codes:
        text = "\n\n".join(map(str, rules))
    else:
        text = "\n".join(f"{rule.code}  {rule.severity:7}  {rule.name}" for rule in rules)
    print(text)  # noqa: T201
