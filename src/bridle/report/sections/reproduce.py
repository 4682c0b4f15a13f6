"""The section on how to reproduce a result: command, seed, versions and settings."""

from __future__ import annotations

from typing import Any

from bridle.report.formatting import clean, number
from bridle.report.inputs import ReportInputs
from bridle.report.records import Grid, Section

__all__ = ["reproduce"]

_LINE = 600


def reproduce(inputs: ReportInputs) -> Section | None:
    """List what is needed to reproduce the result: command, seed, versions, settings."""
    facts = inputs.facts
    if not facts and not inputs.command:
        return None
    rows = []
    if "seed" in facts:
        rows.append(("seed", str(facts["seed"])))
    rows += [(f"{name}", str(value)) for name, value in facts.get("versions", {}).items()]
    for name in ("strengths", "recipe", "configuration"):
        if name in facts:
            rows.append((name, _settings(facts[name])))
    text = (
        "The same table, seed and versions give the same result. On the same kind of device it "
        "is identical bit for bit.",
    )
    grid = Grid("Seed, versions and settings", ("item", "value"), tuple(rows))
    return Section(
        "reproduce", "How to reproduce this", text, (), (grid,) if rows else (), inputs.command
    )


def _settings(values: dict[str, Any]) -> str:
    """Return settings as one line, without those that are None."""
    parts = (
        f"{name} {number(value) if isinstance(value, float) else value}"
        for name, value in values.items()
        if value is not None
    )
    return clean(", ".join(parts), _LINE)
