"""How the answer does beside others on the test part, in the score that the search selected by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.search.scoring import scores_of
from bridle.statistics.boosting import boosted
from bridle.statistics.scores import (
    SAME,
    Comparison,
    Estimate,
    Judged,
    compare,
    judge_classes,
    judge_values,
)

__all__ = ["boosting_outputs", "judged", "outcome_of"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

_TREES, _SPLITS, _LEAF = 100, 30, 20
_MOST_SECONDS = 60.0
_DRAWS = 500


def boosting_outputs(
    X: Tensor, y: Tensor, X_test: Tensor, *, classes: int, seed: int, seconds: float | None = None
) -> Tensor | None:
    """Return what scikit-learn's default gradient boosting says of the test rows.

    None where it would take more than a tenth of the search's ``seconds``, or than a minute where
    there is no budget: by :func:`boosting_seconds`, so that a search that is resumed does the same.
    """
    most = _MOST_SECONDS if seconds is None else seconds / 10
    if boosting_seconds(X.shape[0], X.shape[1], classes) > most:
        return None
    rows = X.numpy(), y.numpy(), X_test.numpy()
    found = torch.from_numpy(boosted(*rows, classes=classes, seed=seed, early_stopping=False))
    return found.clamp(min=1e-12).log() if classes else found[:, None]


def boosting_seconds(rows: int, columns: int, classes: int) -> float:
    """Return about how long scikit-learn's gradient boosting takes, from the table's size alone.

    Each of 100 trees a class reads every cell, and at each of its splits the bins of every column.
    """
    splits = min(_SPLITS, max(1, rows // _LEAF - 1))
    return _TREES * max(1, classes if classes > 2 else 1) * columns * (5e-6 * splits + 8e-9 * rows)


def judged(outputs: Tensor, y: Tensor, *, classes: bool) -> Judged:
    """Judge outputs ``[rows, outputs]`` by accuracy or R²."""
    if classes:
        return judge_classes(outputs.argmax(-1).numpy(), y.numpy())
    return judge_values(outputs[..., 0].double().numpy(), y.numpy())


def _drawn(outputs: Tensor, y: Tensor, scoring: str, *, classes: bool, seed: int) -> FloatArray:
    """Return the scores on resampled rows, float64 ``[draws, outputs]``: the bootstrap.

    Rows are drawn within their class, so that no class is ever absent.
    """
    random = np.random.default_rng([seed, 0xB007])
    groups = [(y == code).nonzero()[:, 0].numpy() for code in y.unique()] if classes else []
    groups = groups or [np.arange(len(y))]
    found = []
    for _ in range(_DRAWS):
        rows = np.concatenate([random.choice(group, len(group)) for group in groups])
        found.append(scores_of(outputs[:, rows], y[rows], scoring).numpy())
    return np.stack(found)


def _estimate(value: float, drawn: FloatArray) -> Estimate:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def outcome_of(
    chosen: Tensor,
    others: Mapping[str, Tensor],
    y: Tensor,
    scoring: str,
    *,
    classes: bool,
    seed: int = 0,
) -> tuple[Estimate, dict[str, Comparison]]:
    """Return the test score with its 95 % interval, and how it compares with others, in pairs.

    Accuracy and R² have Wilson's interval, the delta method's, and
    :func:`bridle.statistics.compare`. Other scores have percentiles of 500 bootstrap samples of the
    rows (Efron 1979), drawn within classes; "same" is a difference below 0.01.
    """
    if scoring in ("accuracy", "r2"):
        mine = judged(chosen, y, classes=classes)
        theirs = {name: judged(each, y, classes=classes) for name, each in others.items()}
        return mine.interval(), {name: compare(each, mine) for name, each in theirs.items()}
    stacked = torch.stack([chosen, *others.values()])
    at = scores_of(stacked, y, scoring).numpy()
    drawn = _drawn(stacked, y, scoring, classes=classes, seed=seed)
    found = {}
    for place, name in enumerate(others, start=1):
        change = drawn[:, 0] - drawn[:, place]
        better, worse = float((change > SAME).mean()), float((change < -SAME).mean())
        difference = _estimate(float(at[0] - at[place]), change)
        found[name] = Comparison(difference, better, max(0.0, 1 - better - worse), worse)
    return _estimate(float(at[0]), drawn[:, 0]), found
