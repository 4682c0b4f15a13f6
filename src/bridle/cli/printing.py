"""Prints results for readers: a table, and the verdict in sentences."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table as Grid

from bridle.checks import Checks
from bridle.diagnosis import Diagnosis, LearningCurve, Part
from bridle.models.credit import regularizers_of
from bridle.models.result import FitResult, Fitted
from bridle.search import SearchResult
from bridle.search.metrics import excess_text, metrics_text
from bridle.search.temperature import temperature_text
from bridle.statistics.scores import Estimate
from bridle.statistics.wording import estimate_text, interval_text, score_text

__all__ = ["show_checks", "show_diagnosis", "show_fit", "show_search"]

_WIDE = 90
_MOST_BARS, _SHORTEST_BAR, _LONGEST_BAR = 6, 8, 24


def show_fit(result: FitResult, console: Console) -> None:
    """Print the networks of a fit as a table, and the verdict."""
    networks = {"plain": result.plain, "early\nstopping": result.stopped}
    networks["regularized"] = result.regularized if regularizers_of(result.strengths) else None
    if result.stopped is None:
        networks["regularized"] = result.regularized
    shown = {name: each for name, each in networks.items() if each is not None}
    rows = _scores(list(shown.values()), result.rows, result.groups)
    rows += [
        ("epoch of the final weights", [str(n.epochs) for n in shown.values()]),
        ("best epoch (held-out loss)", [str(n.best_epoch) for n in shown.values()]),
    ]
    _show_networks(f"{result.model.target_name} ({result.model.task})", list(shown), rows, console)
    for note in result.notes:
        _tell(f"note: {note}", console)
    console.print(result.verdict, markup=False, highlight=False)


def _scores(
    networks: Sequence[Fitted], counts: Mapping[str, int], groups: Mapping[str, int]
) -> list[tuple[str, list[str]]]:
    """Return the rows of scores, gap and verdict that a fit and a search share."""
    judged = [each.diagnosis for each in networks]
    name, share = judged[0].score_name, judged[0].is_share
    unit = " %" if share else ""

    def score(estimate: Estimate, unit: str = unit) -> str:
        text = score_text(estimate.value, share=share)
        return text if math.isnan(estimate.value) else text + unit

    def label(part: str) -> str:
        rows = counts.get(part)
        of_groups = f", {groups[part]} groups" if part in groups else ""
        return f"{part.replace(' ', '-')} {name}" + (f" ({rows} rows{of_groups})" if rows else "")

    against = {each.measured_on for each in judged}
    return [
        (label("training"), [score(each.training) for each in judged]),
        (label("held out"), [score(d.held_out) for d in judged]),
        (label("test"), [score(each.test) for each in networks]),
        ("  95 % interval", [interval_text(each.test, share=share) for each in networks]),
        (
            f"gap, training − {' or '.join(sorted(against))}",
            [score(each.gap, " points" if share else "") for each in judged],
        ),
        ("  95 % interval", [interval_text(each.gap, share=share) for each in judged]),
        ("verdict", [each.verdict for each in judged]),
        (
            "exact zeros by layer",
            [", ".join(f"{100 * zeros:.0f}" for zeros in n.zeros) + " %" for n in networks],
        ),
    ]


def _show_networks(
    title: str, headings: Sequence[str], rows: Sequence[tuple[str, list[str]]], console: Console
) -> None:
    grid = Grid(title=title, title_justify="left")
    for heading in ("", *headings):
        grid.add_column(heading, justify="left" if not heading else "right")
    for label, cells in rows:
        grid.add_row(label, *cells)
    console.print(grid)


def show_search(result: SearchResult, console: Console) -> None:
    """Print the plain network and the best of a search as a table, and the verdict."""
    networks = (result.plain, result.chosen)
    seen = result.observed
    counts = {"training": len(seen.y_seen), "held out": len(seen.y), "test": result.rows["test"]}
    rows = _scores(networks, counts, result.groups)
    rows += [
        ("epochs trained", [str(each.epochs) for each in networks]),
        ("epoch of the final weights", [str(each.best_epoch) for each in networks]),
    ]
    title = f"{result.model.target_name} ({result.model.task})"
    _show_networks(title, ("plain", "best of the search"), rows, console)
    used = _used(result)
    held_out = "the networks of the folds" if result.answer == "refit" else "the model"
    lines = [
        f"best configuration: {used}",
        f"{result.scoring} (used for selection): "
        f"{result.validation_score:.4g} in cross-validation (the best of {result.considered}), "
        f"{result.test_score.value:.4g} on the test set "
        f"(95 % interval {result.test_score.low:.4g} to {result.test_score.high:.4g})",
        f"{held_out} on held-out rows: {metrics_text(result.metrics['held out'])}",
        f"the model on the test set: {metrics_text(result.metrics['test'])}",
    ]
    if (excess := result.optimism) is not None:
        lines.append(f"errors on the test set above those on held-out rows: {excess_text(excess)}")
    if result.temperature is not None:
        lines.append(f"temperature {temperature_text(result.temperature)}")
    if result.importance:
        lines.append("importance of the hyperparameters (R² lost when one is shuffled):")
        lines += _bars(result, console)
    if result.failed:
        lines.append(f"{result.failed} configurations diverged (loss not finite) and were dropped")
    if result.interrupted:
        lines.append("interrupted: this is the best result so far")
    lines += [f"note: {note}" for note in result.notes]
    for line in lines:
        _tell(line, console)
    console.print(result.verdict, markup=False, highlight=False)


def _tell(line: str, console: Console, style: str | None = None) -> None:
    """Print a line; if it is longer than the console is wide, indent the rest below its text."""
    start = len(line) - len(line.lstrip())
    text = textwrap.fill(
        line,
        max(console.width, 20),
        subsequent_indent=" " * (start + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
    console.print(text, markup=False, highlight=False, style=style, soft_wrap=True)


def _bars(result: SearchResult, console: Console) -> list[str]:
    """Return a chart of the importance of the hyperparameters, a line each.

    Beside each bar is the value at which the score is highest, all others as sampled.
    """
    block = "█" if console.encoding.lower().startswith("utf") else "#"
    shown = list(result.importance.items())[:_MOST_BARS]
    longest = max(max(drop for _, drop in shown), 1e-9)
    width = max(len(name) for name, _ in shown)
    told = {}
    for name, drop in shown:
        rows = result.response[result.response["strength"] == name]
        best = rows.iloc[int(rows["score"].argmax())]
        value = "off" if math.isinf(best["value"]) else f"{best['value']:.3g}"
        told[name] = f"{max(drop, 0.0):.2f}  best at {value} (mean score {best['score']:.3f})"
    room = console.width - width - max(map(len, told.values())) - 6
    most = min(_LONGEST_BAR, max(_SHORTEST_BAR, room))
    lines = []
    for name, drop in shown:
        bar = block * round(most * max(drop, 0.0) / longest)
        lines.append(f"  {name:<{width}}  {bar:<{most}}  {told[name]}")
    return lines


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
    failed = {each.code for each in (*found.checks, *found.checks.silenced)}
    grid = Grid(title=f"{found.subject} ({found.task})", title_justify="left")
    for heading in ("", "rows", found.score_name, found.loss_name):
        grid.add_column(heading, justify="left" if not heading else "right")
    rows: list[tuple[str, str, str, str]] = []
    for part in (found.training, found.held_out, found.test):
        if part is not None:
            loss = "" if part.loss is None else _number(part.loss)
            score = estimate_text(part.score, share=share, unit=unit)
            known = part.name != "training" and "BR011" in failed and found.gap is None
            rows.append(("these rows" if known else part.name, _count(part), score, loss))
    if found.gap is not None:
        gap = estimate_text(found.gap.value, share=share)
        label = f"gap, training − {found.gap.measured_on}"
        rows.append((label, "", gap, "" if found.gap.loss is None else _number(found.gap.loss)))
    between = "\n(" if console.width < _WIDE else " ("  # the interval below its value
    for cells in rows:
        grid.add_row(*(cell.replace(" (", between) for cell in cells))
    console.print(grid)
    if found.learning_curve is not None:
        _show_learning_curve(found.learning_curve, console)
    for name, value in _measured(found):
        _tell(f"{name}: {value}", console)
    _tell(f"verdict: {found.verdict}", console, "bold")
    _tell(f"  {found.reason}", console)
    for line in found.evidence if found.gap is None else found.evidence[1:]:  # the table has it
        _tell(f"  {line}", console)
    if found.advice:
        console.print("what to try next:")
    for place, line in enumerate(found.advice, start=1):
        _tell(f"  {place}. {line}", console)
    show_checks(found.checks, console)
    for note in found.notes:
        _tell(f"note: {note}", console)


def show_checks(checks: Checks, console: Console) -> None:
    """Print the checks that failed, and in a line each what was silenced, passed and not run."""
    console.print("checks:")
    for line in str(checks).splitlines():
        _tell(f"  {line}", console)


def _count(part: Part) -> str:
    rows = "" if part.rows is None else f"{part.rows:,}"
    return rows if part.groups is None else f"{rows} in {part.groups:,} groups"


def _show_learning_curve(curve: LearningCurve, console: Console) -> None:
    share = curve.is_share
    unit = " %" if share else ""
    grid = Grid(title="scores by training rows", title_justify="left")
    for heading in ("training rows", f"training {curve.score_name}", f"test {curve.score_name}"):
        grid.add_column(heading, justify="right")
    for point in curve.points:
        training = score_text(point.training, share=share)
        score = estimate_text(point.test, share=share, unit=unit)
        grid.add_row(f"{point.rows:,}", training + unit, score)
    console.print(grid)
    for note in curve.notes:
        _tell(f"note: {note}", console)


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
        lines.append(("parameters (of one network)", text))
    if found.layers:
        zeros = ", ".join(f"{each.zeros / max(1, each.weights):.1%}" for each in found.layers)
        members = found.layers[0].members
        dead = ", ".join(f"{each.dead_units / each.members:.3g}" for each in found.layers)
        of = f" (mean of {members} networks)" if members > 1 else ""
        lines.append(("exact zeros by layer", zeros.replace("%", " %")))
        lines.append((f"dead units by layer{of}", dead))
    if (shuffled := found.shuffled_labels) is not None:
        score = score_text(shuffled.training, share=share) + (" %" if share else "")
        guess = score_text(shuffled.baseline, share=share) + (" %" if share else "")
        text = f"training score {score}, constant prediction {guess}"
        lines.append(("trained on shuffled labels", text))
    if (fit := found.calibration) is not None:
        over = estimate_text(fit.overconfidence, share=True, signed=True)
        lines.append(("calibration", f"ECE {fit.ece:.3f}, overconfidence {over}"))
    return lines
