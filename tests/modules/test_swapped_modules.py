"""Noise where torch swaps, fuses or prunes a module, and takes its hooks along."""

import copy

import pytest
import torch
from torch import nn
from torch.ao.quantization import fuse_modules, fuse_modules_qat, quantize_dynamic
from torch.nn.utils import prune

import bridle
from bridle.errors import UsageError

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.ao.quantization:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*deprecated"),
]
HALF = bridle.Dropout(keep_prob=0.5)


def convolution():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())


def perceptron():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


def test_classic_drop_connect_on_a_quantized_layer_is_refused():
    model, x = perceptron().eval(), torch.randn(8, 6)
    bridle.regularize(model, {"2": bridle.DropConnect(keep_prob=0.25, scaling="classic")})
    quantized = quantize_dynamic(model, {nn.Linear})
    with pytest.raises(UsageError, match=r"on 2.weight: a DynamicQuantizedLinear took the place"):
        quantized(x)
    model(x)


def test_inverted_drop_connect_does_nothing_in_a_quantized_layer_at_prediction():
    model, x = perceptron().eval(), torch.randn(8, 6)
    bare = quantize_dynamic(copy.deepcopy(model), {nn.Linear})
    bridle.regularize(model, {"2": bridle.DropConnect(keep_prob=0.25)})
    quantized = quantize_dynamic(model, {nn.Linear})
    assert quantized[2].training  # so torch makes it
    with pytest.raises(UsageError, match=r"cannot act.*model.eval"):
        quantized(x)
    assert torch.equal(quantized.eval()(x), bare(x))


def test_noise_after_a_quantized_layer_is_refused_until_eval():
    model, x = perceptron().eval(), torch.randn(8, 6)
    bare = quantize_dynamic(copy.deepcopy(model), {nn.Linear})
    bridle.regularize(model, {"2": bridle.Dropout(keep_prob=0.5, scaling="classic")})
    quantized = quantize_dynamic(model, {nn.Linear})
    with pytest.raises(UsageError, match=r"a DynamicQuantizedLinear took the place.*model.eval"):
        quantized(x)
    assert torch.allclose(quantized.eval()(x), bare(x) / 2)


def test_a_fused_module_that_is_in_training_mode_is_refused_until_eval():
    model, x = convolution().eval(), torch.randn(2, 3, 8, 8)
    bridle.regularize(model, {nn.ReLU: bridle.Dropout(keep_prob=0.5, scaling="classic")})
    expected = model(x)
    fused = fuse_modules(copy.deepcopy(model), [["0", "1", "2"]])
    with pytest.raises(UsageError, match=r"a ConvReLU2d took the place.*model.eval"):
        fused(x)
    assert torch.allclose(fused.eval()(x), expected, atol=1e-5)


def test_noise_acts_in_modules_that_are_fused_for_training():
    model, x = convolution().train(), torch.randn(2, 3, 8, 8)
    plain = fuse_modules_qat(copy.deepcopy(model), [["0", "1", "2"]])
    bridle.regularize(model, {nn.ReLU: HALF})
    fused = fuse_modules_qat(model, [["0", "1", "2"]])
    mask = HALF.train(torch.ones(2, 4, 6, 6), bridle.address_of(seed=0, step=0))
    assert torch.allclose(fused(x), plain(x) * mask, atol=1e-6)


def test_drop_connect_on_a_layer_that_is_pruned_later_is_refused():
    model, x = perceptron(), torch.randn(8, 6)
    bridle.regularize(model, {"2": bridle.DropConnect(keep_prob=0.5)})
    prune.random_unstructured(model[2], "weight", 0.5)
    with pytest.raises(UsageError, match="no longer a parameter of its module"):
        model(x)
