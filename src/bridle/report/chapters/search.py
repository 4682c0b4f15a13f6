"""What the search tried, what mattered, and what choosing among many does to a score."""

from __future__ import annotations

from bridle.report.figures import importance_bars, search_curves, tried, winners_shares
from bridle.report.material import Material
from bridle.report.records import Figure, Grid, Section
from bridle.report.words import joined, label_of, number
from bridle.search import SearchResult
from bridle.search.result import PERCENT_SCORINGS

__all__ = ["searched"]

PLAIN_ID = 0


def searched(material: Material) -> Section | None:
    """Show what the search tried and which regularizers mattered."""
    result = material.search
    if result is None:
        return None
    percent = result.scoring in PERCENT_SCORINGS
    name = _scoring(result)
    figures = [_curves(result, name, percent=percent)]
    if len(result.response):
        first = joined([label_of(each) for each in list(result.importance)[:3]])
        caption = (
            f"The scores of the first rung move most with {first}. A random forest learned the "
            "score from the strengths; a bar is how much of its R² is lost when one strength is "
            "shuffled."
        )
        figures.append(importance_bars(result.importance, caption))
        caption = (
            "Each dot is a configuration at the end of the first rung, the line the forest's mean "
            "over all of them with that one strength set. Strengths by importance."
        )
        figures.append(
            tried(
                result.configurations,
                result.response,
                score_name=name,
                percent=percent,
                caption=caption,
            )
        )
    if any(result.winners.values()):
        most = [label_of(each) for each, share in result.winners.items() if share > 0.5]
        caption = (
            f"More than half of the last configurations use {joined(most)}."
            if most
            else "No regularizer is used by more than half of the last configurations."
        )
        figures.append(winners_shares(result.winners, caption))
    return Section(
        "search",
        "What the search tried",
        _text(result, name, percent=percent),
        tuple(figures),
        (_winners(result, name),),
    )


def _scoring(result: SearchResult) -> str:
    name = result.scoring.replace("neg_", "negative ").replace("_", " ")
    return "R²" if name == "r2" else name


def _text(result: SearchResult, name: str, *, percent: bool) -> tuple[str, ...]:
    def said(value: float) -> str:
        return f"{100 * value:.1f} %" if percent else f"{value:.3f}"

    test = result.test_score
    lines = [
        f"{result.considered} configurations were tried in {result.seconds:.0f} seconds"
        + (f", of which {result.failed} gave no finite numbers" if result.failed else "")
        + (", and it was stopped before its end" if result.interrupted else "")
        + ". The best third went on twice.",
        f"By {name} the best one has {said(result.validation_score)} on the rows that it was "
        f"chosen by. It was chosen among many, so that figure is too good: the test part says "
        f"{said(test.value)} ({said(test.low)} to {said(test.high)}).",
    ]
    return tuple(lines)


def _curves(result: SearchResult, name: str, *, percent: bool) -> Figure:
    rates = {each.learning_rate for each in result.together}
    table = result.configurations
    together = set(table.loc[table["learning_rate"].isin(rates), "id"]) - {PLAIN_ID}
    count = len(together)
    caption = (
        f"Every configuration by its held-out {name}, at each look. "
        f"The {'one' if count == 1 else count} that {'predicts' if count == 1 else 'predict'} "
        f"{'is' if count == 1 else 'are'} drawn heavier, and so is the network without "
        "regularization. A line that ends early was left behind."
    )
    return search_curves(
        result.histories,
        plain=PLAIN_ID,
        together=together,
        score_name=name,
        percent=percent,
        caption=caption,
    )


def _winners(result: SearchResult, name: str) -> Grid:
    off = type(result.configuration)().to_dict()
    configurations = [each.to_dict() for each in result.together]
    used = [
        key
        for key in off
        if key == "learning_rate" or any(each[key] != off[key] for each in configurations)
    ]
    rows = tuple(
        (str(at), *(_cell(each[key], off[key]) for key in used))
        for at, each in enumerate(configurations, start=1)
    )
    head = ("place", *map(label_of, used))
    return Grid(
        f"The configurations that predict, the best by {name} first",
        head,
        rows,
        frozenset(range(1, len(head))),
    )


def _cell(value: object, off: object) -> str:
    if value == off and not isinstance(value, list):
        return "–"
    if isinstance(value, list):
        return "-".join(map(str, value))
    return number(value) if isinstance(value, float) else str(value)
