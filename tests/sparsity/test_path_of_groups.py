"""The λ path of groups: where it starts, what becomes zero, and the entry of a target."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import bridle
from bridle import UsageError, lambda_max, lambda_path


def _rows(seed=0):
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(80, 6, generator=generator, dtype=torch.float64)
    Y = X[:, :2] @ torch.tensor([[2.0, -1.0], [1.0, 0.5]], dtype=torch.float64)
    return X, Y + 0.1 * torch.randn(80, 2, generator=generator, dtype=torch.float64)


def _loss(model, batch):
    return 0.5 * (model(batch[0]) - batch[1]).square().sum(1).mean()


def _linear():
    model = nn.Linear(6, 2, bias=False, dtype=torch.float64)
    nn.init.zeros_(model.weight)
    return model


def test_the_largest_strength_is_the_largest_norm_of_a_group():
    rows = _rows()
    gradient = rows[0].T @ rows[1] / 80
    found = lambda_max(_linear(), rows, loss=_loss, groups="inputs")
    assert found == pytest.approx(float(gradient.norm(dim=1).max()), rel=1e-12)
    assert lambda_max(_linear(), rows, loss=_loss) == pytest.approx(float(gradient.abs().max()))


@pytest.mark.parametrize("penalty", [bridle.L1, bridle.MCP])
def test_whole_inputs_enter_the_path(penalty):
    path = lambda_path(
        _linear(),
        _rows(),
        _rows(1),
        loss=_loss,
        penalty=penalty,
        groups="inputs",
        count=6,
        ratio=0.02,
        learning_rate=0.3,
        epochs=150,
    )
    assert path.sparsity[0] == 1
    for state, dead in zip(path.states, path.dead_inputs, strict=True):
        columns = (state["weight"] == 0).all(0)
        assert torch.equal((state["weight"] == 0).any(0), columns)
        assert int(columns.sum()) == dead[""]
    at = path.at_sparsity(0.6)
    assert path.sparsity[at] >= 0.6
    assert (path.states[at]["weight"][:, :2] != 0).all()
    assert path.held_out_loss[at] == min(
        loss for loss, share in zip(path.held_out_loss, path.sparsity, strict=True) if share >= 0.6
    )
    with pytest.raises(UsageError, match="no strength has"):
        replace(path, states=path.states[-1:], zeros=path.zeros[-1:]).at_sparsity(1.0)
    for target in (1.01, -0.1, "a", None):
        with pytest.raises(UsageError, match="it must be a share of zeros, from 0 to 1"):
            path.at_sparsity(target)
    assert path.to_dict()["sparsity"] == list(path.sparsity)


def test_the_group_lasso_path_satisfies_its_conditions():
    rows = _rows()
    path = lambda_path(
        _linear(),
        rows,
        rows,
        loss=_loss,
        groups="inputs",
        count=4,
        ratio=0.05,
        learning_rate=0.3,
        epochs=500,
    )
    for strength, state in zip(path.strengths, path.states, strict=True):
        w = state["weight"].T
        gradient = rows[0].T @ (rows[0] @ w - rows[1]) / 80
        norms = w.norm(dim=1, keepdim=True)
        active = (gradient + strength * w / norms).norm(dim=1)[norms[:, 0] > 0]
        resting = gradient.norm(dim=1)[norms[:, 0] == 0]
        assert (active < 1e-6).all()
        assert (resting <= strength * (1 + 1e-9)).all()


def test_a_convolution_leaves_zero_as_its_filters_do():
    """All filters are zero at the first strength; training restarts where a filter can leave."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 1))
    X = torch.randn(60, 1, 6)
    rows = X, X[:, 0, :3].sum(1, keepdim=True)
    path = lambda_path(
        model,
        rows,
        rows,
        loss=_loss,
        groups="units",
        count=5,
        ratio=0.01,
        learning_rate=0.1,
        epochs=60,
        select=("0.weight", "3.weight"),
    )
    filters = path.states[-1]["0.weight"].flatten(1)
    assert path.sparsity[0] == 1
    assert torch.equal((filters == 0).any(1), (filters == 0).all(1))
    assert filters.any()
