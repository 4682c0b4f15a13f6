"""Parameters and layers of estimators and modules."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from bridle.diagnosis.subjects.weights import (
    layers_of_arrays,
    layers_of_module,
    layers_of_network,
    parameters_of,
)
from bridle.models.table_model import TableModel
from bridle.networks.population import Network

__all__ = ["layers_of_subject", "parameters_of_subject"]


def parameters_of_subject(subject: Any) -> int | None:
    """Return the number of parameters of an estimator or a module, or None."""
    if isinstance(subject, nn.Module):
        return parameters_of(subject)
    if isinstance(model := getattr(subject, "model_", None), TableModel):
        return parameters_of(model.network)
    weights = [*getattr(subject, "coefs_", []), *getattr(subject, "intercepts_", [])]
    if weights:
        return sum(int(np.prod(each.shape)) for each in weights)
    linear = [getattr(subject, name, None) for name in ("coef_", "intercept_")]
    sizes = [np.size(each) for each in linear if isinstance(each, np.ndarray | float)]
    return sum(sizes) if len(sizes) == 2 else None


def layers_of_subject(subject: Any) -> tuple[Any, ...]:
    """Return the state of the layers of an estimator or a module."""
    if isinstance(subject, nn.Module):
        return () if isinstance(subject, Network) else layers_of_module(subject)
    if isinstance(model := getattr(subject, "model_", None), TableModel):
        return layers_of_network(model.network)
    if hasattr(subject, "coefs_"):
        return layers_of_arrays(subject.coefs_)
    return ()
