"""The section on the search: its configurations, what mattered, and selection bias."""

from __future__ import annotations

from bridle.report.figures import importance_bars, search_curves, tried, winners_shares
from bridle.report.formatting import label_of, number
from bridle.report.inputs import ReportInputs
from bridle.report.records import Figure, Grid, Section
from bridle.search import SearchResult
from bridle.search.metrics import METRIC_NAMES
from bridle.search.result import PERCENT_SCORINGS
from bridle.search.temperature import temperature_text
from bridle.statistics.wording import joined

__all__ = ["searched"]

PLAIN_ID = 0


def searched(inputs: ReportInputs) -> Section | None:
    """Show the configurations of the search and which regularizers mattered."""
    result = inputs.search
    if result is None:
        return None
    percent = result.scoring in PERCENT_SCORINGS
    name = _scoring(result)
    figures = [_curves(result, name, percent=percent)]
    if len(result.response):
        first = joined([label_of(each) for each in list(result.importance)[:3]])
        caption = (
            f"The score in the first rung depends most on {first}. A random forest predicts the "
            "score from the hyperparameters. Each bar is the drop of its R² when one "
            "hyperparameter is shuffled (permutation importance)."
        )
        figures.append(importance_bars(result.importance, caption))
        caption = (
            "Each dot is a configuration at the end of the first rung. The line is the forest's "
            "partial dependence: its mean prediction when that one hyperparameter is set and all "
            "others stay as sampled. Hyperparameters are sorted by importance."
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
            f"More than half of the configurations in the last rung use {joined(most)}."
            if most
            else "No regularizer is used by more than half of the configurations in the last rung."
        )
        figures.append(winners_shares(result.winners, caption))
    return Section(
        "search",
        "The search",
        _text(result, name, percent=percent),
        tuple(figures),
        (_winners(result, name), _metrics(result)),
    )


def _scoring(result: SearchResult) -> str:
    name = result.scoring.replace("neg_", "negative ").replace("_", " ")
    return "R²" if name == "r2" else name


def _text(result: SearchResult, name: str, *, percent: bool) -> tuple[str, ...]:
    def text(value: float) -> str:
        return f"{100 * value:.1f} %" if percent else f"{value:.3f}"

    test = result.test_score
    lines = [
        f"The search tried {result.considered} configurations in {result.seconds:.0f} seconds"
        + (f"; {result.failed} diverged" if result.failed else "")
        + ("; it was interrupted before its end" if result.interrupted else "")
        + ". Successive halving kept the best third twice.",
        f"The best configuration has a validation {name} of {text(result.validation_score)}. This "
        "figure is too good, because the configuration was selected by it. On the test set the "
        f"model's {name} is {text(test.value)} ({text(test.low)} to {text(test.high)}).",
    ]
    if result.temperature is not None:
        told = temperature_text(result.temperature)
        lines.append(f"The temperature of the model's averaged probabilities is {told}.")
    return tuple(lines)


def _metrics(result: SearchResult) -> Grid:
    """List all scores: of the model or the folds on held-out rows, of all on the test set."""
    of = "networks of the folds" if result.answer == "refit" else "model"
    names = {"held out": f"{of}, held-out rows", "test": "model, test set"}
    names |= {"plain": "plain network, test set", "boosting": "gradient boosting, test set"}
    columns = [each for each in names if each in result.metrics]
    rows = tuple(
        (METRIC_NAMES[name], *(number(result.metrics[each][name]) for each in columns))
        for name in result.metrics["test"]
    )
    head = ("score", *(names[each] for each in columns))
    return Grid("All scores", head, rows, frozenset(range(1, len(head))))


def _curves(result: SearchResult, name: str, *, percent: bool) -> Figure:
    rates = {each.learning_rate for each in result.together}
    table = result.configurations
    together = set(table.loc[table["learning_rate"].isin(rates), "id"]) - {PLAIN_ID}
    count = len(together)
    caption = (
        f"Held-out {name} of every configuration during training. Thick lines: the "
        f"{'configuration' if count == 1 else f'{count} configurations'} of the final model, and "
        "the network without regularization. Lines that end early were dropped by successive "
        "halving."
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
    head = ("rank", *map(label_of, used))
    return Grid(
        f"The configurations of the final model, sorted by {name}",
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
