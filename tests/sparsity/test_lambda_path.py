"""λ paths: linear ones against scikit-learn's solutions, a network's by what it promises."""

import copy
import json

import numpy as np
import pytest
import torch
from path_helpers import (
    accuracy,
    cross_entropy,
    diabetes_arrays,
    digits_parts,
    digits_path,
    half_squares,
    linear,
    mlp,
)
from sklearn.linear_model import ElasticNet as SklearnElasticNet, Lasso, lasso_path
from torch import nn

from bridle import L1, L2, ElasticNet, GroupLasso, TrainingError, UsageError
from bridle.modules.attach import attach
from bridle.sparsity.lambda_path import lambda_max, lambda_path


@pytest.fixture(scope="module")
def diabetes():
    return diabetes_arrays()


@pytest.fixture(scope="module")
def rows(diabetes):
    return tuple(torch.from_numpy(part) for part in diabetes)


@pytest.fixture(scope="module")
def digits():
    return digits_parts()


@pytest.fixture(scope="module")
def rate(diabetes):
    """Just under 1 / L, of the loss's Hessian."""
    X, _ = diabetes
    return 0.99 / float(np.linalg.eigvalsh(X.T @ X / len(X)).max())


def test_it_is_the_lasso_path(diabetes, rows, rate):
    path = lambda_path(
        linear(),
        rows,
        rows,
        loss=half_squares,
        count=8,
        learning_rate=rate,
        epochs=20_000,
        tolerance=3e-10,
    )
    alphas, coefficients, _ = lasso_path(
        *diabetes, alphas=np.array(path.strengths), tol=1e-13, max_iter=100_000
    )
    assert np.allclose(alphas, path.strengths, rtol=1e-12)
    assert path.strengths[-1] == pytest.approx(1e-3 * path.strengths[0])
    found = np.stack([state["weight"][0].numpy() for state in path.states], 1)
    assert np.abs(found - coefficients).max() < 1e-6
    zero = np.abs(coefficients) < 1e-9  # at the largest strength rounding leaves them some 1e-14
    assert ((found == 0) == zero).all(), (found, coefficients)
    assert path.zeros[0] == {"weight": 1.0}
    assert path.dead_units[0] == {"": 1}
    assert path.dead_inputs[3][""] == zero[:, 3].sum()
    assert max(path.epochs) < 20_000


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("l1", [0.3, 0.03])
def test_attached_sgd_ends_where_the_optimality_conditions_hold(
    diabetes, rows, rate, l1, l2, momentum
):
    X, y = diabetes
    model = linear()
    sgd = torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum)
    penalty = ElasticNet(l1=l1, l2=l2) if l2 else L1(l1)
    attach(sgd, {"*": penalty}, model=model)
    for _ in range(600):
        sgd.zero_grad()
        half_squares(model, rows).backward()
        sgd.step()
    w, b = model.weight.detach().numpy()[0], model.bias.item()
    slope = X.T @ (X @ w + b - y) / len(y) + 2 * l2 * w  # bridle's l2 has no ½
    at_zero = np.maximum(np.abs(slope) - l1, 0)
    assert np.where(w == 0, at_zero, np.abs(slope + l1 * np.sign(w))).max() < 1e-5
    if l2:
        alpha = l1 + 2 * l2
        other = SklearnElasticNet(alpha=alpha, l1_ratio=l1 / alpha, tol=1e-13, max_iter=100_000)
    else:
        other = Lasso(alpha=l1, tol=1e-13, max_iter=100_000)
    expected = other.fit(X, y).coef_
    assert np.abs(w - expected).max() < 1e-5
    assert ((w == 0) == (expected == 0)).all()


def test_a_network_has_fewer_zeros_at_smaller_strengths(digits):
    path = digits_path(digits)
    assert path.strengths == (3e-2, 1e-2, 1e-3)
    shares = [each["0.weight"] for each in path.zeros]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]
    assert path.best == int(np.argmin(path.held_out_loss))
    for at, state in enumerate(path.states):
        for name in ("0", "3"):
            dead = state[f"{name}.weight"] == 0
            assert path.dead_inputs[at][name] == int(dead.all(0).sum())
            assert path.dead_units[at][name] == int(dead.all(1).sum())
    # some pixels at the edge are blank in every image, and learn nothing but their zero
    blank = int((digits[0][0] == 0).all(0).sum())
    assert all(each["0"] >= blank > 0 for each in path.dead_inputs[:2])


def test_a_model_of_the_path_predicts_as_recorded(digits):
    path = digits_path(digits)
    for at in range(3):
        model = path.model(at)
        assert model.training
        model.eval()
        with torch.no_grad():
            assert float(cross_entropy(model, digits[1])) == path.held_out_loss[at]
            assert float(cross_entropy(model, digits[0])) == path.training_loss[at]
            assert float(accuracy(model, digits[1])) == path.held_out_score[at]
    assert path.model(0) is not path.model(0)
    assert all(value.device.type == "cpu" for state in path.states for value in state.values())


def test_the_model_and_the_random_state_stay_as_they_are(digits):
    model = mlp().eval()
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    path = digits_path(digits, model)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert all(weight.grad is None for weight in model.parameters())
    assert not model.training
    assert not path.model(1).training


def test_two_runs_are_equal_bit_for_bit(digits):
    first, other = digits_path(digits), digits_path(digits)
    assert first.to_dict() == other.to_dict()
    for state, again in zip(first.states, other.states, strict=True):
        assert all(torch.equal(state[name], again[name]) for name in state)
    assert digits_path(digits, seed=1).held_out_loss != first.held_out_loss


def test_default_strengths_leave_the_saddle_at_zero(digits):
    path = digits_path(digits, mlp().eval(), strengths=None, count=6, ratio=1e-4, epochs=20)
    assert path.zeros[0] == {"0.weight": 1.0, "3.weight": 1.0}
    # from zero weights no hidden unit would come back, and no score rise above chance
    assert path.zeros[-1]["0.weight"] < 1
    assert path.held_out_score[-1] > 0.7


def test_a_strength_begins_where_the_last_one_ended(rows, rate):
    settings = {"loss": half_squares, "learning_rate": rate, "epochs": 5}
    path = lambda_path(linear(), rows, rows, strengths=[0.01, 0.2, 0.1], **settings)
    second = path.model(0)
    again = lambda_path(second, rows, rows, strengths=[0.1, 0.01], **settings)
    assert again.held_out_loss == path.held_out_loss[1:]


def test_a_group_lasso_kills_whole_inputs(digits):
    penalty = lambda s: GroupLasso(s, dim=-2)  # noqa: E731
    path = digits_path(digits, penalty=penalty, select="0.*", strengths=[0.05])
    weight = path.states[0]["0.weight"]
    assert 0 < path.dead_inputs[0]["0"] < 64
    assert path.zeros[0]["0.weight"] >= path.dead_inputs[0]["0"] / 64
    assert list(path.zeros[0]) == ["0.weight"]
    assert weight.any()


def test_adam_in_its_own_metric(rows):
    path = lambda_path(
        linear(),
        rows,
        rows,
        loss=half_squares,
        strengths=[0.05],
        epochs=1200,
        metric="adaptive",
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-2),
    )
    expected = Lasso(alpha=0.05, tol=1e-12).fit(*(part.numpy() for part in rows)).coef_
    assert np.abs(path.states[0]["weight"][0].numpy() - expected).max() < 1e-3


def test_default_strengths_are_of_the_optimizers_own_learning_rate(digits):
    model = mlp().eval()
    path = digits_path(
        digits,
        model,
        strengths=None,
        count=1,
        epochs=1,
        batch_size=None,
        learning_rate=9.0,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    )
    near = lambda_max(model, digits[0], loss=cross_entropy, learning_rate=0.1)
    assert path.strengths[0] == pytest.approx(near, rel=0.2)  # dropout is on in training


def test_dead_channels_of_convolutions():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.grouped = nn.Conv1d(4, 6, 3, groups=2)
            self.back = nn.ConvTranspose1d(6, 5, 3)

        def forward(self, X):
            return self.back(self.grouped(X))

    net = Net()
    with torch.no_grad():
        net.grouped.weight[1] = 0  # one unit
        net.grouped.weight[3:, 0] = 0  # the first input of the second group
        net.back.weight[:, [2, 3]] = 0  # two units
        net.back.weight[5] = 0  # one input
    batch = (torch.ones(2, 4, 8),)
    path = lambda_path(
        net, batch, batch, loss=lambda m, b: m(b[0]).square().mean() * 0, strengths=[0.0], epochs=1
    )
    assert path.dead_units == ({"grouped": 1, "back": 2},)
    assert path.dead_inputs == ({"grouped": 1, "back": 1},)


def test_the_table_and_the_json(digits):
    path = digits_path(digits)
    lines = str(path).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert [line.startswith("*") for line in lines[1:]].index(True) == path.best
    assert "held-out score" in lines[0]
    values = json.loads(json.dumps(path.to_dict(), allow_nan=False))
    assert values["best"] == path.best
    assert values["dead_inputs"] == list(path.dead_inputs)
    assert "states" not in values
    assert "tensor" not in repr(path).casefold()


def test_without_a_score(rows):
    path = lambda_path(linear(), rows, rows, loss=half_squares, strengths=[0.1], epochs=1)
    assert path.held_out_score is None
    assert path.to_dict()["held_out_score"] is None
    assert str(path).splitlines()[1].split()[4] == "-"


def test_a_score_that_json_has_not(rows):
    path = lambda_path(
        linear(),
        rows,
        rows,
        loss=half_squares,
        score=lambda m, b: float("nan"),
        strengths=[0.1],
        epochs=1,
    )
    assert path.to_dict()["held_out_score"] == [None]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"count": 0}, "count is 0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 1.5}, "epochs is 1.5"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"ratio": 0}, "ratio is 0"),
        ({"ratio": 2}, "ratio is 2"),
        ({"tolerance": -1.0}, "tolerance is -1"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"strengths": []}, "strengths is empty"),
        ({"strengths": [0.1, -1.0]}, "a strength is -1"),
        ({"select": "wieght"}, "did you mean 'weight'"),
        ({"penalty": float}, "penalty returned 0.58"),
        ({"metric": "other"}, "metric is 'other'"),
        ({"metric": "adaptive"}, "second moments"),
        ({"optimizer": list}, "optimizer returned a list"),
        ({"optimizer": torch.optim.LBFGS}, "LBFGS"),
        ({"loss": lambda m, b: m(b[0])}, "shape \\[442, 1\\]"),
        ({"loss": lambda m, b: 1.0}, "float"),
        ({"loss": lambda m, b: torch.tensor(1.0)}, "the loss does not depend on weight"),
    ],
)
def test_a_wrong_argument_is_named(rows, settings, match):
    with pytest.raises(UsageError, match=match) as caught:
        lambda_path(linear(), rows, rows, **({"loss": half_squares, "epochs": 1} | settings))
    assert "\n" not in str(caught.value)


def test_wrong_rows_are_named(rows):
    X, y = rows
    with pytest.raises(UsageError, match="training is a Tensor"):
        lambda_path(linear(), X, rows, loss=half_squares)
    with pytest.raises(UsageError, match=r"held_out has \[442, 5\] rows"):
        lambda_path(linear(), rows, (X, y[:5]), loss=half_squares)


def test_a_loss_that_is_not_finite_stops_the_training(rows):
    with pytest.raises(TrainingError, match="lower the learning rate"):
        lambda_path(
            linear(),
            rows,
            rows,
            loss=half_squares,
            learning_rate=1e3,
            strengths=[0.1],
            penalty=lambda s: L2(s * 1e-9),
        )


def test_an_index_outside_the_path(rows):
    path = lambda_path(linear(), rows, rows, loss=half_squares, strengths=[0.1], epochs=1)
    with pytest.raises(UsageError, match="index is 1; the path has 1 strengths"):
        path.model(1)
