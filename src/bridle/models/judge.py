"""Score the members of a population, and gradient boosting, on the parts of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from bridle.errors import DataError, UsageError, did_you_mean
from bridle.models.grouping import Grouping
from bridle.models.recipe import Recipe
from bridle.networks.history import Dataset
from bridle.networks.population import Network, predict
from bridle.statistics.scores import Judged, judge_classes, judge_values, undefined_values
from bridle.statistics.second_process import begin_call
from bridle.tables import ClassTarget, ValueTarget

__all__ = ["begin_boosting", "judge_members", "with_class_weights"]


def with_class_weights(
    data: Dataset, training: Dataset, coding: ClassTarget | ValueTarget, recipe: Recipe
) -> Dataset:
    """Return a part with the recipe's class weights, which are computed from the training part."""
    if recipe.class_weight is None:
        return data
    if isinstance(coding, ValueTarget):
        raise UsageError(
            f"class_weight is {recipe.class_weight!r}, but the task is regression; leave it out"
        )
    if isinstance(recipe.class_weight, Mapping):
        for name in recipe.class_weight:
            if name not in coding.classes:
                hint = did_you_mean(str(name), map(str, coding.classes))
                raise DataError(f"class_weight names the class {name!r}, which is unknown; {hint}")
        weights = torch.tensor([float(recipe.class_weight.get(c, 1.0)) for c in coding.classes])
        if not weights[training.y].any():
            raise UsageError(
                "all training rows have a weight of zero: class_weight is 0 for each of their "
                "classes; give at least one class a weight above 0"
            )
    else:
        counts = torch.bincount(training.y, minlength=len(coding.classes)).clamp(min=1)
        weights = len(training.y) / (counts.count_nonzero() * counts)
    return Dataset(data.X, data.y, weights[data.y].float())


def judge_members(
    network: Network,
    data: Dataset,
    coding: ClassTarget | ValueTarget,
    groups: np.ndarray[Any, Any] | None = None,
) -> list[Judged]:
    """Score each member on one part, with noise off; rows may have groups."""
    outputs = predict(network, data.X)
    truth = data.y.numpy()
    if isinstance(coding, ClassTarget):
        return [judge_classes(codes, truth, groups) for codes in outputs.argmax(-1).numpy()]
    if (truth == truth[0]).all():
        return [undefined_values(len(truth))] * network.members
    return [judge_values(values, truth, groups) for values in outputs[..., 0].double().numpy()]


def begin_boosting(
    data: Mapping[str, Dataset],
    coding: ClassTarget | ValueTarget,
    seed: int,
    grouping: Grouping | None,
    groups: np.ndarray[Any, Any] | None,
) -> Callable[[], Judged | None]:
    """Begin to fit gradient boosting; return a function that waits for its score on the test set.

    The score is None if the fit would take minutes.
    """
    classes = len(coding.classes) if isinstance(coding, ClassTarget) else 0
    (X, y), (X_test, y_test) = (
        (part.X.numpy(), part.y.numpy()) for part in (data["training"], data["test"])
    )
    call = begin_call(
        "bridle.statistics.boosting:boosting_reference",
        X,
        y,
        X_test,
        classes=classes,
        seed=seed,
        divisible=grouping is None,
    )

    def judged() -> Judged | None:
        found = call()
        if found is None:
            return None
        if classes:
            return judge_classes(found.argmax(1), y_test, groups)
        constant = bool((y_test == y_test[0]).all())
        return undefined_values(len(y_test)) if constant else judge_values(found, y_test, groups)

    return judged
