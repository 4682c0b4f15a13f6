"""From what a subject gave to its diagnosis: pure, no network, no training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from bridle.diagnosis.advice import advice_of, evidence_of
from bridle.diagnosis.calibration import calibration_of
from bridle.diagnosis.curves import Curves
from bridle.diagnosis.network_state import LayerState, ShuffledLabels, Subnetworks
from bridle.diagnosis.performance import Gap, Part, Reference, Selection, WorstRow
from bridle.diagnosis.predictions import Predictions, part_of
from bridle.diagnosis.record import Diagnosis
from bridle.diagnosis.verdict import claims_of, verdict_of
from bridle.errors import UsageError
from bridle.statistics.intervals import corrected_interval, mcnemar_p_value, mean_interval
from bridle.statistics.scores import Estimate, compare, gap_between

__all__ = ["Measurements", "assemble"]

Array = np.ndarray[Any, np.dtype[Any]]

_PARTS = ("training", "held out", "test")
_COLUMNS_SHOWN = 50


@dataclass(frozen=True, eq=False)
class Measurements:
    """All that a subject gave.

    Attributes
    ----------
    subject, task : str
    predicted : dict of str to Predictions
        By part: "training", "held out", "test".
    known : dict of str to Part
        Parts whose scores are stated, where predictions are not there.
    chose : bool
        Whether the held-out rows chose something (an epoch, a configuration), so that the test
        part is the only honest one.
    tainted : bool
        Whether the subject was trained on many of the rows that should be new, so that nothing
        can be tested on them.
    fold : int64 ``[rows]``, optional
        The fold of each row, where training and held-out predictions are of the same rows.
    fold_gaps : tuple of float
        Of models trained again on folds.
    references : dict of str to Predictions
        Other learners on the rows that the gap is measured on, in the same order.
    table : DataFrame, optional
        Where ``Predictions.rows`` point to.
    worst : int
        How many of the worst rows to name.
    seed : int
        Of what is drawn.
    """

    subject: str
    task: str
    predicted: Mapping[str, Predictions]
    known: Mapping[str, Part] = field(default_factory=dict)
    chose: bool = False
    tainted: bool = False
    fold: Array | None = None
    fold_gaps: tuple[float, ...] = ()
    references: Mapping[str, Predictions] = field(default_factory=dict)
    table: pd.DataFrame | None = None
    worst: int = 10
    seed: int = 0
    parameters: int | None = None
    curves: Curves | None = None
    shuffled_labels: ShuffledLabels | None = None
    layers: tuple[LayerState, ...] = ()
    subnetworks: Subnetworks | None = None
    selection: Selection | None = None
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def measured_on(self) -> str | None:
        """The part that stands for new rows: it had no part in training or choosing."""
        order = ("test", "held out") if self.chose else ("held out", "test")
        return next((name for name in order if name in self.predicted), None)


def assemble(measured: Measurements) -> Diagnosis:
    """Judge what a subject gave, and say what follows."""
    predicted, at = measured.predicted, measured.measured_on
    parts = {name: _part(measured, name) for name in _PARTS}
    training, new = parts["training"], None if at is None else predicted[at]
    if training is None:
        gap = None
    elif at is not None:
        gap = _gap(measured, training, at)
    else:
        gap = _bare_gap(training, parts["held out"])
    references = () if new is None or at is None else _references(measured, new, at)
    score = None if training is None else training.score.value
    judged = None if new is None or measured.tainted else new.judged
    claims = claims_of(score, judged, references)
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
        shuffled_labels=measured.shuffled_labels,
        layers=measured.layers,
        subnetworks=measured.subnetworks,
        selection=measured.selection,
        references=references,
        worst=() if new is None or at is None else _worst(measured, new, at),
        claims=claims,
        verdict=verdict_of(claims),
        notes=measured.notes,
        facts=dict(measured.facts),
    )
    found = replace(found, evidence=evidence_of(found))
    return replace(found, advice=advice_of(found))


def _part(measured: Measurements, name: str) -> Part | None:
    """Return a part as predicted, as stated, or both: what is stated of it is not worked out."""
    stated, predicted = measured.known.get(name), measured.predicted.get(name)
    if predicted is None:
        return stated
    found = part_of(name, predicted)
    return found if stated is None else replace(found, baseline=stated.baseline, loss=stated.loss)


def _bare_gap(training: Part, held_out: Part | None) -> Gap | None:
    """Return the gap of two stated scores, which has no interval."""
    if held_out is None:
        return None
    value = Estimate(training.score.value - held_out.score.value, math.nan, math.nan)
    return Gap(value, None, "held out", "no interval: the rows are not known", None, (), None)


def _gap(measured: Measurements, training: Part, at: str) -> Gap:
    new = measured.predicted[at]
    held = new.judged.interval()
    score = training.score.value
    value = Estimate(score - held.value, score - held.high, score - held.low)
    folds = measured.fold_gaps or _fold_gaps(measured)
    loss = None
    if training.loss is not None and new.losses is not None:
        mean = mean_interval(new.losses)
        known = training.loss.value
        loss = Estimate(mean.value - known, mean.low - known, mean.high - known)
    interval = "Wilson's" if new.judged.is_share else "the delta method's, on log(1 - R²)"
    return Gap(
        value=value,
        standard_error=new.judged.standard_error(),
        measured_on=at,
        method=f"training score less {interval} 95 % interval on {len(new.truth)} {at} rows",
        loss=loss,
        folds=folds,
        folds_corrected=corrected_interval(folds, 1 / (len(folds) - 1)) if len(folds) > 1 else None,
    )


def _fold_gaps(measured: Measurements) -> tuple[float, ...]:
    """Return the gap on each fold's rows: by networks that learned them, and that did not."""
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
    return Predictions(predicted.truth[rows], predicted.values[rows], None, predicted.classes)


def _references(measured: Measurements, new: Predictions, at: str) -> tuple[Reference, ...]:
    found = []
    for name, other in measured.references.items():
        if len(other.truth) != len(new.truth):
            raise UsageError(
                f"{name} speaks of {len(other.truth)} rows and the subject of {len(new.truth)} "
                f"{at} rows; judge both on the same"
            )
        p_value = mcnemar_p_value(new.judged, other.judged) if new.judged.is_share else None
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


def _values(table: pd.DataFrame | None, row: int) -> dict[str, Any]:
    if table is None:
        return {}
    shown = table.iloc[row, :_COLUMNS_SHOWN]
    return {str(name): _plain(value) for name, value in shown.items()}


def _plain(value: Any) -> Any:
    """Return a value of a table as JSON knows it."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    return value if isinstance(value, str | int | float | bool) else str(value)
