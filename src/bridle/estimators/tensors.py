"""Tensors of NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["tensor_of"]


def tensor_of(array: Any) -> Tensor:
    """Return an array as a tensor; shares its memory if that is contiguous and writable.

    joblib hands large arrays to its workers as read-only memory maps. torch warns about these, and
    a training step that wrote to one would end the process.
    """
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))
