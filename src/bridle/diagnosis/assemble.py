"""Builds a diagnosis from measurements, without a network and without training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from bridle.checks import CheckResult, Checks
from bridle.checks.networks import calibration_check, dead_units_check
from bridle.checks.verdicts import verdict_checks
from bridle.diagnosis.advice import advice_of, evidence_of
from bridle.diagnosis.calibration import calibration_of
from bridle.diagnosis.curves import Curves
from bridle.diagnosis.mistakes import confusion_of, residuals_of, roc_curves_of
from bridle.diagnosis.network_state import LayerState, ShuffledLabels, Subnetworks
from bridle.diagnosis.performance import Gap, Part, Reference, Selection, WorstRow
from bridle.diagnosis.predictions import Predictions, part_of
from bridle.diagnosis.record import Diagnosis
from bridle.diagnosis.row_curve import LearningCurve
from bridle.errors import UsageError
from bridle.statistics.claims import Compared, Rival, gap_of
from bridle.statistics.dominant import dominant_rows
from bridle.statistics.intervals import corrected_interval, mcnemar_p_value
from bridle.statistics.scores import Estimate, Judged, compare, gap_between
from bridle.statistics.verdict import Ruling, rule

__all__ = ["Measurements", "assemble"]

Array = np.ndarray[Any, np.dtype[Any]]

_PARTS = ("training", "held out", "test")
_COLUMNS_SHOWN = 50


@dataclass(frozen=True, eq=False)
class Measurements:
    """The measurements of a model that a diagnosis is built from.

    Attributes
    ----------
    subject, task : str
    predicted : dict of str to Predictions
        Predictions by part: "training", "held out", "test".
    recorded : dict of str to Part
        Scores of parts that are recorded without predictions.
    temperature : float
        The temperature of the averaged probabilities; 1 if none was fitted.
    selected : bool
        Whether held-out rows were used for a selection (of an epoch or a configuration), so that
        only the test set is unbiased.
    contaminated : bool
        Whether the model was trained on many of the supposedly new rows, so that no claim can be
        tested on them.
    fold : int64 ``[rows]``, optional
        The fold of each row, if training and held-out predictions are for the same rows.
    fold_gaps : tuple of float
        Gaps of models trained on folds.
    references : dict of str to Predictions
        Predictions of other learners for the rows that the gap is measured on, in the same order.
    rivals : tuple of Rival
        Comparisons with other learners on those rows that a model file records.
    table : DataFrame, optional
        The table that ``Predictions.rows`` refers to.
    worst : int
        Number of worst-predicted rows to list.
    seed : int
        Seed of the random numbers.
    checks : tuple of CheckResult
        Checks of the table, the training and the audit.
    ignore : tuple of str
        Codes of checks to silence.
    """

    subject: str
    task: str
    predicted: Mapping[str, Predictions]
    recorded: Mapping[str, Part] = field(default_factory=dict)
    temperature: float = 1.0
    selected: bool = False
    contaminated: bool = False
    fold: Array | None = None
    fold_gaps: tuple[float, ...] = ()
    references: Mapping[str, Predictions] = field(default_factory=dict)
    rivals: tuple[Rival, ...] = ()
    table: pd.DataFrame | None = None
    worst: int = 10
    seed: int = 0
    parameters: int | None = None
    curves: Curves | None = None
    shuffled_labels: ShuffledLabels | None = None
    layers: tuple[LayerState, ...] = ()
    subnetworks: Subnetworks | None = None
    selection: Selection | None = None
    learning_curve: LearningCurve | None = None
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()
    ignore: tuple[str, ...] = ()

    @property
    def measured_on(self) -> str | None:
        """The part used as new rows: it was not used for training or selection."""
        order = ("test", "held out") if self.selected else ("held out", "test")
        return next((name for name in order if name in self.predicted), None)


def assemble(measured: Measurements) -> Diagnosis:
    """Return the diagnosis: scores, gap, tests, verdict, evidence and advice."""
    predicted, at = measured.predicted, measured.measured_on
    parts = {name: _part(measured, name) for name in _PARTS}
    training, new = parts["training"], None if at is None else predicted[at]
    if training is None or measured.contaminated:
        gap = None
    elif at is not None:
        gap = _gap(measured, training, at)
    else:
        gap = _gap_of_scores(training, parts["held out"])
    references = () if new is None or at is None else _references(measured, new, at)
    others = _others(measured, references)
    ruling = _ruling(measured, training, others)
    rows = None if training is None else training.rows
    found = Diagnosis(
        subject=measured.subject,
        task=measured.task,
        score_name="accuracy" if measured.task == "classification" else "R²",
        loss_name="cross-entropy" if measured.task == "classification" else "squared error",
        parameters=measured.parameters,
        parameters_per_row=measured.parameters / rows if measured.parameters and rows else None,
        training=training,
        held_out=parts["held out"],
        test=parts["test"],
        gap=gap,
        curves=measured.curves,
        calibration=None if new is None or at is None else calibration_of(at, new),
        confusion=None if new is None or at is None else confusion_of(at, new),
        roc_curves=() if new is None or at is None else roc_curves_of(at, new),
        residuals=None if new is None or at is None else residuals_of(at, new),
        temperature=measured.temperature,
        shuffled_labels=measured.shuffled_labels,
        layers=measured.layers,
        subnetworks=measured.subnetworks,
        selection=measured.selection,
        learning_curve=measured.learning_curve,
        references=references,
        worst=() if new is None or at is None else _worst(measured, new, at),
        claims=ruling.claims,
        verdict=ruling.verdict,
        reason=ruling.reason,
        notes=measured.notes,
        facts=dict(measured.facts),
    )
    found = replace(found, notes=(*found.notes, *_dominant(found, new)))
    found = replace(found, checks=_checks(measured, found, others))
    found = replace(found, evidence=evidence_of(found))
    return replace(found, advice=advice_of(found))


def _others(measured: Measurements, references: tuple[Reference, ...]) -> list[Compared]:
    """Return the other learners: those that were fitted, and those that the model records."""
    names = {each.name for each in references}
    return [*references, *(each for each in measured.rivals if each.name not in names)]


def _checks(measured: Measurements, found: Diagnosis, others: Sequence[Compared]) -> Checks:
    part = "held out" if found.gap is None else found.gap.measured_on
    new = found.held_out if part == "held out" else found.test
    own = [
        *verdict_checks(
            found.verdict,
            found.reason,
            found.claims,
            None if found.gap is None else found.gap.value,
            others,
            part=part,
            rows=None if new is None else new.rows if new.groups is None else new.groups,
            share=found.is_share,
            units="rows" if new is None or new.groups is None else "groups",
        ),
        dead_units_check(found.layers),
        calibration_check(found.calibration, found.temperature),
    ]
    return Checks.of([*own, *measured.checks]).ignoring(measured.ignore)


def _ruling(measured: Measurements, training: Part | None, others: Sequence[Compared]) -> Ruling:
    """Return the verdict, by the rule that all commands share."""
    at = measured.measured_on
    known: Judged | Estimate | None = None if training is None else training.score
    if "training" in measured.predicted:
        known = measured.predicted["training"].judged
    part = at or "held out"
    if measured.contaminated:
        grouped = at is not None and measured.predicted[at].groups is not None
        what = "rows or groups" if grouped else "rows"
        reason = f"the model was trained on {what} of this table, so the gap cannot be judged"
        return Ruling("cannot tell", reason, None, part, ())
    if at is None and known is not None and "held out" in measured.recorded:
        reason = "the rows of the scores are not known, so the gap has no interval"
        return Ruling("cannot tell", reason, None, part, ())
    new = None if at is None else measured.predicted[at].judged
    return rule(known, new, others, part=part)


def _part(measured: Measurements, name: str) -> Part | None:
    """Return a part from predictions or records; recorded baseline and loss take precedence."""
    recorded, predicted = measured.recorded.get(name), measured.predicted.get(name)
    if predicted is None:
        return recorded
    found = part_of(name, predicted)
    return (
        found
        if recorded is None
        else replace(found, baseline=recorded.baseline, loss=recorded.loss)
    )


def _gap_of_scores(training: Part, held_out: Part | None) -> Gap | None:
    """Return the gap of two recorded scores, without an interval."""
    if held_out is None:
        return None
    value = Estimate(training.score.value - held_out.score.value, math.nan, math.nan)
    return Gap(
        value, None, "held out", "no interval, because the rows are not known", None, (), None
    )


def _gap(measured: Measurements, training: Part, at: str) -> Gap:
    new = measured.predicted[at]
    value = gap_of(training.score.value, new.judged)
    folds = measured.fold_gaps or _fold_gaps(measured)
    loss = None
    if training.loss is not None and new.losses is not None:
        mean = new.mean_loss()
        known = training.loss.value
        loss = Estimate(mean.value - known, mean.low - known, mean.high - known)
    interval = "Wilson's" if new.judged.is_share else "the bootstrap-t (of log(1 - R²))"
    rows = f"{len(new.truth)} {at} rows"
    if new.groups is not None:
        rows += f" of {new.judged.units} groups"
    return Gap(
        value=value,
        standard_error=new.judged.standard_error(),
        measured_on=at,
        method=f"training score minus {interval} 95 % interval on {rows}",
        loss=loss,
        folds=folds,
        folds_corrected=corrected_interval(folds, 1 / (len(folds) - 1)) if len(folds) > 1 else None,
    )


def _fold_gaps(measured: Measurements) -> tuple[float, ...]:
    """Return each fold's gap, from networks trained on its rows and networks that were not."""
    fold, predicted = measured.fold, measured.predicted
    if fold is None or not {"training", "held out"} <= set(predicted):
        return ()
    found = []
    for each in range(int(fold.max()) + 1):
        rows = fold == each
        seen, unseen = (_some(predicted[name], rows).judged for name in ("training", "held out"))
        found.append(gap_between(seen, unseen).value)
    return tuple(found)


def _some(predicted: Predictions, rows: Array) -> Predictions:
    groups = None if predicted.groups is None else predicted.groups[rows]
    return Predictions(
        predicted.truth[rows], predicted.values[rows], None, predicted.classes, groups=groups
    )


def _references(measured: Measurements, new: Predictions, at: str) -> tuple[Reference, ...]:
    found = []
    for name, other in measured.references.items():
        if len(other.truth) != len(new.truth):
            raise UsageError(
                f"{name} has predictions for {len(other.truth)} rows, but the model for "
                f"{len(new.truth)} {at} rows; give predictions for the same rows"
            )
        p_value = None
        if new.judged.is_share and new.judged.has_interval:
            p_value = mcnemar_p_value(new.judged, other.judged)
        comparison = compare(new.judged, other.judged)
        found.append(Reference(name, at, other.judged.interval(), comparison, p_value))
    return tuple(found)


def _worst(measured: Measurements, new: Predictions, at: str) -> tuple[WorstRow, ...]:
    losses = new.losses
    if losses is None:
        losses = (new.values != new.truth).astype(np.float64)
    order = np.argsort(-losses, kind="stable")[: measured.worst]
    places = np.arange(len(losses)) if new.rows is None else new.rows
    labels = new.classes
    found = []
    for row in order:
        truth, value, shares = new.truth[row], new.values[row], new.probabilities
        found.append(
            WorstRow(
                part=at,
                row=int(places[row]),
                truth=_plain(truth if labels is None else labels[truth]),
                prediction=_plain(value if labels is None else labels[value]),
                probability=None if shares is None else float(shares[row, truth]),
                loss=float(losses[row]),
                values=_values(measured.table, int(places[row])),
            )
        )
    return tuple(found)


def _dominant(found: Diagnosis, new: Predictions | None) -> list[str]:
    """Return a note on rows that R² depends on."""
    rows = None if new is None or found.gap is None else dominant_rows(new.judged)
    if rows is None or new is None:
        return []
    places = np.arange(len(new.truth)) if new.rows is None else new.rows
    named = "; ".join(
        f"row {places[at]}, true {new.truth[at]:.4g}, predicted {new.values[at]:.4g}"
        for at in rows.rows
    )
    return [f"{rows.text} ({named}): check {'it' if len(rows.rows) == 1 else 'them'}"]


def _values(table: pd.DataFrame | None, row: int) -> dict[str, Any]:
    if table is None:
        return {}
    shown = table.iloc[row, :_COLUMNS_SHOWN]
    return {str(name): _plain(value) for name, value in shown.items()}


def _plain(value: Any) -> Any:
    """Return a value of a table as a JSON value."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    return value if isinstance(value, str | int | float | bool) else str(value)
