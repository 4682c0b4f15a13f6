"""The result of a fit: its networks, the verdict, and what each regularizer did."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from bridle.checks import CheckResult, Checks
from bridle.checks.verdicts import judgement_checks
from bridle.models.credit import (
    conclusion_of,
    credit_of,
    early_stopping_of,
    regularizers_of,
)
from bridle.models.grouping import Grouping, count_groups
from bridle.models.recipe import Strengths
from bridle.models.table_model import TableModel
from bridle.networks.history import Dataset, History
from bridle.networks.population import Network
from bridle.statistics import GapJudgement
from bridle.statistics.card import Card, HasCard
from bridle.statistics.json_values import json_values
from bridle.statistics.scores import Comparison, Estimate
from bridle.statistics.verdict import NOTHING, RARE, opening_of
from bridle.statistics.wording import estimate_text

__all__ = ["FitResult", "Fitted", "counts_text", "fitted_text"]

STOPPED = "the network with early stopping alone"
REGULARIZED = "the regularized network"


@dataclass(frozen=True)
class Fitted:
    """The scores of one network.

    Attributes
    ----------
    diagnosis : GapJudgement
        The verdict, with the training and held-out scores.
    test : Estimate
        The score on the test set.
    zeros : tuple of float
        The share of weights that are exactly zero, by layer.
    epochs : int
        The epoch that its weights are from; after a search, the epochs trained.
    best_epoch : int
        The epoch of the lowest held-out loss.
    """

    diagnosis: GapJudgement
    test: Estimate
    zeros: tuple[float, ...]
    epochs: int
    best_epoch: int

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; an undefined number is None."""
        return dict(json_values(asdict(self)))


@dataclass(frozen=True, eq=False, repr=False)
class FitResult(HasCard):
    """The result of :func:`bridle.fit`.

    Attributes
    ----------
    model : TableModel
        The regularized network with the table's encoders.
    plain, regularized : Fitted
        Without any regularizer, and with all of them.
    stopped : Fitted, optional
        The network with early stopping alone; None if early stopping is off.
    comparison : Comparison
        The paired comparison of the regularized with the plain network on the test set.
    early_stopping, beyond : Comparison, optional
        Of the network with early stopping alone with the plain one, and of the regularized network
        with that one: what the other regularizers add to early stopping.
    history : History
        The training history; member 0 is plain, member 1 is regularized, and member 2 has early
        stopping alone.
    strengths : Strengths
    rows : dict
        The number of rows of each part.
    population : Network
        The networks, in the order of the history.
    data : dict of str to Dataset
        The encoded rows of each part.
    places : dict of str to int64 array
        The positions of each part's rows in the table.
    notes : tuple of str
        Remarks on how the table was read and its columns interpreted, and warnings about it.
    reading : str
        What was understood of the table, in one line.
    grouping : Grouping, optional
        The groups and times of the rows that the split respects.
    table_checks : tuple of CheckResult
        The checks of the table and of its split.
    """

    model: TableModel
    plain: Fitted
    regularized: Fitted
    stopped: Fitted | None
    comparison: Comparison
    early_stopping: Comparison | None
    beyond: Comparison | None
    history: History
    strengths: Strengths
    rows: dict[str, int]
    population: Network
    data: dict[str, Dataset]
    places: dict[str, np.ndarray[Any, np.dtype[np.int64]]]
    notes: tuple[str, ...] = field(default=())
    reading: str = ""
    grouping: Grouping | None = None
    table_checks: tuple[CheckResult, ...] = ()

    @property
    def groups(self) -> dict[str, int]:
        """The number of groups in each part; empty without groups."""
        return count_groups(self.grouping, self.places)

    @property
    def interrupted(self) -> bool:
        """Whether a KeyboardInterrupt ended the training."""
        return self.history.interrupted

    @property
    def checks(self) -> Checks:
        """The checks of the regularized network and of the table."""
        judged = self.regularized.diagnosis
        return Checks.of(
            [
                *judgement_checks(judged, self.rows, self.groups),
                *self.table_checks,
                early_stopping_of(self.model.facts, share=judged.is_share),
            ]
        )

    @property
    def verdict(self) -> str:
        """Sentences: whether the plain network overfits, and what each regularizer did."""
        opening = _said("the plain network", self.plain.diagnosis)
        return " ".join([opening, *self.credits, *self._other_verdicts, self.conclusion])

    @property
    def conclusion(self) -> str:
        """Whether the regularized network predicts new rows better than the plain one."""
        share = self.plain.diagnosis.is_share
        only_stopped = self.stopped is not None and not regularizers_of(self.strengths)
        network = STOPPED if only_stopped else REGULARIZED
        return conclusion_of(self.comparison, self.beyond, share=share, network=network)

    @property
    def _other_verdicts(self) -> tuple[str, ...]:
        """Why the other networks overfit or underfit, or have learned nothing: a sentence each."""
        others = {STOPPED: self.stopped}
        if regularizers_of(self.strengths) or self.stopped is None:
            others[REGULARIZED] = self.regularized
        plain = self.plain.diagnosis
        found: dict[str, str] = {}
        for name, each in others.items():
            if each is None or each.diagnosis.reason in (plain.reason, *found.values()):
                continue
            told = each.diagnosis.verdict in ("overfits", "underfits")
            if told or each.diagnosis.reason.startswith((NOTHING, RARE)):
                found[_said(name, each.diagnosis)] = each.diagnosis.reason
        return tuple(found)

    @property
    def credits(self) -> tuple[str, ...]:
        """What early stopping alone did, and what the other regularizers added: a sentence each."""
        names, plain = regularizers_of(self.strengths), self.plain.diagnosis
        after = self.regularized.diagnosis
        if not all(math.isfinite(each.gap.margin) for each in (plain, after)):
            return ()
        if self.stopped is None or self.early_stopping is None or self.beyond is None:
            return (credit_of(names, plain, after, self.comparison),) if names else ()
        stopped = self.stopped.diagnosis
        found = [credit_of(["early stopping alone"], plain, stopped, self.early_stopping)]
        if names:
            opening = "Beyond that, "
            found.append(credit_of(names, stopped, after, self.beyond, opening=opening))
        return tuple(found)

    def _card(self) -> Card:
        networks = {"plain": self.plain, "early stopping": self.stopped}
        networks["regularized"] = self.regularized
        rows = [(name, fitted_text(each)) for name, each in networks.items() if each is not None]
        share = self.plain.diagnosis.is_share
        difference = estimate_text(self.comparison.difference, share=share, signed=True)
        told = f"{difference}, regularized − plain, on new rows: {self.comparison.answer}"
        rows.append(("difference", told))
        rows += [("note", note) for note in self.notes]
        return Card(
            f"Fit of {self.model.target_name!r} ({self.model.task}, scored by "
            f"{self.plain.diagnosis.score_name}), {counts_text(self.rows)}",
            rows,
            self.verdict,
            "result.model.predict(table), bridle.diagnose(result), "
            "bridle.save_model(result.model, path)",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: everything but the model, the history and the rows."""
        return {
            "target": self.model.target_name,
            "task": self.model.task,
            "rows": self.rows,
            "groups": self.groups,
            "plain": self.plain.to_dict(),
            "regularized": self.regularized.to_dict(),
            "stopped": None if self.stopped is None else self.stopped.to_dict(),
            "comparison": _compared(self.comparison),
            "early_stopping": _compared(self.early_stopping),
            "beyond": _compared(self.beyond),
            "interrupted": self.interrupted,
            "verdict": self.verdict,
            "notes": list(self.notes),
            "checks": self.checks.to_list(),
            "facts": self.model.facts,
        }


def fitted_text(fitted: Fitted) -> str:
    """Return the scores of a network in one line."""
    found = fitted.diagnosis
    unit = " %" if found.is_share else ""
    score = estimate_text(fitted.test, share=found.is_share, unit=unit)
    gap = estimate_text(found.gap, share=found.is_share)
    zeros = ", ".join(f"{100 * each:.0f}" for each in fitted.zeros)
    parts = f"gap (training − {found.measured_on}) {gap}"
    return f"{found.verdict}, test {score}, {parts}, zeros {zeros} %"


def counts_text(rows: dict[str, int]) -> str:
    """Return the numbers of rows of each part, in words."""
    parts = [f"{count:,} {name.replace(' ', '-')}" for name, count in rows.items()]
    return f"{', '.join(parts[:-1])} and {parts[-1]} rows"


def _said(who: str, found: GapJudgement) -> str:
    return f"{opening_of(who, found.verdict, found.reason, found.claims)}: {found.reason}."


def _compared(comparison: Comparison | None) -> dict[str, Any] | None:
    if comparison is None:
        return None
    return {**json_values(asdict(comparison)), "answer": comparison.answer}
