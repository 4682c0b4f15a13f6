"""How the answer does beside others on the test part, in the score that the search selected by."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from torch import Tensor

from bridle.judging import (
    SAME,
    Comparison,
    Estimate,
    compare,
    judge_classes,
    judge_values,
)
from bridle.searching.scoring import scores_of

__all__ = ["boosting_outputs", "compare_by", "interval_by"]

_BOOSTING_CELLS = 10**7
_DRAWS = 500


def boosting_outputs(
    X: Tensor, y: Tensor, X_test: Tensor, *, classes: int, seed: int
) -> Tensor | None:
    """Return what scikit-learn's default gradient boosting says of the test rows.

    None where the table is so large that it would take longer than the search.
    """
    if X.numel() * max(1, classes) > _BOOSTING_CELLS:
        return None
    if not classes:
        model = HistGradientBoostingRegressor(random_state=seed).fit(X.numpy(), y.numpy())
        return torch.from_numpy(model.predict(X_test.numpy()))[:, None]
    model = HistGradientBoostingClassifier(random_state=seed, early_stopping=False)
    model.fit(X.numpy(), y.numpy())
    found = torch.full((len(X_test), classes), 1e-12, dtype=torch.float64)
    found[:, torch.from_numpy(model.classes_)] = torch.from_numpy(
        model.predict_proba(X_test.numpy())
    )
    return found.clamp(min=1e-12).log()


def _judge(outputs: Tensor, y: Tensor, *, classes: bool) -> Any:
    if classes:
        return judge_classes(outputs.argmax(-1).numpy(), y.numpy())
    return judge_values(outputs[..., 0].double().numpy(), y.numpy())


def _drawn(outputs: list[Tensor], y: Tensor, scoring: str, *, classes: bool, seed: int) -> Tensor:
    """Return the scores on resampled rows, float64 ``[draws, outputs]``: the bootstrap.

    Rows are drawn within their class, so that no class is ever absent.
    """
    random = np.random.default_rng([seed, 0xB007])
    groups = [(y == code).nonzero()[:, 0].numpy() for code in y.unique()] if classes else []
    groups = groups or [np.arange(len(y))]
    stacked = torch.stack(outputs)
    found = []
    for _ in range(_DRAWS):
        rows = np.concatenate([random.choice(group, len(group)) for group in groups])
        found.append(scores_of(stacked[:, rows], y[rows], scoring))
    return torch.stack(found)


def interval_by(
    outputs: Tensor, y: Tensor, scoring: str, *, classes: bool, seed: int = 0
) -> Estimate:
    """Return the test score with its 95 % interval.

    Wilson's for accuracy and the delta method's for R²; for other scores the percentiles of 500
    bootstrap samples of the rows (Efron 1979), drawn within classes.
    """
    if scoring in ("accuracy", "r2"):
        found: Estimate = _judge(outputs, y, classes=classes).interval()
        return found
    value = float(scores_of(outputs[None], y, scoring))
    drawn = _drawn([outputs], y, scoring, classes=classes, seed=seed)[:, 0]
    low, high = np.quantile(drawn.numpy(), [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def compare_by(
    first: Tensor, second: Tensor, y: Tensor, scoring: str, *, classes: bool, seed: int = 0
) -> Comparison:
    """Compare the second's score with the first's on the same rows, in pairs.

    As :func:`bridle.judging.compare` for accuracy and R²; for other scores from 500 bootstrap
    samples of the rows, where "same" is a difference below 0.01.
    """
    if scoring in ("accuracy", "r2"):
        return compare(_judge(first, y, classes=classes), _judge(second, y, classes=classes))
    at = scores_of(torch.stack([first, second]), y, scoring)
    drawn = _drawn([first, second], y, scoring, classes=classes, seed=seed)
    change = (drawn[:, 1] - drawn[:, 0]).numpy()
    low, high = np.quantile(change, [0.025, 0.975])
    better, worse = float((change > SAME).mean()), float((change < -SAME).mean())
    value = Estimate(float(at[1] - at[0]), float(low), float(high))
    return Comparison(value, better, max(0.0, 1 - better - worse), worse)
