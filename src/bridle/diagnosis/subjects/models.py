"""Measurements of a model on tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bridle.checks.edges import recorded_edges
from bridle.checks.results import CheckResult
from bridle.checks.tables import Parts, table_checks
from bridle.diagnosis.assemble import Measurements
from bridle.diagnosis.performance import Part
from bridle.diagnosis.subjects.audits import audited
from bridle.diagnosis.subjects.model_tables import ModelTables, joined, model_tables
from bridle.diagnosis.subjects.networks import (
    network_name,
    predictions_of,
    with_network,
    with_training,
)
from bridle.diagnosis.subjects.options import Options
from bridle.diagnosis.subjects.weights import parameters_of
from bridle.errors import UsageError
from bridle.models.credit import early_stopping_of
from bridle.models.reading import read_for_model
from bridle.models.table_model import TableModel
from bridle.networks.population import predict
from bridle.statistics import Rival
from bridle.statistics.scores import Estimate
from bridle.tables.schema import with_target
from bridle.tables.warnings import warnings_on

__all__ = ["coded_rows", "measure_model", "new_rows_of"]


def measure_model(
    model: TableModel, data: Any, training: Any, test: Any, options: Options
) -> Measurements:
    """Return the measurements of a model on tables.

    If ``data`` is the table that the model was fitted to, it is split into the same parts again.
    """
    if data is None:
        raise UsageError("a model cannot be diagnosed without rows; give a table as data")
    tables = model_tables(model, data, training, test, options)
    coded = {name: coded_rows(model, each.frame, each.truth) for name, each in tables.parts.items()}
    predicted = {
        name: predictions_of(
            predict(model.network, X),
            y,
            model.target,
            tables.places.get(name),
            tables.parts[name].groups,
            temperature=model.temperature,
        )
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
    checks = [
        *_table_checks(model, tables, at),
        early_stopping_of(facts, share=model.task == "classification"),
        *recorded_edges(facts),
        *audited(model, options),
    ]
    measured = replace(measured, checks=tuple(checks))
    X, y = coded[at or "training"]
    measured = with_network(
        measured,
        model.network,
        model.target,
        X,
        y,
        at or "training",
        options,
        temperature=model.temperature,
    )
    if "training" not in coded or at is None:
        return measured
    epochs = facts.get("fitted", {}).get("epochs") if "strengths" in facts else None
    return with_training(measured, *coded["training"], X, model.target, at, epochs, options)


def _table_checks(model: TableModel, tables: ModelTables, at: str | None) -> list[CheckResult]:
    """Return the checks of the rows, and of the training rows beside them if they are known."""
    parts, places = None, tables.places
    if tables.whole is not None:
        whole = tables.whole
        if at in places:
            parts = Parts(places["training"], places[str(at)])
    else:
        pairs = [tables.parts[name] for name in ("training", str(at)) if name in tables.parts]
        whole = joined(pairs)
        if len(pairs) == 2:
            first = len(pairs[0].truth)
            parts = Parts(np.arange(first), np.arange(first, len(whole.truth)))
    columns = [each for name, each in model.encoder.schema.items() if name in whole.frame.columns]
    by = model.facts.get("table", {}).get("grouping") or {}
    kept = {"grouped": "groups" in by, "ordered": "time" in by}
    warned = warnings_on(whole.frame, whole.truth, columns, **kept)
    found = table_checks(whole.frame, whole.truth, columns, warned, parts, **kept)
    replaced = {each.code for each in tables.checks}
    return [*(each for each in found if each.code not in replaced), *tables.checks]


def new_rows_of(model: TableModel, table: Any) -> tuple[str, pd.DataFrame, pd.Series[Any]] | None:
    """Return the new rows of a table as a diagnosis takes them: part, features and target.

    None if the model was trained on many of the rows and it is not known on which.
    """
    tables = model_tables(model, table, None, None, Options())
    part = next((name for name in ("test", "held out") if name in tables.parts), None)
    if part is None or tables.contaminated:
        return None
    return part, tables.parts[part].frame, tables.parts[part].truth


def coded_rows(
    model: TableModel, frame: pd.DataFrame, truth: pd.Series[Any]
) -> tuple[Tensor, Tensor]:
    """Return features and targets as a model's network takes them."""
    X = torch.from_numpy(model.encoder.transform(frame))
    return X, torch.from_numpy(model.target.transform(truth))


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
