"""Noise beside a batch norm that torch folds into the layer before it."""

import copy
import importlib
import pickle

import pytest
import torch
from torch import nn
from torch.ao.quantization import fuse_modules
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

import bridle
from bridle.errors import UsageError

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.ao.quantization:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*deprecated"),
]
CLASSIC = {
    "dropout": bridle.Dropout(keep_prob=0.5, scaling="classic"),
    "spatial": bridle.SpatialDropout(keep_prob=0.5, scaling="classic"),
    "drop path": bridle.DropPath(keep_prob=0.5, scaling="classic"),
}
FOLDS = {
    "fuse_modules": lambda model: fuse_modules(model, [["0", "1"]]),
    "with ReLU": lambda model: fuse_modules(model, [["0", "1", "2"]]),
    "fuse_conv_bn_eval": lambda model: nn.Sequential(
        fuse_conv_bn_eval(model[0], model[1]), model[2]
    ),
    "fx": lambda model: importlib.import_module("torch.fx.experimental.optimization").fuse(model),
}
X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def trained():
    """A convolution with a batch norm whose statistics are not those of its start."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    for _ in range(3):
        model(1 + 2 * torch.randn(8, 3, 8, 8))
    return model.eval()


@pytest.mark.parametrize("fold", FOLDS.values(), ids=FOLDS)
@pytest.mark.parametrize("noise", CLASSIC.values(), ids=CLASSIC)
def test_a_classic_noise_between_the_two_refuses(fold, noise):
    model = trained()
    receipt = bridle.regularize(model, {"0": noise})
    expected = model(X)
    with pytest.raises(UsageError, match=r"after 0: a batch norm cannot be folded .*undo\(\)"):
        fold(model)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(X), expected)
    assert torch.equal(copy.deepcopy(model[0])(X), model[0](X))
    receipt.undo()
    torch.testing.assert_close(fold(copy.deepcopy(model))(X), model(X))


@pytest.mark.parametrize("fold", FOLDS.values(), ids=FOLDS)
def test_an_inverted_noise_between_the_two_does_nothing_at_prediction(fold):
    model = trained()
    bridle.regularize(model, {"0": bridle.Dropout(keep_prob=0.5)})
    expected = model(X)
    torch.testing.assert_close(fold(model).eval()(X), expected)


@pytest.mark.parametrize("name", ["fuse_conv_bn_eval", "fx"])
@pytest.mark.parametrize(
    "rule",
    [
        bridle.Before(CLASSIC["dropout"]),
        bridle.DropConnect(keep_prob=0.5, scaling="classic"),
    ],
    ids=["before", "weights"],
)
def test_classic_noise_before_the_layer_or_on_its_weights_commutes(rule, name):
    model = trained()
    bridle.regularize(model, {"0": rule})
    expected = model(X)
    torch.testing.assert_close(FOLDS[name](model).eval()(X), expected)


@pytest.mark.parametrize("name", FOLDS)
def test_classic_noise_on_the_bias_refuses(name):
    model = trained()
    bridle.regularize(model, {"0.bias": bridle.DropConnect(keep_prob=0.5, scaling="classic")})
    expected = model(X)
    with pytest.raises(UsageError, match=r"on 0\.bias: a batch norm cannot be folded .*undo\(\)"):
        FOLDS[name](model)
    assert torch.equal(copy.deepcopy(model)(X), expected)


def test_noise_before_a_layer_that_is_fused_is_refused():
    model = trained()
    bridle.regularize(model, {"0": bridle.Before(CLASSIC["dropout"])})
    with pytest.raises(UsageError, match="was fused, and has the noise twice"):
        FOLDS["fuse_modules"](model).eval()(X)


def test_a_linear_layer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    model(torch.randn(20, 3))
    bridle.regularize(model.eval(), {"0": CLASSIC["dropout"]})
    with pytest.raises(UsageError, match="after 0: a batch norm cannot be folded"):
        fuse_linear_bn_eval(model[0], model[1])
