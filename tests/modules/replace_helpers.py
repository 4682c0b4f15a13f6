"""What the tests of ``replace_dropout`` share."""

import pytest
import torch


def feature(name, *values):
    return pytest.param(*values, id=f"replace-dropout-{name}-noise")


def outcome(run, model, X):
    model.zero_grad()
    y = run(X)
    y.square().sum().backward()
    return [y.detach(), *(value.grad.clone() for value in model.parameters())]


def close(found, wanted):
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
