"""Measurements of the result of a search."""

from __future__ import annotations

from typing import Any

import numpy as np

from bridle.checks.edges import recorded_edges
from bridle.diagnosis.assemble import Measurements
from bridle.diagnosis.curves import curves_of_configuration
from bridle.diagnosis.performance import Selection
from bridle.diagnosis.subjects.audits import audited
from bridle.diagnosis.subjects.networks import (
    fitted_table,
    network_name,
    predictions_of,
    with_network,
    with_training,
)
from bridle.diagnosis.subjects.options import Options
from bridle.diagnosis.subjects.references import BOOSTING
from bridle.diagnosis.subjects.weights import parameters_of
from bridle.networks.population import predict
from bridle.search import SearchResult
from bridle.search.build_result import PLAIN_NAME
from bridle.statistics.scores import Estimate

__all__ = ["measure_search"]


def measure_search(found: SearchResult, data: Any, options: Options) -> Measurements:
    """Return the measurements of a search: folds, test set and references."""
    seen, coding, network = found.observed, found.model.target, found.model.network
    at = found.model.temperature
    searched = (seen.places["searched"], seen.groups.get("searched"))
    same = np.array_equal(seen.places["seen"], seen.places["searched"])
    known = searched if same else (seen.places["seen"], None)
    test = (seen.places["test"], seen.groups.get("test"))
    predicted = {
        "training": predictions_of(
            predict(network, seen.X_seen), seen.y_seen, coding, *known, temperature=at
        ),
        "held out": predictions_of(seen.held_out_outputs[None], seen.y, coding, *searched),
        "test": predictions_of(
            predict(network, seen.X_test), seen.y_test, coding, *test, temperature=at
        ),
    }
    names = {"plain": PLAIN_NAME, "boosting": BOOSTING}
    best = found.configurations.iloc[0]
    evaluations = found.histories[found.histories["id"] == best["id"]]
    within_table = found.model.facts["table"]["split"] == "test part"
    measured = Measurements(
        subject=network_name(network),
        task=found.model.task,
        predicted=predicted,
        selected=True,
        fold=seen.fold.numpy() if same and found.answer != "refit" else None,
        references={
            names[name]: predictions_of(outputs[None], seen.y_test, coding, groups=test[1])
            for name, outputs in seen.test_outputs.items()
        },
        table=fitted_table(data, sum(found.rows.values()), found.model) if within_table else None,
        worst=options.worst,
        seed=options.seed,
        parameters=parameters_of(network),
        curves=curves_of_configuration(
            *(evaluations[name].to_numpy() for name in ("step", "loss", "score"))
        ),
        selection=_selection(found),
        notes=found.notes,
        facts=found.model.facts,
        checks=(
            *found.table_checks,
            *recorded_edges(found.model.facts),
            *audited(found.model, options),
        ),
    )
    measured = with_network(
        measured, network, coding, seen.X_test, seen.y_test, "test", options, temperature=at
    )
    epochs = found.chosen.best_epoch
    return with_training(measured, seen.X, seen.y, seen.X_test, coding, "test", epochs, options)


def _selection(found: SearchResult) -> Selection:
    chosen, honest = found.validation_score, found.test_score
    table = found.configurations
    last = table[table["rung"] == table["rung"].max()]
    folds = last[[name for name in table.columns if name.startswith("fold_")]].to_numpy()
    best = table.iloc[0]
    own = np.array([best[name] for name in table.columns if name.startswith("fold_")], dtype=float)
    finite = np.isfinite(folds.astype(float)).all(1) if folds.size else np.zeros(0, dtype=bool)
    expected = None
    if finite.sum() > 1 and np.isfinite(own).all():
        expected = float((folds[finite].max(0) - own).mean())
    return Selection(
        tried=found.considered,
        scoring=found.scoring,
        validation_score=chosen,
        honest_score=honest,
        optimism=Estimate(chosen - honest.value, chosen - honest.high, chosen - honest.low),
        expected_optimism=expected,
    )
