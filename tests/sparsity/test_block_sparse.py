"""``to_block_sparse``: equal predictions with the nonzero blocks only, and what stays dense."""

import copy
import io
import re

import pytest
import torch
from torch import nn

from bridle import UsageError
from bridle.sparsity import BlockSparseLinear, to_block_sparse


def net(dtype=torch.float32, block=8):
    """Three of four blocks of the first layer are zero, and none of the second."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32, bias=False)).to(dtype)
    tiles = torch.arange(32 // block)[:, None] + torch.arange(64 // block)
    mask = (tiles % 4 == 0).repeat_interleave(block, 0).repeat_interleave(block, 1)
    model[0].weight.data *= mask
    return model


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", [(64,), (1, 64), (5, 64), (2, 3, 64), (0, 64)])
@pytest.mark.parametrize("training", [False, True])
def test_predictions_are_equal_to_rounding(dtype, shape, training):
    model = net(dtype).train(training)
    before = copy.deepcopy(model)
    x = torch.randn(shape, dtype=dtype)
    result = to_block_sparse(model, torch.randn(4, 64, dtype=dtype))
    (layer,) = result.layers
    assert (layer.name, layer.form, layer.error) == ("0", "75% of its blocks of 8 are zero", 0)
    assert result.kept == (
        "layer '2' stays as it is: 0% of its blocks of 4 are zero, less than 50%",
    )
    slack = 8 * torch.finfo(dtype).eps
    assert torch.allclose(result.model(x), model(x), rtol=slack, atol=slack)
    assert result.model(x).shape == model(x).shape
    assert [each.training for each in result.model.modules()] == [training] * 4
    assert all(map(torch.equal, model.parameters(), before.parameters()))
    assert result.error <= slack
    assert layer.bytes_after < layer.bytes_before
    assert str(result).endswith("their weights are buffers, which do not train")


@pytest.mark.parametrize("size", [32, 16, 8, 4])
def test_the_block_that_needs_the_fewest_bytes_is_taken(size):
    (layer,) = to_block_sparse(net(block=size) if size < 32 else _half(), torch.randn(2, 64)).layers
    assert f"of its blocks of {size} are zero" in layer.form


def _half():
    model = net()
    model[0].weight.data = torch.randn(32, 64) * (torch.arange(64) < 32)
    return model


def test_a_given_block():
    model = net()
    result = to_block_sparse(model, torch.randn(2, 64), block=4)
    assert result.layers[0].form == "75% of its blocks of 4 are zero"
    kept = to_block_sparse(model, torch.randn(2, 64), block=24).kept
    assert kept[0] == "layer '0' stays as it is: blocks of 24 do not divide its weight of 32 × 64"
    everything = to_block_sparse(model, torch.randn(2, 64), block=4, zeros=0.0)
    assert len(everything.layers) == 2
    assert not to_block_sparse(model, torch.randn(2, 64), zeros=0.8).layers


def test_a_zero_weight():
    model = nn.Linear(16, 16)
    model.weight.data.zero_()
    result = to_block_sparse(model, torch.randn(2, 16))
    assert torch.equal(result.model(torch.randn(3, 16)), model.bias.expand(3, 16))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_dtypes_that_torch_does_not_multiply_stay_dense(dtype):
    result = to_block_sparse(net(dtype), torch.randn(2, 64, dtype=dtype), layers="0")
    name = str(dtype).removeprefix("torch.")
    assert not result.layers
    assert f"torch has no such product in {name} on cpu" in result.kept[0]


def test_copies_files_and_dtypes():
    model = net()
    x = torch.randn(3, 64)
    made = to_block_sparse(model, x).model
    other = to_block_sparse(net(), x).model
    other[0].values.zero_()
    buffer = io.BytesIO()
    torch.save(made.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer))
    for each in (copy.deepcopy(made), other):
        assert torch.equal(each(x), made(x))
    assert torch.allclose(made.double()(x.double()), model.double()(x.double()))
    assert torch.equal(made[0].weight.to_dense(), model[0].weight)
    assert repr(made[0]) == (
        "BlockSparseLinear(in_features=64, out_features=32, block=8, blocks=8 of 32)"
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: to_block_sparse(net(), torch.ones(2, 64), block=0), "block is 0; it must be an"),
        (lambda: to_block_sparse(net(), torch.ones(2, 64), zeros=2), "zeros is 2; it must be from"),
        (lambda: BlockSparseLinear(nn.Linear(6, 4), 4), "blocks of 4 do not divide a weight of 4"),
    ],
)
def test_wrong_calls(call, text):
    with pytest.raises(UsageError, match=re.escape(text)):
        call()
