"""Where variants of dropout act: recurrent networks, residual branches, convolutions."""

import copy

import pytest
import torch
from regularize_helpers import HALF, RISING
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import bridle
from bridle.errors import UsageError


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("batch_first", [True, False])
def test_locked_dropout_asks_the_recurrent_module_for_the_axes(kind, batch_first):
    model = kind(6, 8, batch_first=batch_first)
    receipt = bridle.regularize(model, {kind: bridle.LockedDropout(**HALF)})
    assert receipt.noises[0].noise.batch_first is batch_first
    out = model(torch.randn(5, 7, 6))[0]
    dropped = out == 0
    time = 1 if batch_first else 0
    assert torch.equal(dropped.all(time), dropped.any(time))
    assert 0 < dropped.float().mean() < 1


def test_locked_dropout_on_inputs_with_weights_dropped_beside():
    """The pass by hand: one mask on the inputs of all steps, and one on the recurrent weights."""
    model = nn.LSTM(6, 8, batch_first=True)
    plain = copy.deepcopy(model)
    locked, drop = bridle.LockedDropout(**HALF), bridle.WeightDrop(drop_prob=0.4)
    bridle.regularize(model, {nn.LSTM: [bridle.Before(locked), drop]}, seed=3)
    x = torch.randn(4, 5, 6)
    mask = bridle.Dropout(**HALF).train(torch.ones(4, 6), bridle.address_of(3, stream=0))
    with torch.no_grad():
        weight = bridle.DropConnect(drop_prob=0.4).train(
            plain.weight_hh_l0, bridle.address_of(3, stream=1)
        )
        plain.weight_hh_l0.copy_(weight)
    expected = plain(x * mask[:, None])[0]
    assert torch.allclose(model(x)[0], expected, atol=1e-6)
    assert torch.allclose(model.eval()(x)[0], model(x)[0])


def test_weight_drop_is_on_recurrent_weights_alone():
    model = nn.Sequential(nn.LSTM(6, 8, num_layers=2, bidirectional=True), nn.Identity())
    receipt = bridle.regularize(model, {"*": bridle.WeightDrop(**HALF)})
    names = [noise.name for noise in receipt.noises]
    expected = [f"0.weight_hh_l{layer}{back}" for layer in (0, 1) for back in ("", "_reverse")]
    assert names == expected
    model[0](torch.randn(3, 2, 6))[0].sum().backward()
    for name, parameter in model[0].named_parameters():
        gradient = parameter.grad
        zeros = float((gradient == 0).float().mean())
        assert (0.3 < zeros < 0.7) if "weight_hh" in name else zeros < 0.1


def test_weight_drop_of_a_cell_and_of_nothing():
    cell = nn.GRUCell(6, 8)
    receipt = bridle.regularize(cell, {nn.GRUCell: bridle.WeightDrop(**HALF)})
    assert [noise.name for noise in receipt.noises] == ["weight_hh"]
    with pytest.raises(UsageError, match="no hidden-to-hidden weights"):
        bridle.regularize(nn.Linear(3, 4), {"*": bridle.WeightDrop(**HALF)})
    each = bridle.Scheduled(bridle.DropConnect(per_example=True, **HALF), RISING)
    with pytest.raises(UsageError, match=r"only in bridle\.Network"):
        bridle.regularize(nn.Linear(3, 4), {"*": each})
    with pytest.raises(UsageError, match="cannot be applied to a module's input or output"):
        bridle.regularize(nn.LSTM(3, 4), {nn.LSTM: bridle.Before(bridle.WeightDrop(**HALF))})


@pytest.mark.parametrize("name", ["LockedDropout", "Dropout", "DropPath", "GaussianDropout"])
def test_packed_sequences(name):
    model = nn.LSTM(6, 8, batch_first=True)
    lengths = torch.tensor([2, 5, 3])
    packed = pack_padded_sequence(
        torch.randn(3, 5, 6), lengths, batch_first=True, enforce_sorted=False
    )
    expected = pad_packed_sequence(model(packed)[0], batch_first=True)[0]
    bridle.regularize(model, {nn.LSTM: getattr(bridle, name)(**HALF)})
    out = pad_packed_sequence(model(packed)[0], batch_first=True)[0]
    assert not torch.allclose(out, expected)
    if name == "LockedDropout":
        noise = bridle.LockedDropout(batch_first=True, **HALF)
        assert torch.allclose(out, noise.train(expected, bridle.address_of(0)))
    model.eval()
    again = pad_packed_sequence(model(packed)[0], batch_first=True)[0]
    assert torch.allclose(again, expected)


def encoder(batch_first=True):
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=batch_first)
    return nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)


def test_drop_path_grows_linearly_with_depth():
    model = encoder()
    rules = {"*.dropout2": bridle.DropPath(drop_prob=0.4, depth="linear")}
    receipt = bridle.regularize(model, rules)
    drops = [1 - noise.noise.keep_prob for noise in receipt.noises]
    assert drops == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert [noise.name for noise in receipt.noises] == [f"layers.{at}.dropout2" for at in range(4)]


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_branch_is_dropped_for_whole_examples(batch_first):
    """A norm-first layer with both branches dropped hands its input on, example by example."""
    layer = nn.TransformerEncoderLayer(
        8, 2, 16, dropout=0.0, batch_first=batch_first, norm_first=True
    )
    rules = {("dropout1", "dropout2"): bridle.DropPath(**HALF)}
    bridle.regularize(layer, rules)
    x = torch.randn(60, 3, 8)
    out = layer(x if batch_first else x.transpose(0, 1).contiguous())
    out = out if batch_first else out.transpose(0, 1)
    passed = (out == x).flatten(1).all(1)
    assert 5 < int(passed.sum()) < 30  # a quarter of 60
    assert not (out == x).flatten(1).any(1)[~passed].all()


def test_spatial_dropout_after_convolutions():
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 8, 3))
    receipt = bridle.regularize(model, {nn.Conv2d: bridle.SpatialDropout(**HALF)})
    out = model(torch.randn(9, 3, 8, 8))
    kept = (out != 0).flatten(2)
    assert torch.equal(kept.any(2), kept.all(2))
    assert len(receipt.noises) == 2
    receipt.undo()
    assert (model(torch.randn(9, 3, 8, 8)) != 0).all()
