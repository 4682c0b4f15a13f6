"""Measurements of a history: its curves and its scores."""

from __future__ import annotations

import numpy as np

from bridle.diagnosis.assemble import Measurements
from bridle.diagnosis.curves import curves_of, member_of
from bridle.diagnosis.performance import Part
from bridle.diagnosis.predictions import Predictions
from bridle.diagnosis.subjects.options import Options
from bridle.networks.history import History
from bridle.statistics.scores import Estimate

__all__ = ["measure_history"]


def measure_history(history: History, options: Options) -> Measurements:
    """Return the measurements of a history.

    The interval of an accuracy needs only the count of correct rows, which the history determines.
    The interval of R² would need the error of each row, which a history does not have.
    """
    member = member_of(history, options.member)
    epoch = int(history.epochs_kept[member]) - 1
    rows = history.rows
    scores = {
        "training": float(history.train_score[epoch, member]),
        "held out": float(history.held_out_score[epoch, member]),
    }
    losses = {
        "training": float(history.train_loss[epoch, member]),
        "held out": float(history.held_out_loss[epoch, member]),
    }
    counts = dict(zip(scores, rows, strict=True))
    shares = history.score_name == "accuracy"
    if shares:  # undo rounding: the score is a count divided by the rows
        scores = {
            name: round(score * counts[name]) / counts[name] for name, score in scores.items()
        }
    nan = float("nan")
    recorded = {}
    for name, score in scores.items():
        exact = name == "training"
        interval = Estimate(score, score, score) if exact else Estimate(score, nan, nan)
        loss = losses[name]
        estimate = Estimate(loss, loss, loss) if exact else Estimate(loss, nan, nan)
        recorded[name] = Part(name, counts[name], interval, None, estimate)
    notes = []
    if not shares:
        notes.append(
            "R² has no interval, because a history does not have the errors of the rows; "
            "give a model for an interval"
        )
    predicted = {}
    if shares:
        right = round(scores["held out"] * rows[1])
        codes = (np.arange(rows[1]) >= right).astype(np.int64)
        predicted["held out"] = Predictions(np.zeros_like(codes), codes, None, (0, 1))
    return Measurements(
        subject="history" if history.train_loss.shape[1] == 1 else f"history, member {member}",
        task="classification" if shares else "regression",
        predicted=predicted,
        recorded=recorded,
        worst=0,
        seed=options.seed,
        curves=curves_of(history, member),
        notes=tuple(notes),
    )
