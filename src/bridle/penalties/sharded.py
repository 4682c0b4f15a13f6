"""Penalties of distributed weights: part by part, or on the whole weight where norms need it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from bridle.ops.sharding import as_sharded, full_of, is_sharded, like_local, local_of
from bridle.penalties.protocol import Penalty

__all__ = ["gradient_of", "prox_of", "value_of"]


def value_of(penalty: Penalty, weight: Tensor) -> Tensor:
    """Return ``R(w)``, the same on every process."""
    if not is_sharded(weight):
        return penalty.value(weight)
    if penalty.separable:
        return full_of(penalty.value(weight))
    return penalty.value(full_of(weight))


def gradient_of(penalty: Penalty, weight: Any) -> Tensor:
    """Return the gradient of ``R``, placed like the weight."""
    if not is_sharded(weight):
        return penalty.gradient(weight)
    if penalty.separable:
        return like_local(penalty.gradient(local_of(weight, weight)), weight)
    return as_sharded(penalty.gradient(full_of(weight)), weight)


def prox_of(penalty: Penalty, weight: Any, step: float | Tensor) -> Tensor:
    """Return the proximal step of ``R``, placed like the weight."""
    if not is_sharded(weight):
        return penalty.prox(weight, step)
    if penalty.separable:
        here = local_of(step, weight) if isinstance(step, Tensor) else step
        return like_local(penalty.prox(local_of(weight, weight), here), weight)
    return as_sharded(
        penalty.prox(full_of(weight), full_of(step) if isinstance(step, Tensor) else step), weight
    )
