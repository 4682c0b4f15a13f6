"""Compare the model with other predictors on the test set, by the score that was selected by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.search.scoring import scores_of
from bridle.statistics.grouped import FEWEST_GROUPS, widening
from bridle.statistics.scores import (
    SAME,
    Comparison,
    Estimate,
    Judged,
    compare,
    judge_classes,
    judge_values,
    undefined_values,
)
from bridle.statistics.second_process import begin_beside, begin_call

__all__ = ["RESAMPLES", "begin_boosting", "compare_outputs", "judge_outputs"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[Any]]

_TREES, _SPLITS, _LEAF = 100, 30, 20  # scikit-learn's defaults
_MAX_SECONDS = 60.0
RESAMPLES = 500


def begin_boosting(
    X: Tensor,
    y: Tensor,
    X_test: Tensor,
    *,
    classes: int,
    seed: int,
    seconds: float | None = None,
    beside: bool = False,
) -> Callable[[], Tensor | None]:
    """Begin to fit scikit-learn's default gradient boosting; return a function that waits for it.

    The function returns the outputs for the test rows, or None if they would take more than a tenth
    of the search's ``seconds``, or more than a minute if there is no budget. The time comes from
    :func:`boosting_seconds` and not from a clock, so that a resumed search decides the same.
    ``beside`` fits it in a thread if there is no second process.
    """
    limit = _MAX_SECONDS if seconds is None else seconds / 10
    if boosting_seconds(X.shape[0], X.shape[1], classes) > limit:
        return lambda: None
    call = (begin_beside if beside else begin_call)(
        "bridle.statistics.boosting:boosting_predictions",
        X.numpy(),
        y.numpy(),
        X_test.numpy(),
        classes=classes,
        seed=seed,
        early_stopping=False,
    )

    def outputs() -> Tensor:
        predicted = torch.from_numpy(call())
        return predicted.clamp(min=1e-12).log() if classes else predicted[:, None]

    return cache(outputs)


def boosting_seconds(rows: int, columns: int, classes: int) -> float:
    """Estimate the seconds of scikit-learn's gradient boosting from the size of the table.

    There are 100 trees for each class. A tree reads every cell, and each of its splits reads the
    bins of every column.
    """
    splits = min(_SPLITS, max(1, rows // _LEAF - 1))
    return _TREES * max(1, classes if classes > 2 else 1) * columns * (5e-6 * splits + 8e-9 * rows)


def judge_outputs(
    outputs: Tensor, y: Tensor, *, classes: bool, groups: IntArray | None = None
) -> Judged:
    """Score outputs ``[rows, outputs]`` by accuracy or R²; rows may have groups."""
    if classes:
        return judge_classes(outputs.argmax(-1).numpy(), y.numpy(), groups)
    if (y == y[0]).all():
        return undefined_values(len(y))
    return judge_values(outputs[..., 0].double().numpy(), y.numpy(), groups)


def _bootstrap_scores(
    outputs: Tensor,
    y: Tensor,
    scoring: str,
    *,
    classes: bool,
    seed: int,
    groups: IntArray | None,
) -> FloatArray:
    """Return the scores on bootstrap samples of the rows, float64 ``[samples, outputs]``.

    Rows are resampled within their class, so that no class is absent. With groups, whole groups
    are resampled, and a sample that lacks a class is left out.
    """
    random = np.random.default_rng([seed, 0xB007])
    scores = [
        scores_of(outputs[:, rows], y[rows], scoring).numpy()
        for rows in _samples(y, random, classes=classes, groups=groups)
        if groups is None or not classes or len(y[rows].unique()) == len(y.unique())
    ]
    return np.stack(scores) if scores else np.full((1, len(outputs)), np.nan)


def _samples(
    y: Tensor, random: np.random.Generator, *, classes: bool, groups: IntArray | None
) -> Iterator[IntArray]:
    """Yield the rows of each bootstrap sample."""
    if groups is not None:
        _, codes = np.unique(groups, return_inverse=True)
        members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
        for _ in range(RESAMPLES):
            picked = random.integers(len(members), size=len(members))
            yield np.concatenate([members[at] for at in picked])
        return
    strata = [(y == code).nonzero()[:, 0].numpy() for code in y.unique()] if classes else []
    strata = strata or [np.arange(len(y))]
    for _ in range(RESAMPLES):
        yield np.concatenate([random.choice(each, len(each)) for each in strata])


def _estimate(value: float, resampled: FloatArray) -> Estimate:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def compare_outputs(
    chosen: Tensor,
    others: Mapping[str, Tensor],
    y: Tensor,
    scoring: str,
    *,
    classes: bool,
    seed: int = 0,
    groups: IntArray | None = None,
) -> tuple[Estimate, dict[str, Comparison]]:
    """Return the test score with its 95 % interval, and its paired comparisons with others.

    Accuracy has Wilson's interval and R² that of the delta method; both are compared by
    :func:`bridle.statistics.compare`. Other scores have percentile intervals of 500 bootstrap
    samples of the rows (Efron 1979), resampled within classes; "same" is a difference below 0.01.
    With groups, whole groups are resampled, the samples are widened by the ratio of Student's to
    the normal quantile for the number of groups, and below 5 groups there is no interval.
    """
    if scoring in ("accuracy", "r2"):
        mine = judge_outputs(chosen, y, classes=classes, groups=groups)
        theirs = {
            name: judge_outputs(each, y, classes=classes, groups=groups)
            for name, each in others.items()
        }
        return mine.interval(), {name: compare(each, mine) for name, each in theirs.items()}
    nan = math.nan
    if scoring == "roc_auc" and len(y.unique()) < 2:
        unknown = Estimate(nan, nan, nan)
        return unknown, dict.fromkeys(others, Comparison(unknown, nan, nan, nan))
    stacked = torch.stack([chosen, *others.values()])
    scores = scores_of(stacked, y, scoring).numpy()
    if groups is not None and len(np.unique(groups)) < FEWEST_GROUPS:
        unsure = {
            name: Comparison(Estimate(float(scores[0] - scores[at]), nan, nan), nan, nan, nan)
            for at, name in enumerate(others, start=1)
        }
        return Estimate(float(scores[0]), nan, nan), unsure
    resampled = _bootstrap_scores(stacked, y, scoring, classes=classes, seed=seed, groups=groups)
    if groups is not None:
        resampled = scores + (resampled - scores) * widening(groups)
    comparisons = {}
    for at, name in enumerate(others, start=1):
        change = resampled[:, 0] - resampled[:, at]
        better, worse = float((change > SAME).mean()), float((change < -SAME).mean())
        difference = _estimate(float(scores[0] - scores[at]), change)
        comparisons[name] = Comparison(difference, better, max(0.0, 1 - better - worse), worse)
    return _estimate(float(scores[0]), resampled[:, 0]), comparisons
