"""``audit`` leaves model, optimizer and random state as they are; its table, JSON and errors."""

import copy
import json
import math
import random

import numpy as np
import pytest
import torch
from audit_helpers import X, Y, cross_entropy, mlp, sgd
from torch import nn

import bridle
from bridle.errors import UsageError


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_nothing_of_the_users_changes():
    model = mlp(nn.BatchNorm1d(24), nn.Dropout(0.5))
    optimizer = torch.optim.Adam(model.parameters())
    bridle.regularize(model, {"0": bridle.DropConnect(keep_prob=0.5)})
    bridle.attach(optimizer, {"*": bridle.L1(0.1)}, model=model)
    cross_entropy(model, (X, Y)).backward()
    optimizer.step()
    model.eval()

    def everything():
        return copy.deepcopy(
            (
                list(model.state_dict().values()),
                [p.grad for p in model.parameters()],
                optimizer.state_dict()["state"],
                [torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()],
                model.training,
            )
        )

    before = everything()
    batch = (X.clone(), Y.clone())
    bridle.audit(model, optimizer, batch)
    after = everything()
    flat, spec = torch.utils._pytree.tree_flatten(before)
    other, same = torch.utils._pytree.tree_flatten(after)
    assert spec == same
    for a, b in zip(flat, other, strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
    assert torch.equal(batch[0], X)


def test_a_loss_that_uses_the_original_model_is_refused():
    model = mlp()
    with pytest.raises(UsageError, match="first argument"):
        bridle.audit(model, sgd(model), (X, Y), loss=lambda _, batch: cross_entropy(model, batch))
    assert all(p.grad is None for p in model.parameters())


def test_a_table_and_json():
    model = mlp(nn.Dropout(0.5))
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": bridle.L1(0.1)}, model=model)
    audited = bridle.audit(model, optimizer, (X, Y))
    assert str(audited).rstrip().endswith("passed")
    assert "0.weight" in str(audited)
    document = json.loads(json.dumps(audited.to_dict(), allow_nan=False))
    assert document["passed"] is True
    assert math.isclose(document["noises"][0]["keep_prob"], 0.5)


@pytest.mark.parametrize(
    ("batch", "loss", "message"),
    [
        (X, None, "not \\(X, y\\)"),
        ((X, Y), lambda model, batch: model(batch[0]), "scalar"),
    ],
)
def test_bad_input(batch, loss, message):
    model = mlp()
    with pytest.raises(UsageError, match=message):
        bridle.audit(model, sgd(model), batch, loss=loss)
