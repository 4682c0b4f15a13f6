"""``low_rank``: the nearest matrix of its rank, only where that is smaller, and what stays."""

import copy
import math
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import bridle
from bridle import UsageError
from bridle.sparsity import low_rank


def net(dtype=torch.float64, *, rank=3):
    """The first layer has a rank of 3, the second a full one."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 12, bias=False)).to(dtype)
    with torch.no_grad():
        model[0].weight.copy_(torch.randn(16, rank).double() @ torch.randn(rank, 20).double())
    return model


X = torch.randn(6, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("training", [False, True])
def test_exact_rank_keeps_the_predictions(dtype, training):
    model = net(dtype).train(training)
    if dtype == torch.bfloat16:  # the rounding of its entries makes the rank full
        model[0].weight.data = torch.ones(16, 20, dtype=dtype)
    before = copy.deepcopy(model)
    result = low_rank(model, X.to(dtype))
    (layer,) = result.layers
    assert layer.form == ("rank 1" if dtype == torch.bfloat16 else "rank 3")
    assert result.kept == ("layer '2' stays as it is: rank 12 of 12 saves no parameters",)
    new = result.model
    assert [each.training for each in new.modules()] == [training] * 6
    assert {p.dtype for p in new.parameters()} == {dtype}
    slack = torch.finfo(dtype).eps ** 0.5
    assert torch.allclose(new(X.to(dtype)), model(X.to(dtype)), rtol=slack, atol=slack)
    assert all(map(torch.equal, model.parameters(), before.parameters()))
    assert result.error < slack
    numbers = sum(p.numel() for p in new.parameters()) * new[2].weight.element_size()
    assert (result.bytes_after, layer.bytes_after < layer.bytes_before) == (numbers, True)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_a_rank_is_the_best_one(rank):
    model = net(rank=16)
    weight = model[0].weight.detach().numpy()
    result = low_rank(model, X, rank=rank, layers="0")
    first, second = result.model[0]
    product = (second.weight @ first.weight).detach().numpy()
    left, sigma, right = np.linalg.svd(weight)
    best = left[:, :rank] * sigma[:rank] @ right[:rank]
    assert np.allclose(product, best)
    assert np.isclose(result.layers[0].error, np.sqrt((sigma[rank:] ** 2).sum() / (sigma**2).sum()))
    with torch.no_grad():
        change = (result.model(X) - model(X)).norm() / model(X).norm()
    assert result.error == pytest.approx(float(change))


@pytest.mark.parametrize("energy", [0.5, 0.9, 0.95])
def test_energy_is_kept_with_the_smallest_rank(energy):
    model = nn.Linear(64, 64).double()
    sigma = torch.linspace(1, 0, 64).double() ** 4
    q = torch.linalg.qr(torch.randn(64, 64).double()).Q
    model.weight.data = q * sigma
    result = low_rank(model, torch.randn(2, 64).double(), energy=energy)
    rank = int(result.layers[0].form.removeprefix("rank "))
    share = sigma.square().cumsum(0) / sigma.square().sum()
    assert share[rank - 1] >= energy > (share[rank - 2] if rank > 1 else 0)
    assert result.layers[0].error == pytest.approx(float((1 - share[rank - 1]) ** 0.5))
    assert isinstance(result.model, nn.Sequential)


@pytest.mark.parametrize("energy", [None, 0.5, 1])
def test_zero_weight_and_frozen_parts(energy):
    model = nn.Linear(8, 8)
    model.weight.data.zero_()
    model.weight.requires_grad = False
    result = low_rank(model, torch.ones(2, 8), energy=energy)
    assert result.layers[0].form == "rank 1"
    assert torch.equal(result.model(torch.ones(2, 8)), model(torch.ones(2, 8)))
    assert [p.requires_grad for p in result.model.parameters()] == [False, False, True]
    assert result.layers[0].error == 0


def test_energy_of_weights_whose_squares_are_zero():
    model = nn.Linear(8, 8, bias=False).double()
    model.weight.data = torch.ones(8, 8).double() * 1e-170
    assert low_rank(model, X[:, :8], energy=0.9).layers[0].form == "rank 1"


def test_it_trains_with_an_optimizer_of_its_own():
    result = low_rank(net(), X)
    assert "build an optimizer from the new model's parameters" in str(result)
    optimizer = torch.optim.SGD(result.model.parameters(), lr=0.01)
    before = [p.detach().clone() for p in result.model.parameters()]
    result.model(X).square().mean().backward()
    optimizer.step()
    assert not any(map(torch.equal, before, result.model.parameters()))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(16, 16), nn.Linear(16, 16, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x):
        return self.head(self.embedding(x.argmax(1)))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = self.two = nn.Linear(16, 16)

    def forward(self, x):
        return self.two(self.one(x))


def _noisy():
    model = nn.Sequential(nn.Linear(16, 16))
    model[0].register_forward_hook(lambda *_: None)
    return model


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 16)

    def forward(self, x):
        return x @ self.layer.weight.T


@pytest.mark.parametrize(
    ("make", "reasons"),
    [
        (
            Tied,
            [
                "layer 'embedding' stays as it is: it is a Embedding, and only Linear layers are",
                "layer 'head' stays as it is: it shares its parameters with embedding.weight",
            ],
        ),
        (lambda: nn.Sequential(nn.Conv1d(16, 16, 1), nn.Flatten(0)), ["it is a Conv1d"]),
        (lambda: parametrizations.weight_norm(nn.Linear(16, 16)), ["its weight is computed"]),
        (_noisy, ["it has hooks, such as noise: remove them first, with receipt.undo()"]),
        (
            lambda: nn.TransformerEncoderLayer(16, 2, 16),
            [
                "layer 'self_attn' stays as it is: it is a MultiheadAttention",
                "layer 'self_attn.out_proj' stays as it is: MultiheadAttention reads its weight",
                "layer 'linear1' stays as it is: TransformerEncoderLayer reads its weight",
                "layer 'linear2' stays",
            ],
        ),
        (lambda: bridle.Network([16, 4, 2]), ["it is a ParameterList", "it is a ParameterList"]),
    ],
)
def test_what_stays_is_named_with_the_reason(make, reasons):
    model = make()
    x = torch.randn(16, 16)
    result = low_rank(model, x, rank=2)
    assert not result.layers
    assert len(result.kept) >= len(reasons)
    assert all(reason in line for reason, line in zip(reasons, result.kept, strict=False))
    assert result.error == 0
    assert result.to_dict()["kept"] == list(result.kept)


def test_a_layer_at_two_places_is_converted_at_both():
    model = Twice()
    x = torch.randn(3, 16)
    result = low_rank(model, x, rank=4)
    assert result.model.one is result.model.two
    assert len(result.layers) == 1
    assert torch.allclose(result.model(x), result.model.one(result.model.one(x)))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: low_rank(net(), X, rank=2, energy=0.5), "rank=2 and energy=0.5 are both given"),
        (lambda: low_rank(net(), X, rank=0), "rank is 0; it must be an integer, 1 or more"),
        (lambda: low_rank(net(), X, rank=2.0), "rank is 2.0; it must be an integer"),
        (lambda: low_rank(net(), X, energy=1.5), "energy is 1.5; it must be a number above 0, and"),
        (lambda: low_rank(net(), X, energy="a"), "energy is 'a'; it must be a number above 0"),
        (lambda: low_rank(net(), X, energy=math.nan), "energy is nan; it must be a number above"),
        (lambda: low_rank(net(), X, energy=True), "energy is True; it must be a number above 0"),
        (lambda: low_rank(net, X), "model is a function; give a torch.nn.Module"),
        (lambda: low_rank(net(), X[:, :3]), "the example of shape [6, 3] does not fit the model"),
        (lambda: low_rank(net(), [X]), "the example is of list; give a Tensor or a tuple of Ten"),
        (lambda: low_rank(net(), X, layers="9"), "'9'"),
        (lambda: low_rank(Reader(), torch.ones(2, 16), rank=2), "leave such layers out with layer"),
    ],
)
def test_wrong_calls(call, text):
    with pytest.raises(UsageError, match=re.escape(text)):
        call()


@pytest.mark.parametrize("energy", ["a", True, float("nan")])
def test_an_energy_that_is_no_number_is_refused(energy):
    with pytest.raises(UsageError, match="it must be a number above 0"):
        low_rank(nn.Linear(4, 4), torch.randn(4, 4), energy=energy)


@pytest.mark.parametrize("energy", [0.9, 1.0])
@pytest.mark.parametrize("scale", [0.0, 1e-200])
def test_a_weight_of_zeros_has_rank_one(energy, scale):
    layer = nn.Linear(16, 16).double()
    with torch.no_grad():
        layer.weight.copy_(scale * torch.ones(16, 16))
    assert low_rank(layer, torch.randn(4, 16).double(), energy=energy).layers[0].form == "rank 1"
