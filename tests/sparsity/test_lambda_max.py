"""``lambda_max``: scikit-learn's ``alpha_max``, and one step at it and just below it."""

import copy

import numpy as np
import pytest
import torch
from path_helpers import cross_entropy, diabetes_arrays, digits_parts, half_squares, linear, mlp
from sklearn.linear_model import LassoCV
from torch import nn

from bridle import L1, UsageError
from bridle.modules.attach import attach
from bridle.sparsity.lambda_path import lambda_max


@pytest.fixture(scope="module")
def diabetes():
    return diabetes_arrays()


@pytest.fixture(scope="module")
def rows(diabetes):
    return tuple(torch.from_numpy(part) for part in diabetes)


@pytest.fixture(scope="module")
def digits():
    return digits_parts()


def test_lambda_max_is_alpha_max(diabetes, rows):
    X, y = diabetes
    expected = np.abs(X.T @ y).max() / len(y)
    assert lambda_max(linear(), rows, loss=half_squares) == pytest.approx(expected, rel=1e-12)
    given = lambda_max(linear(), rows, loss=half_squares, learning_rate=0.3)
    assert given == pytest.approx(expected, rel=1e-12)
    largest = LassoCV(alphas=5).fit(X, y).alphas_[0]
    assert largest == pytest.approx(expected, rel=1e-12)


def one_step(model, batch, strength, rate):
    model = copy.deepcopy(model)
    sgd = torch.optim.SGD(model.parameters(), lr=rate)
    attach(sgd, {"*": L1(strength)}, model=model)
    cross_entropy(model, batch).backward()
    sgd.step()
    return sum(int(w.count_nonzero()) for w in (model[0].weight, model[3].weight))


def test_one_step_at_lambda_max_makes_all_weights_zero_and_below_it_does_not(digits):
    model = mlp().eval()
    top = lambda_max(model, digits[0], loss=cross_entropy, learning_rate=0.1)
    assert one_step(model, digits[0], top * (1 + 1e-5), 0.1) == 0
    assert one_step(model, digits[0], top * (1 - 1e-5), 0.1) == 1


def test_lambda_max_leaves_the_model_and_the_random_state(digits):
    model = nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 10))
    model[0].weight.grad = torch.ones_like(model[0].weight)
    state, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    first = lambda_max(model, digits[0], loss=cross_entropy, learning_rate=0.1)
    with torch.no_grad():
        assert lambda_max(model, digits[0], loss=cross_entropy, learning_rate=0.1) == first
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in state.items())
    assert (model[0].weight.grad == 1).all()
    assert model[3].weight.grad is None
    assert model.training


def test_lambda_max_of_selected_weights(digits):
    model = mlp().eval()
    settings = {"loss": cross_entropy, "learning_rate": 0.1}
    each = [lambda_max(model, digits[0], select=name, **settings) for name in ("0.*", "3.*")]
    assert lambda_max(model, digits[0], **settings) == max(each)
    model[0].requires_grad_(False)
    assert lambda_max(model, digits[0], **settings) == each[1]


def test_weights_that_are_not_zero_need_a_learning_rate(digits):
    with pytest.raises(UsageError, match="learning_rate is None"):
        lambda_max(mlp(), digits[0], loss=cross_entropy)
    with pytest.raises(UsageError, match="learning_rate is -1"):
        lambda_max(mlp(), digits[0], loss=cross_entropy, learning_rate=-1)
    with pytest.raises(UsageError, match="frozen"):
        lambda_max(mlp().requires_grad_(False), digits[0], loss=cross_entropy, learning_rate=1)
