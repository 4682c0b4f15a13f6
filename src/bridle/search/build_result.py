"""Build the result of a search: score the model on the test set, and collect the evidence."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bridle.checks.edges import edges_check
from bridle.models.recipe import Strengths
from bridle.models.result import Fitted
from bridle.models.table_model import TableModel
from bridle.networks.population import Network, predict
from bridle.search.comparison import compare_outputs, judge_outputs
from bridle.search.configuration import ranges_of
from bridle.search.final_model import (
    answer_of,
    average_outputs,
    held_out_outputs,
    network_of,
    refit,
    zero_shares,
)
from bridle.search.importance import begin_importance, usage_of_regularizers
from bridle.search.metrics import metrics_of
from bridle.search.prepare import PreparedTable
from bridle.search.result import ScoredRows, SearchResult
from bridle.search.scoring import scores_of
from bridle.search.successive_halving import SuccessiveHalving
from bridle.search.temperature import Temperature
from bridle.search.trial import PLAIN_ID, Trial
from bridle.statistics import Rival, judge_gap
from bridle.statistics.boosting import BOOSTING
from bridle.statistics.scores import Judged, compare
from bridle.tables import ValueTarget
from bridle.version import __version__

__all__ = ["CHOSEN_NAME", "PLAIN_NAME", "build_result", "model_facts", "trial_histories"]

PLAIN_NAME = "the network without regularization"
CHOSEN_NAME = "the model of the search"


def build_result(
    halving: SuccessiveHalving,
    best: Sequence[Trial],
    table: PreparedTable,
    answer: str,
    began: float,
) -> SearchResult:
    """Score the model on the test set, once, and return the result.

    Parameters
    ----------
    halving : SuccessiveHalving
    best : sequence of Trial
        The trials that the model consists of, best first.
    table : PreparedTable
    answer : {"ensemble", "best", "refit"}
    began : float
        When the search began, by ``time.monotonic()``.
    """
    data, plan = table.data, halving.plan
    classes, scoring = bool(data.classes), plan.scoring
    boosting, ranked = table.begin_boosting()(), halving.ranked()
    importance_of = begin_importance(ranked, plan.seed, beside=plan.workers > 1)
    found = answer_of(data, best, plan, answer, table.groups_of("searched"))
    network, bins = found.network, found.bins
    plain = [halving.trials[PLAIN_ID]]
    plain_bins = plain[0].configuration.bins
    plain_folds = network_of(data, plain, plain_bins)
    # folds that train on a part of the other rows would lag behind a refit
    plain_networks = plain_folds if data.trained is None else refit(data, plain, plan)

    outputs = {
        "chosen": _test_outputs(table, network, bins, found.temperature),
        "plain": _test_outputs(table, plain_networks, plain_bins),
    }
    if boosting is not None:
        outputs["boosting"] = boosting
    others = {name: each for name, each in outputs.items() if name != "chosen"}
    test_score, comparisons = compare_outputs(
        outputs["chosen"],
        others,
        table.y_test,
        scoring,
        classes=classes,
        seed=plan.seed,
        groups=table.groups_of("test"),
    )
    test = {
        name: judge_outputs(each, table.y_test, classes=classes, groups=table.groups_of("test"))
        for name, each in outputs.items()
    }
    known = {
        "chosen": _outputs_of(table, network, bins, found.temperature),
        "plain": _outputs_of(table, plain_networks, plain_bins),
    }
    plain_held_out = held_out_outputs(data, plain_folds, plain_bins)
    held_out = {
        "chosen": average_outputs(found.held_out, classes=classes, temperature=found.temperature),
        "plain": average_outputs(plain_held_out, classes=classes),
    }
    per_epoch = len(data.rows_of(0)[0]) / plan.batch_size
    y, scored = data.y[data.scored], data.scored.numpy()
    unit = table.coding.scale if isinstance(table.coding, ValueTarget) else 1.0
    parts = {"held out": (held_out["chosen"], y)}
    parts |= {name: (each, table.y_test) for name, each in outputs.items()}
    metrics = {
        {"chosen": "test"}.get(name, name): metrics_of(*each, classes=classes, unit=unit)
        for name, each in parts.items()
    }
    groups = table.groups_of("searched")
    groups = None if groups is None else groups[scored]
    judged = {
        name: (
            judge_outputs(known[name], data.y[data.seen], classes=classes),
            judge_outputs(held_out[name], y, classes=classes, groups=groups),
            test[name],
        )
        for name in known
    }
    names = {"plain": PLAIN_NAME, "chosen": CHOSEN_NAME, "boosting": BOOSTING}
    rivals = {
        name: [
            Rival(names[other], compare(test[name], each))
            for other, each in test.items()
            if other != name
        ]
        for name in known
    }
    chosen = _fitted(best, judged["chosen"], rivals["chosen"], per_epoch)
    importance, response = importance_of()
    facts = model_facts(halving, best, answer, numbers=data.numbers)
    facts |= {"fitted": chosen.to_dict(), "table": table.facts}
    configurations = _table_of(ranked)
    sampled = configurations[configurations["id"] != PLAIN_ID]
    edges = edges_check(sampled, ranges_of(classes=classes))
    facts["edges"] = [each.to_dict() for each in edges]
    return SearchResult(
        model=TableModel(
            network,
            table.encoders[bins],
            table.coding,
            table.target,
            facts,
            1.0 if found.temperature is None else found.temperature.value,
        ),
        plain=_fitted(plain, judged["plain"], rivals["plain"], per_epoch),
        chosen=chosen,
        answer=answer,
        configuration=best[0].configuration,
        together=tuple(each.configuration for each in best),
        scoring=scoring,
        validation_score=best[0].best[0],
        considered=len([each for each in halving.trials.values() if each.scores]),
        failed=sum(each.failed for each in halving.trials.values()),
        test_score=test_score,
        comparisons=comparisons,
        metrics=metrics,
        temperature=found.temperature,
        scores={
            name: float(scores_of(each[None], table.y_test, scoring))
            for name, each in outputs.items()
        },
        configurations=configurations,
        histories=trial_histories(halving.trials.values()),
        importance=importance,
        response=response,
        winners=usage_of_regularizers(halving.finalists),
        rows={"searched": len(data.y), "test": len(table.y_test)},
        seconds=time.monotonic() - began,
        interrupted=halving.interrupted,
        observed=_scored_rows(table, bins, held_out["chosen"], others),
        notes=(*table.notes, *table.encoders[0].notes),
        reading=table.reading,
        groups=_count_groups(table),
        table_checks=table.checks,
    )


def _count_groups(table: PreparedTable) -> dict[str, int]:
    parts = {name: table.groups_of(name) for name in ("searched", "test")}
    return {name: len(np.unique(each)) for name, each in parts.items() if each is not None}


def _test_outputs(
    table: PreparedTable, network: Network, bins: int, temperature: Temperature | None = None
) -> Tensor:
    outputs = predict(network, table.X_test[bins])
    return average_outputs(outputs, classes=bool(table.data.classes), temperature=temperature)


def _outputs_of(
    table: PreparedTable, network: Network, bins: int, temperature: Temperature | None = None
) -> Tensor:
    """Return the outputs for rows on which all networks, or most of them, were trained."""
    outputs = predict(network, table.data.inputs[bins][table.data.seen])
    return average_outputs(outputs, classes=bool(table.data.classes), temperature=temperature)


def _fitted(
    trials: Sequence[Trial],
    judged: tuple[Judged, Judged, Judged],
    rivals: Sequence[Rival],
    per_epoch: float,
) -> Fitted:
    """Describe the networks of trials by their scores: training, held out and test."""
    training, held_out, test = judged
    return Fitted(
        diagnosis=judge_gap(training, held_out, test, rivals),
        test=test.interval(),
        zeros=zero_shares(trials),
        epochs=math.ceil(trials[0].steps[-1] / per_epoch),
        best_epoch=math.ceil(trials[0].best_step / per_epoch),
    )


def _scored_rows(
    table: PreparedTable, bins: int, held_out_outputs: Tensor, others: dict[str, Tensor]
) -> ScoredRows:
    data, scored = table.data, table.data.scored
    groups, searched = table.groups_of("searched"), table.places["searched"]
    return ScoredRows(
        X=data.inputs[bins][scored],
        y=data.y[scored],
        X_seen=data.inputs[bins][data.seen],
        y_seen=data.y[data.seen],
        fold=data.fold[scored],
        X_test=table.X_test[bins],
        y_test=table.y_test,
        held_out_outputs=held_out_outputs,
        test_outputs=others,
        places=table.places
        | {"searched": searched[scored.numpy()], "seen": searched[data.seen.numpy()]},
        groups={
            "searched": None if groups is None else groups[scored.numpy()],
            "test": table.groups_of("test"),
        },
    )


def _table_of(ranked: Sequence[Trial]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"id": each.id}
            | each.configuration.to_dict()
            | {
                "rung": each.rung,
                "steps": each.steps[-1],
                "best_step": each.best_step,
                "score": each.best[0],
                "loss": -each.best[1],
                "first_score": each.first_score,
            }
            | {f"fold_{v}": score for v, score in enumerate(each.fold_scores)}
            for each in ranked
        ]
    )


def trial_histories(trials: Iterable[Trial]) -> pd.DataFrame:
    """Return a row for each evaluation of each trial."""
    return pd.DataFrame(
        [
            {"id": each.id, "step": step, "score": score, "loss": loss}
            for each in trials
            for step, score, loss in zip(each.steps, each.scores, each.losses, strict=True)
        ]
    )


def model_facts(
    halving: SuccessiveHalving, best: Sequence[Trial], answer: str, *, numbers: int
) -> dict[str, Any]:
    """Return the facts that a model keeps about the search that found it; JSON values."""
    values = best[0].configuration.to_dict()
    embedding = {}
    if values["embedding"]:
        embedding["embedding"] = {"numbers": numbers, "deviation": values["embedding"]}
    return {
        "strengths": asdict(Strengths.among(values)),
        "recipe": {
            "hidden": values["hidden"],
            "learning_rate": values["learning_rate"],
            "batch_size": halving.plan.batch_size,
            **embedding,
        },
        "configuration": values,
        "answer": answer,
        "together": [each.configuration.to_dict() for each in best],
        "seed": halving.plan.seed,
        "versions": {
            "bridle": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
