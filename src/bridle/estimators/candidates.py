"""Candidates of a search in scikit-learn's format: parameters and ``cv_results_``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from bridle.errors import UsageError
from bridle.search.configuration import Configuration
from bridle.search.trial import Trial

__all__ = ["NAMES", "candidate_params", "cv_results_of", "hidden_layer_shapes"]

NAMES = {"learning_rate": "learning_rate_init", "hidden": "hidden_layer_sizes"}
"""Estimator parameters whose names differ in the search."""


def hidden_layer_shapes(sizes: Any) -> tuple[tuple[int, ...], ...]:
    """Return the hidden layer sizes to choose from, given a number, a sequence or several."""
    given = list(sizes) if isinstance(sizes, Iterable) else [sizes]
    several = bool(given) and all(isinstance(each, Iterable) for each in given)
    shapes = tuple(map(tuple, given)) if several else (tuple(given),)
    for shape in shapes:
        if not shape or not all(isinstance(n, Integral) and int(n) > 0 for n in shape):
            raise UsageError(
                f"hidden_layer_sizes is {sizes!r}; pass numbers of units above 0, such as "
                "(256, 256), or several such sequences to choose from"
            )
    return tuple(tuple(map(int, shape)) for shape in shapes)


def candidate_params(configuration: Configuration) -> dict[str, Any]:
    """Return a configuration as estimator parameters; None stands for an infinite value."""
    values = configuration.to_dict() | {"hidden": configuration.hidden}
    for name in ("embedding", "shared_members"):  # of searches on tables only
        del values[name]
    plain = {name: v.item() if isinstance(v, np.generic) else v for name, v in values.items()}
    return {NAMES.get(name, name): value for name, value in plain.items()}


def cv_results_of(
    trials: Sequence[Trial], order: Sequence[Trial], folds: int, unit: float
) -> dict[str, Any]:
    """Return all candidates in the format of ``cv_results_``."""
    params = [candidate_params(each.configuration) for each in trials]
    place = {each.id: rank for rank, each in enumerate(order, 1)}
    by_fold = np.full((folds, len(trials)), np.nan)
    pooled = np.full(len(trials), np.nan)
    for at, trial in enumerate(trials):
        if trial.id in place:
            by_fold[:, at] = trial.fold_scores
            pooled[at] = trial.best[0]
    by_fold, pooled = by_fold * unit, pooled * unit
    found: dict[str, Any] = {"params": params}
    for name in params[0]:
        values = np.empty(len(params), dtype=object)
        values[:] = [each[name] for each in params]
        found[f"param_{name}"] = np.ma.MaskedArray(values, mask=np.zeros(len(params), dtype=bool))
    found |= {f"split{v}_test_score": scores for v, scores in enumerate(by_fold)}
    return found | {
        "mean_test_score": by_fold.mean(0),
        "std_test_score": by_fold.std(0),
        "rank_test_score": np.array(
            [place.get(each.id, len(place) + 1) for each in trials], dtype=np.int32
        ),
        "pooled_test_score": pooled,
        "rung": np.array([each.rung for each in trials]),
        "n_steps": np.array([each.steps[-1] if each.steps else 0 for each in trials]),
    }
