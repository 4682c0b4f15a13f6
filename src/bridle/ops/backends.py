"""The modules that implement the ops, by device."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import torch

from bridle.ops import cpu, reference

__all__ = ["backend_of", "number_backend_of"]


def backend_of(device: torch.device) -> ModuleType:
    """Return the module that implements the ops on a device."""
    if device.type == "cpu":
        return cpu
    if device.type == "cuda":
        try:
            return import_module("bridle.ops.triton")
        except ImportError:  # Triton comes with torch for CUDA, except on Windows
            return reference
    return reference


def number_backend_of(device: torch.device) -> ModuleType:
    """Return the module that draws random numbers on a device."""
    # kernels draw the random words; torch computes the logarithms and sines, because those of a
    # GPU kernel would differ in the last bits
    return cpu if device.type == "cpu" else reference
