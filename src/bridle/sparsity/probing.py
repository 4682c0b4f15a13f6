"""Copies of a model and their outputs on an example, or an error that says why there are none."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import UsageError, first_line

__all__ = ["copied", "misfit", "outputs_of"]


def copied(model: nn.Module) -> nn.Module:
    """Return a copy of a model.

    Raises
    ------
    UsageError
        If it cannot be copied.
    """
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise UsageError(
            f"{type(model).__name__} cannot be copied ({first_line(error)}); if "
            "torch.nn.utils.prune made its zeros, call prune.remove on its layers first"
        ) from error


def outputs_of(model: nn.Module, batch: tuple[Tensor, ...]) -> Any:
    """Return a model's outputs for copies of the tensors of an example; no gradient is recorded.

    Raises
    ------
    UsageError
        If the model fails on it.
    """
    devices = sorted({part.device.index for part in batch if part.is_cuda})
    # the random state is restored, in case the forward pass is random
    with torch.no_grad(), torch.random.fork_rng(devices):
        try:
            return model(*(part.clone() for part in batch))
        except Exception as error:  # user code can raise anything
            raise misfit(batch, error) from error


def misfit(batch: tuple[Tensor, ...], error: Exception) -> UsageError:
    """Return the error for an example on which a model fails."""
    shapes = ", ".join(str(list(part.shape)) for part in batch)
    return UsageError(
        f"the example of shape {shapes} does not fit the model ({first_line(error)}); give a batch "
        "as its forward takes it, a Tensor or a tuple of Tensors"
    )
