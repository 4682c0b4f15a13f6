"""The result of a search, put together when the contest is over."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bridle.models.recipe import Strengths
from bridle.models.result import Fitted
from bridle.models.table_model import TableModel
from bridle.networks.population import Network, predict
from bridle.search.answer import averaged, networks_of, own_rows, refit, zeros_of
from bridle.search.comparing import judged, outcome_of
from bridle.search.explaining import explain, shares_of
from bridle.search.halving import PLAIN_ID, Contest, Entry
from bridle.search.result import Observed, SearchResult
from bridle.search.scoring import scores_of
from bridle.search.task import Task
from bridle.statistics import judge_gap
from bridle.statistics.scores import Judged
from bridle.tables import ClassTarget, TableEncoder, ValueTarget
from bridle.version import __version__

__all__ = ["Ground", "facts_of", "histories_of", "result_of"]


@dataclass(frozen=True, eq=False)
class Ground:
    """What a search stands on: the table's coding, and the test part.

    Attributes
    ----------
    encoders : dict of int to TableEncoder
        By the bins of the encoding.
    coding : ClassTarget or ValueTarget
    target : str
    X_test : dict of int to Tensor
    y_test : Tensor
    boosted : Tensor, optional
        What gradient boosting says of the test part.
    places : dict of str to int64 array
        Where the rows of "searched" and "test" stand in the table.
    facts : dict
        What the model shall say of the table; JSON values.
    """

    encoders: dict[int, TableEncoder]
    coding: ClassTarget | ValueTarget
    target: str
    X_test: dict[int, Tensor]
    y_test: Tensor
    boosted: Tensor | None
    places: dict[str, np.ndarray[Any, np.dtype[np.int64]]]
    facts: dict[str, Any]


def result_of(
    contest: Contest, winners: Sequence[Entry], task: Task, ground: Ground, answer: str
) -> SearchResult:
    """Open the test part, once, and say what was found."""
    plain, scoring = contest.entries[PLAIN_ID], contest.plan.scoring
    best, classes, seed = winners[0], bool(task.classes), contest.plan.seed
    bins = max(each.configuration.bins for each in winners)
    of_folds = networks_of(task, winners, bins)
    network = refit(task, best, contest.plan) if answer == "refit" else of_folds
    bare = networks_of(task, [plain], plain.configuration.bins)

    def said(answering: Network, bins: int) -> Tensor:
        return averaged(predict(answering, ground.X_test[bins]), classes=classes)

    outputs = {"chosen": said(network, bins), "plain": said(bare, plain.configuration.bins)}
    if ground.boosted is not None:
        outputs["boosting"] = ground.boosted
    y_test = ground.y_test
    per_epoch = len(task.rows_of(0)[0]) / contest.plan.batch_size
    test = {name: judged(each, y_test, classes=classes) for name, each in outputs.items()}
    own = own_rows(task, of_folds, bins)
    own_of_plain = own_rows(task, bare, plain.configuration.bins)
    fitted = {
        "chosen": _fitted(task, winners, own, test["chosen"], per_epoch),
        "plain": _fitted(task, [plain], own_of_plain, test["plain"], per_epoch),
    }
    others = {name: each for name, each in outputs.items() if name != "chosen"}
    score, comparisons = outcome_of(
        outputs["chosen"], others, y_test, scoring, classes=classes, seed=seed
    )
    ranked = contest.ranked()
    importance, response = explain(ranked, seed)
    facts = facts_of(contest, winners, answer)
    facts |= {"fitted": fitted["chosen"].to_dict(), "table": ground.facts}
    observed = Observed(
        X=task.inputs[bins][task.judged],
        y=task.y[task.judged],
        fold=task.fold[task.judged],
        X_test=ground.X_test[bins],
        y_test=y_test,
        unseen=own[1],
        said=others,
        places=ground.places | {"searched": ground.places["searched"][task.judged.numpy()]},
    )
    return SearchResult(
        model=TableModel(network, ground.encoders[bins], ground.coding, ground.target, facts),
        plain=fitted["plain"],
        chosen=fitted["chosen"],
        answer=answer,
        configuration=best.configuration,
        together=tuple(each.configuration for each in winners),
        scoring=scoring,
        validation_score=best.best[0],
        considered=len([each for each in contest.entries.values() if each.scores]),
        failed=sum(each.failed for each in contest.entries.values()),
        test_score=score,
        comparisons=comparisons,
        scores={
            name: float(scores_of(each[None], y_test, scoring)) for name, each in outputs.items()
        },
        configurations=_table_of(ranked),
        histories=histories_of(contest.entries.values()),
        importance=importance,
        response=response,
        winners=shares_of(contest.finalists),
        rows={"searched": len(task.y), "test": len(y_test)},
        seconds=time.monotonic() - contest.began,
        interrupted=contest.interrupted,
        observed=observed,
        notes=ground.encoders[0].notes,
    )


def _fitted(
    task: Task, entries: Sequence[Entry], own: tuple[Tensor, Tensor], test: Judged, per_epoch: float
) -> Fitted:
    seen, unseen = own
    classes, y = bool(task.classes), task.y[task.judged]
    return Fitted(
        diagnosis=judge_gap(judged(seen, y, classes=classes), judged(unseen, y, classes=classes)),
        test=test.interval(),
        zeros=zeros_of(entries),
        epochs=math.ceil(entries[0].steps[-1] / per_epoch),
        best_epoch=math.ceil(entries[0].best_step / per_epoch),
    )


def _table_of(ranked: Sequence[Entry]) -> pd.DataFrame:
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


def histories_of(entries: Iterable[Entry]) -> pd.DataFrame:
    """Return every look at every configuration, a row each."""
    return pd.DataFrame(
        [
            {"id": each.id, "step": step, "score": score, "loss": loss}
            for each in entries
            for step, score, loss in zip(each.steps, each.scores, each.losses, strict=True)
        ]
    )


def facts_of(contest: Contest, winners: Sequence[Entry], answer: str) -> dict[str, Any]:
    """Return what a model says of how it came about; JSON values."""
    values = winners[0].configuration.to_dict()
    return {
        "strengths": asdict(Strengths.among(values)),
        "recipe": {
            "hidden": values["hidden"],
            "learning_rate": values["learning_rate"],
            "batch_size": contest.plan.batch_size,
        },
        "configuration": values,
        "answer": answer,
        "together": [each.configuration.to_dict() for each in winners],
        "seed": contest.plan.seed,
        "versions": {
            "bridle": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
