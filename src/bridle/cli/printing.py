"""Prints results for readers: a table, and the verdict in sentences."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table as Grid

from bridle.diagnosis import Diagnosis, Part
from bridle.diagnosis.advice import size, with_margin
from bridle.models.result import FitResult
from bridle.search import SearchResult
from bridle.statistics.scores import Estimate

__all__ = ["show_diagnosis", "show_fit", "show_search"]


def show_fit(result: FitResult, console: Console) -> None:
    """Print both networks of a fit as a table, and the verdict."""
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
            "exact zeros by layer",
            [", ".join(f"{100 * zeros:.0f} %" for zeros in n.zeros) for n in networks],
        ),
        ("epoch of the final weights", [str(n.epochs) for n in networks]),
        ("best epoch (held-out loss)", [str(n.best_epoch) for n in networks]),
    ]
    for label, cells in rows:
        grid.add_row(label, *cells)
    console.print(grid)
    for note in result.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    console.print(result.verdict, markup=False, highlight=False)


def show_search(result: SearchResult, console: Console) -> None:
    """Print the plain network and the best of a search as a table, and the verdict."""
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
            "exact zeros by layer",
            [", ".join(f"{100 * zeros:.0f} %" for zeros in each.zeros) for each in networks],
        ),
        ("epochs trained", [str(each.epochs) for each in networks]),
        ("epoch of the final weights", [str(each.best_epoch) for each in networks]),
    ]
    for label, cells in rows:
        grid.add_row(label, *cells)
    console.print(grid)
    used = _used(result)
    lines = [
        f"best configuration: {used}",
        f"{result.scoring} (used for selection): "
        f"{result.validation_score:.4g} in cross-validation, "
        f"{result.test_score.value:.4g} on the test set "
        f"(95 % interval {result.test_score.low:.4g} to {result.test_score.high:.4g})",
    ]
    if result.importance:
        first = list(result.importance)[:3]
        lines.append(f"most important hyperparameters: {', '.join(first)}")
        lines += [f"  {_moved(result, name)}" for name in first]
    if result.failed:
        lines.append(f"{result.failed} configurations diverged (loss not finite) and were dropped")
    if result.interrupted:
        lines.append("interrupted: this is the best result so far")
    lines += [f"note: {note}" for note in result.notes]
    for line in [*lines, result.verdict]:
        console.print(line, markup=False, highlight=False)


def _moved(result: SearchResult, name: str) -> str:
    """Return the mean score of the first rung at each value of a hyperparameter."""
    rows = result.response[result.response["strength"] == name]
    points = [f"{row.score:.3f} at {row.value:.3g}" for row in rows.itertuples()]
    return f"{name}: mean score " + ", ".join(points)


def _used(result: SearchResult) -> str:
    plain = result.configuration.__class__().to_dict()
    given = result.configuration.to_dict()
    parts = [
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in given.items()
        if value != plain[name] or name == "learning_rate"
    ]
    return ", ".join(parts)


def show_diagnosis(found: Diagnosis, console: Console) -> None:
    """Print a diagnosis: scores, other measurements, verdict, evidence and advice."""
    share = found.is_share
    unit = " %" if share else ""
    grid = Grid(title=f"{found.subject} ({found.task})", title_justify="left")
    for heading in ("", "rows", found.score_name, found.loss_name):
        grid.add_column(heading, justify="left" if not heading else "right")
    for part in (found.training, found.held_out, found.test):
        if part is not None:
            loss = "" if part.loss is None else _number(part.loss)
            score = with_margin(part.score, share=share) + unit
            grid.add_row(part.name, _count(part), score, loss)
    if found.gap is not None:
        gap = with_margin(found.gap.value, share=share) + (" points" if share else "")
        grid.add_row("gap", "", gap, "" if found.gap.loss is None else _number(found.gap.loss))
    console.print(grid)
    for name, value in _measured(found):
        console.print(f"{name}: {value}", markup=False, highlight=False)
    console.print(f"verdict: {found.verdict}", markup=False, highlight=False, style="bold")
    for line in found.evidence:
        console.print(f"  {line}", markup=False, highlight=False)
    if found.advice:
        console.print("what to try next:")
    for place, line in enumerate(found.advice, start=1):
        console.print(f"  {place}. {line}", markup=False, highlight=False)
    for note in found.notes:
        console.print(f"note: {note}", markup=False, highlight=False)


def _count(part: Part) -> str:
    return "" if part.rows is None else f"{part.rows:,}"


def _number(estimate: Estimate) -> str:
    if estimate.low == estimate.high or math.isnan(estimate.margin):
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _measured(found: Diagnosis) -> list[tuple[str, str]]:
    """Return the other measurements of a diagnosis, one line each."""
    share, lines = found.is_share, []
    if found.parameters is not None:
        text = f"{found.parameters:,}"
        if found.parameters_per_row is not None:
            text += f", {found.parameters_per_row:.3g} per training row"
        lines.append(("parameters", text))
    if found.layers:
        zeros = ", ".join(f"{each.zeros / max(1, each.weights):.1%}" for each in found.layers)
        dead = ", ".join(str(each.dead_units) for each in found.layers)
        lines.append(("exact zeros by layer", zeros.replace("%", " %")))
        lines.append(("dead units by layer", dead))
    if (shuffled := found.shuffled_labels) is not None:
        score = size(shuffled.training, share=share) + (" %" if share else "")
        guess = size(shuffled.baseline, share=share) + (" %" if share else "")
        text = f"training score {score}, constant prediction {guess}"
        lines.append(("trained on shuffled labels", text))
    if (fit := found.calibration) is not None:
        over = with_margin(fit.overconfidence, share=True, signed=True)
        lines.append(("calibration", f"ECE {fit.ece:.3f}, overconfidence {over} points"))
    return lines
