"""Results as people read them: a table and a sentence."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as Grid

from bridle.result import FitResult
from bridle.searching import SearchResult

__all__ = ["show", "show_search"]


def show(result: FitResult, console: Console) -> None:
    """Print a result as a table and a sentence."""
    share = result.plain.diagnosis.score_name == "accuracy"
    networks = (result.plain, result.regularized)

    def score(value: float) -> str:
        return f"{100 * value:.1f} %" if share else f"{value:.3f}"

    def with_margin(value: float, margin: float) -> str:
        return f"{score(value).removesuffix(' %')} ± {score(margin)}"

    def gap(value: float, margin: float) -> str:
        text = with_margin(value, margin)
        return text.replace(" %", " points")

    name = result.plain.diagnosis.score_name
    grid = Grid(title=f"{result.model.target_name} ({result.model.task})", title_justify="left")
    for heading in ("", "plain", "regularized"):
        grid.add_column(heading, justify="left" if not heading else "right")
    rows: list[tuple[str, list[str]]] = [
        (
            f"training {name} ({result.rows['training']} rows)",
            [score(n.diagnosis.training.value) for n in networks],
        ),
        (
            f"held-out {name} ({result.rows['held out']} rows)",
            [score(n.diagnosis.held_out.value) for n in networks],
        ),
        (
            "gap (95 % interval)",
            [gap(n.diagnosis.gap.value, n.diagnosis.gap.margin) for n in networks],
        ),
        (
            f"test {name} ({result.rows['test']} rows)",
            [with_margin(n.test.value, n.test.margin) for n in networks],
        ),
        ("verdict", [n.diagnosis.verdict for n in networks]),
        (
            "zeros by layer",
            [", ".join(f"{100 * zeros:.0f} %" for zeros in n.zeros) for n in networks],
        ),
        ("epochs, of them best", [f"{n.epochs}, {n.best_epoch}" for n in networks]),
    ]
    for label, cells in rows:
        grid.add_row(label, *cells)
    console.print(grid)
    for note in result.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    console.print(result.verdict, markup=False, highlight=False)


def show_search(result: SearchResult, console: Console) -> None:
    """Print what a search found."""
    share = result.model.task == "classification"

    def score(value: float, margin: float | None = None) -> str:
        text = f"{100 * value:.1f}" if share else f"{value:.3f}"
        if margin is not None:
            text += f" ± {100 * margin:.1f}" if share else f" ± {margin:.3f}"
        return text + (" %" if share else "")

    networks = (result.plain, result.chosen)
    name = result.plain.diagnosis.score_name
    grid = Grid(title=f"{result.model.target_name} ({result.model.task})", title_justify="left")
    for heading in ("", "plain", "best of the search"):
        grid.add_column(heading, justify="left" if not heading else "right")
    diagnoses = [each.diagnosis for each in networks]
    gaps = [score(d.gap.value, d.gap.margin).replace(" %", " points") for d in diagnoses]
    rows: list[tuple[str, list[str]]] = [
        (f"training {name}", [score(d.training.value) for d in diagnoses]),
        (f"held-out {name}", [score(d.held_out.value) for d in diagnoses]),
        ("gap (95 % interval)", gaps),
        (
            f"test {name} ({result.rows['test']} rows)",
            [score(each.test.value, each.test.margin) for each in networks],
        ),
        ("verdict", [d.verdict for d in diagnoses]),
        (
            "zeros by layer",
            [", ".join(f"{100 * zeros:.0f} %" for zeros in each.zeros) for each in networks],
        ),
        ("epochs, of them best", [f"{each.epochs}, {each.best_epoch}" for each in networks]),
    ]
    for label, cells in rows:
        grid.add_row(label, *cells)
    console.print(grid)
    used = _used(result)
    lines = [
        f"best: {used}",
        f"selected by {result.scoring}: {result.validation_score:.4g} over the folds, "
        f"{result.test_score.value:.4g} on the test part "
        f"({result.test_score.low:.4g} to {result.test_score.high:.4g})",
    ]
    if result.importance:
        first = list(result.importance)[:3]
        lines.append(f"what mattered most: {', '.join(first)}")
        lines += [f"  {_moved(result, name)}" for name in first]
    if result.failed:
        lines.append(f"{result.failed} configurations gave no finite numbers and were dropped")
    if result.interrupted:
        lines.append("stopped before its end: the best so far")
    lines += [f"note: {note}" for note in result.notes]
    for line in [*lines, result.verdict]:
        console.print(line, markup=False, highlight=False)


def _moved(result: SearchResult, name: str) -> str:
    """Return how the first rung's score moves with a strength."""
    rows = result.response[result.response["strength"] == name]
    points = [f"{row.score:.3f} at {row.value:.3g}" for row in rows.itertuples()]
    return f"{name}: " + ", ".join(points)


def _used(result: SearchResult) -> str:
    plain = result.configuration.__class__().to_dict()
    given = result.configuration.to_dict()
    parts = [
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in given.items()
        if value != plain[name] or name == "learning_rate"
    ]
    return ", ".join(parts)
