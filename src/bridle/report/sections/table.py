"""The section on the table: what each column was read as, and the target's classes or values."""

from __future__ import annotations

from bridle.report.formatting import clean, number
from bridle.report.inputs import ReportInputs
from bridle.report.records import Grid, Section
from bridle.report.table_facts import TableFacts
from bridle.statistics.wording import joined

__all__ = ["what_was_read"]

MOST_CLASSES = 30
NAME, CELL = 60, 90
KINDS = {
    "number": ("numerical", "numerical"),
    "category": ("categorical", "categorical"),
    "date": ("date", "dates"),
    "text": ("text", "text"),
    "constant": ("left out", "left out"),
}
"""What a column is read as, in the table and in the sentence."""


def what_was_read(inputs: ReportInputs) -> Section | None:
    """Show what each column was read as, and the classes or the values of the target."""
    found = inputs.table
    if found is None:
        return None
    target = "" if inputs.model is None else clean(inputs.model.target_name, NAME)
    kinds = [f"{count:,} {KINDS[kind][1]}" for kind, count in found.kinds.items() if kind in KINDS]
    count = sum(found.kinds.values())
    with_gaps = [each for each in found.columns if each.missing and each.kind != "constant"]
    text = [
        f"The table has {found.rows:,} rows with a target, and {count:,} "
        f"{'column' if count == 1 else 'columns'} to predict it from: {joined(kinds)}. "
        + _missing(len(with_gaps), count > len(found.columns))
    ]
    if found.unused:
        names = ", ".join(clean(name, NAME) for name in found.unused[:5])
        more = f" and {len(found.unused) - 5} more" if len(found.unused) > 5 else ""
        text.append(f"Columns of the table that the model does not use: {names}{more}.")
    text += _range_of(found, target)
    grids = [*_target(found, target), _columns(found, count)]
    return Section("table", "What was read", tuple(text), (), tuple(grids))


def _missing(count: int, partly: bool) -> str:
    among = "Of those described below, " if partly else ""
    if not count:
        return (among + "no column has missing values.").replace("no", "No", not partly)
    text = f"{count} {'column has' if count == 1 else 'columns have'} missing values."
    return among + text


def _target(found: TableFacts, name: str) -> list[Grid]:
    if found.classes is not None:
        table, total = found.classes, int(found.classes["all"].sum())
        parts = [part for part in table if part != "all"]
        counts = table.head(MOST_CLASSES)
        rows = tuple(
            (
                clean(label, NAME),
                f"{int(row['all']):,}",
                f"{100 * row['all'] / total:.1f} %",
                *(f"{int(row[part]):,}" for part in parts),
            )
            for label, row in zip(counts.index, counts.to_dict("records"), strict=True)
        )
        first = f" (the first {MOST_CLASSES} of {len(table)})" if len(table) > MOST_CLASSES else ""
        head = ("class", "rows", "share", *map(str, parts))
        caption = f"Classes of the target “{name}”{first}"
        return [Grid(caption, head, rows, frozenset(range(1, len(head))))]
    return []


def _range_of(found: TableFacts, name: str) -> list[str]:
    """Return the range of a regression's target in a sentence."""
    if found.target is None:
        return []
    low, middle, high = (number(float(found.target.quantile(at))) for at in (0.0, 0.5, 1.0))
    mean, spread = number(float(found.target.mean())), number(float(found.target.std()))
    return [
        f"The target “{name}” goes from {low} to {high}. Its median is {middle}, its mean {mean}, "
        f"and its standard deviation {spread}."
    ]


def _columns(found: TableFacts, count: int) -> Grid:
    rows = tuple(
        (
            clean(each.name, NAME),
            KINDS[each.kind][0],
            f"{each.missing:,}" if each.missing else "–",
            clean(each.values, CELL),
        )
        for each in found.columns
    )
    shown = f"{len(rows)} of {count:,}" if count > len(rows) else f"{count}"
    head = ("column", "read as", "missing", "values")
    return Grid(f"Columns: {shown}", head, rows, frozenset({2}), folded=True)
