"""Strengths in several dialects, and the gradient of the mean data loss."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from bridle import ElasticNet
from bridle.dialects.conventions import named
from bridle.dialects.convert import DIALECTS, convert_strength
from bridle.networks.objectives import OBJECTIVES

CONTEXT = {"rows": 60, "learning_rate": 0.1}
TWO = {"parts": (0.3, 0.2), "share": (0.4, 0.7)}
VALUES = {
    name: dict(zip(named(name).keys, TWO[named(name).setting.mixed], strict=True))
    for name in DIALECTS
    if len(named(name).keys) == 2
}
BOTH = "bridle.ElasticNet"
SIDES = pytest.mark.parametrize("squared_error", ["full", "half"])


def penalty_of(value, source, **context):
    """Return bridle's penalty of a strength in another dialect."""
    return ElasticNet(**convert_strength(value, source, BOTH, **context))


def objective_gradient(w, b, X, y, *, squared_error=None):
    """Return the gradients of the mean data loss, by weights and by bias."""
    w = torch.tensor(np.ravel(w), dtype=torch.float64, requires_grad=True)
    b = torch.tensor(float(np.ravel(b)[0]), dtype=torch.float64, requires_grad=True)
    outputs, y = torch.from_numpy(X) @ w + b, torch.tensor(y, dtype=torch.float64)
    if squared_error is None:
        loss = F.binary_cross_entropy_with_logits(outputs, y)
    else:
        loss = OBJECTIVES["squared_error"].loss(outputs[None, :, None], y).mean()
        loss = loss / 2 if squared_error == "half" else loss
    loss.backward()
    return w.detach(), w.grad, b.grad
