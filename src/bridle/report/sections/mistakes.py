"""The sections on mistakes: confused classes and ROC curves, errors, and which columns matter."""

from __future__ import annotations

from bridle.diagnosis import Confusion, RocCurve
from bridle.diagnosis.importance import ImportanceOfColumns
from bridle.report.figures import (
    column_importance,
    confusion_matrix,
    roc_figure,
    truth_and_prediction,
)
from bridle.report.formatting import clean, number, signed_points
from bridle.report.inputs import ReportInputs
from bridle.report.records import Section
from bridle.statistics.wording import joined

__all__ = ["important_columns", "mistakes"]

NAME = 40


def mistakes(inputs: ReportInputs) -> Section | None:
    """Show the confusion matrix and the ROC curves, or the errors of a regression."""
    errors = inputs.residuals
    if errors is not None:
        caption = (
            f"Each dot is one of {len(errors.truth):,} "
            + (f"of the {errors.rows:,} " if errors.rows > len(errors.truth) else "")
            + f"{_on(errors.part)} rows. On the left, predictions on the dashed line are exact, "
            "and those above it are too high. On the right, an error that grows or bends with the "
            "prediction is one that the model could learn."
        )
        text = (
            f"On {_on(errors.part)} rows the root mean squared error is "
            f"{number(errors.root_mean_square)}, in the target's units, and half of the "
            f"predictions are off by at most {number(errors.median_absolute)}.",
        )
        figure = truth_and_prediction(errors, caption)
        return Section("mistakes", "Prediction errors", text, (figure,))
    found = None if inputs.diagnosis is None else inputs.diagnosis.confusion
    if found is None or inputs.diagnosis is None:
        return None
    figures = [confusion_matrix(found, _confused(found))]
    curves = inputs.diagnosis.roc_curves
    if curves:
        figures.append(roc_figure(curves, _curves(curves, len(found.classes))))
    return Section("mistakes", "Which mistakes it makes", (_right(found),), tuple(figures))


def _on(part: str) -> str:
    """Return a part's name with hyphens, to precede "rows"."""
    return part.replace(" ", "-")


def _right(found: Confusion) -> str:
    rows = sum(map(sum, found.counts))
    right = sum(counts[at] for at, counts in enumerate(found.counts))
    own = [sum(counts) for counts in found.counts]
    most = max(range(len(own)), key=own.__getitem__)
    often = clean(found.classes[most], NAME)
    return (
        f"Of {rows:,} {_on(found.part)} rows, {right:,} ({100 * right / rows:.1f} %) are predicted "
        f"right. Always predicting the most frequent class, “{often}”, would be right for "
        f"{own[most]:,} ({100 * own[most] / rows:.1f} %)."
    )


def _confused(found: Confusion) -> str:
    pairs = [
        (count, true, said)
        for true, counts in enumerate(found.counts)
        for said, count in enumerate(counts)
        if true != said and count
    ]
    how = "Each number is a count of rows; darker is a larger share of the true class (its row). "
    if not pairs:
        return how + "No row is predicted wrong."
    count, true, said = max(pairs, key=lambda pair: pair[0])
    own = sum(found.counts[true])
    return how + (
        f"The most frequent mistake: {count:,} of {own:,} rows of "
        f"“{clean(found.classes[true], NAME)}” are taken for “{clean(found.classes[said], NAME)}”."
    )


def _curves(curves: tuple[RocCurve, ...], classes: int) -> str:
    if classes == 2:
        (curve,) = curves
        name = clean(curve.label, NAME)
        area = curve.area
        return (
            f"The area under the curve is {area.value:.3f} (95 % interval {area.low:.3f} to "
            f"{area.high:.3f}): with this probability a row of “{name}” has a higher predicted "
            f"probability of “{name}” than a row of the other class. On the dashed line it is 0.5: "
            "the predictions say nothing."
        )
    worst = min(curves, key=lambda each: each.area.value)
    fewer = len(curves) > 5
    return (
        "Each curve is one class against all others. "
        + ("The five classes with the most rows are drawn; the table has all. " if fewer else "")
        + f"The smallest area under a curve is that of “{clean(worst.label, NAME)}”: "
        f"{worst.area.value:.3f} (95 % interval {worst.area.low:.3f} to {worst.area.high:.3f}). On "
        "the dashed line it is 0.5: the predictions say nothing."
    )


def important_columns(inputs: ReportInputs) -> Section | None:
    """Show the permutation importance of the columns."""
    found = None if inputs.table is None else inputs.table.importance
    if found is None or not found.columns:
        return None
    share, score = inputs.share, inputs.score_name
    first = found.columns[0]
    clear = [each for each in found.columns if each.score.low > 0]
    said = (
        f"The model loses most if “{clean(first.name, NAME)}” is shuffled: "
        f"{signed_points(first.score.value, share=share).removeprefix('+')}" + f" of {score}. "
        if first.score.low > 0
        else f"No column alone makes a difference to the {score}. "
    )
    caption = (
        said
        + f"Lines are 95 % intervals of the mean over {found.repeats} shuffles. They do not show "
        "how much other rows would change the result. "
        + (
            f"The {min(15, len(found.columns))} most important of {found.of_columns:,} columns "
            "are drawn. "
            if found.of_columns > 15
            else ""
        )
        + "Columns that carry the same information share their importance, so each may look "
        "unimportant."
    )
    text: tuple[str, ...] = (
        f"The cells of one column are shuffled among the {_on(found.part)} rows, and the model "
        f"predicts again. What it loses is the importance of the column. {_bounds(found)}".strip(),
    )
    figure = column_importance(
        found, score_name=score, loss_name=inputs.loss_name, share=share, caption=caption
    )
    if 1 < len(clear) < len(found.columns):
        text += (
            f"Over the shuffles, the importance is clearly above zero for {len(clear)} of "
            f"{len(found.columns)} columns: "
            f"{joined([clean(each.name, NAME) for each in clear[:5]])}"
            + (f", and {len(clear) - 5} more." if len(clear) > 5 else "."),
        )
    return Section("columns", "Which columns matter", text, (figure,))


def _bounds(found: ImportanceOfColumns) -> str:
    """Return what was left out to save time."""
    parts = []
    if found.rows < found.of_rows:
        parts.append(f"a sample of {found.rows:,} of {found.of_rows:,} rows")
    if len(found.columns) < found.of_columns:
        parts.append(
            f"the {len(found.columns):,} of {found.of_columns:,} columns with the largest weights "
            "in the first layer"
        )
    return f"To save time, only {joined(parts)} were used. " if parts else ""
