"""Measurements of a model on tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bridle.diagnosis.assemble import Measurements
from bridle.diagnosis.performance import Part
from bridle.diagnosis.subjects.networks import (
    network_name,
    predictions_of,
    with_network,
    with_training,
)
from bridle.diagnosis.subjects.options import Options
from bridle.diagnosis.subjects.weights import parameters_of
from bridle.errors import DataError, UsageError
from bridle.models.reading import read_for_model
from bridle.models.split import split_rows, three_parts
from bridle.models.table_model import TableModel
from bridle.networks.population import predict
from bridle.statistics import Rival
from bridle.statistics.scores import Estimate
from bridle.tables import (
    ClassTarget,
    fingerprint,
    share_of_known_rows,
    target_column,
)
from bridle.tables.schema import with_target

__all__ = ["coded_rows", "measure_model", "tables_of"]

Array = np.ndarray[Any, np.dtype[Any]]

_MAX_KNOWN_SHARE = 0.1
"""Share of training rows among new rows up to which they count as duplicates by accident."""


def measure_model(
    model: TableModel, data: Any, training: Any, test: Any, options: Options
) -> Measurements:
    """Return the measurements of a model on tables.

    If ``data`` is the table that the model was fitted to, it is split into the same parts again.
    """
    if data is None:
        raise UsageError("a model cannot be diagnosed without rows; give a table as data")
    tables = tables_of(model, data, training, test)
    coded = {name: coded_rows(model, *each) for name, each in tables.parts.items()}
    predicted = {
        name: predictions_of(predict(model.network, X), y, model.target, tables.places.get(name))
        for name, (X, y) in coded.items()
    }
    facts = model.facts
    measured = Measurements(
        subject=network_name(model.network),
        task=model.task,
        predicted=predicted,
        recorded={} if tables.places or training is not None else _recorded(facts),
        selected=_selected(facts) and bool(tables.places),
        contaminated=tables.contaminated,
        rivals=_rivals(facts) if tables.places else (),
        table=with_target(read_for_model(model, data).frame, model.target_name)[0],
        worst=options.worst,
        seed=options.seed,
        parameters=parameters_of(model.network),
        notes=tables.notes,
        facts=facts,
    )
    at = measured.measured_on
    X, y = coded[at or "training"]
    measured = with_network(measured, model.network, model.target, X, y, at or "training", options)
    if "training" not in coded or at is None:
        return measured
    epochs = facts.get("fitted", {}).get("epochs") if "strengths" in facts else None
    return with_training(measured, *coded["training"], X, model.target, at, epochs, options)


@dataclass(frozen=True, eq=False)
class _Tables:
    """The features and targets of each part, and what is known about them.

    ``places`` has row numbers by part if the table is the one that the model was fitted to.
    ``contaminated`` says whether many of its training rows are among the new rows.
    """

    parts: dict[str, tuple[pd.DataFrame, pd.Series[Any]]]
    places: dict[str, Array] = field(default_factory=dict)
    contaminated: bool = False
    notes: tuple[str, ...] = ()


def tables_of(model: TableModel, data: Any, training: Any, test: Any) -> _Tables:
    """Return the given tables by part; the table of the fit is split into its parts."""
    frame, truth = _columns(model, data, "data")
    recorded = model.facts.get("table") or {}
    own_table = recorded.get("fingerprint") == fingerprint(frame, truth)
    if training is None and test is None and own_table:
        places = _same_parts(model, truth)
        parts = {name: (frame.iloc[at], truth.iloc[at]) for name, at in places.items()}
        note = "this is the table that the model was fitted to; it was split into the same parts"
        return _Tables(parts, places, notes=(note,))
    parts = {"held out": (frame, truth)}
    for name, given in (("training", training), ("test", test)):
        if given is not None:
            parts[name] = _columns(model, given, name)
    share, sampled = share_of_known_rows(recorded, frame, truth), len(recorded.get("sample", ()))
    if share * recorded.get("trained_on", 0) <= _MAX_KNOWN_SHARE * len(truth):
        return _Tables(parts)
    known = min(share * recorded["trained_on"], len(truth))
    note = (
        f"about {known:,.0f} of the {len(truth):,} rows of this table are rows that the model was "
        f"trained on ({share * sampled:.0f} of a sample of {sampled} of its training rows are "
        "here), so the gap cannot be judged; give rows that it has not seen"
    )
    return _Tables(parts, contaminated=True, notes=(note,))


def _columns(model: TableModel, table: Any, name: str) -> tuple[pd.DataFrame, pd.Series[Any]]:
    frame = with_target(read_for_model(model, table).frame, model.target_name)[0]
    if model.target_name not in frame.columns:
        raise DataError(
            f"no column {model.target_name!r}, the model's target, in the table given as {name}; "
            "add it, because a diagnosis needs the true targets"
        )
    features, truth = target_column(frame, model.target_name)
    wanted = [column for column in model.encoder.columns if column in features.columns]
    return features[wanted], truth


def coded_rows(
    model: TableModel, frame: pd.DataFrame, truth: pd.Series[Any]
) -> tuple[Tensor, Tensor]:
    """Return features and targets as a model's network takes them."""
    X = torch.from_numpy(model.encoder.transform(frame))
    return X, torch.from_numpy(model.target.transform(truth))


def _same_parts(model: TableModel, truth: pd.Series[Any]) -> dict[str, Array]:
    """Return the rows of each part, split as for the fit."""
    facts = model.facts
    codes = model.target.transform(truth) if isinstance(model.target, ClassTarget) else None
    split, seed = facts["table"]["split"], int(facts["seed"])
    if split == "three parts":
        return three_parts(len(truth), codes, seed)
    if split == "test part":
        searched, test = split_rows(len(truth), codes, seed)
        return {"training": searched, "test": test}
    return {"training": np.arange(len(truth))}


def _selected(facts: Mapping[str, Any]) -> bool:
    """Return whether the verdict of the fitted table is that of its test set."""
    return facts.get("table", {}).get("split") in ("three parts", "test part")


def _rivals(facts: Mapping[str, Any]) -> tuple[Rival, ...]:
    """Return the comparisons with other learners on the test set that the model records."""
    recorded = (facts.get("fitted") or {}).get("diagnosis", {}).get("rivals", ())
    return tuple(Rival.of(each) for each in recorded)


def _recorded(facts: Mapping[str, Any]) -> dict[str, Part]:
    """Return the parts whose scores the model records."""
    fitted = facts.get("fitted") or {}
    rows = (facts.get("table") or {}).get("trained_on")
    found = {}
    if "diagnosis" in fitted:
        known = fitted["diagnosis"]["training"]["value"]
        value = math.nan if known is None else float(known)
        found["training"] = Part("training", rows, Estimate(value, value, value), None, None)
    if "test" in fitted:
        test = {name: math.nan if v is None else v for name, v in fitted["test"].items()}
        found["test"] = Part("test", None, Estimate(**test), None, None)
    return found
