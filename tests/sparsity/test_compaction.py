"""What compaction keeps: dtypes, modes, training; random chains; bridle's Network; errors."""

import copy

import pytest
import torch
from compaction_helpers import (
    IMAGE,
    check,
    cnn,
    example_for,
    kill,
    mlp,
    randomized,
    units,
)
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.nn.utils import prune

from bridle import DropConnect, Dropout, Network, UsageError, predict
from bridle.sparsity.compaction import compact


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 1e-5), (torch.float16, 2e-2), (torch.bfloat16, 1e-1)],
)
def test_dtypes(dtype, tolerance):
    model = randomized(mlp(6, 10, 8, 3), dtype=dtype)
    kill(model[0], incoming_of=[1, 2], outgoing_of=[0])
    kill(model[4], outgoing_of=[5])
    compacted = check(model, example_for(model, 4, 6, dtype=dtype), tolerance)
    assert {p.dtype for p in compacted.model.parameters()} == {dtype}
    assert units(compacted) == {"0": 8, "2": 7, "4": 3}


def test_float32_convolutions():
    model = randomized(cnn(), dtype=torch.float32)
    kill(model[0], incoming_of=[1, 2])
    kill(model[8], outgoing_of=range(8))
    compacted = check(model, example_for(model, 2, *IMAGE, dtype=torch.float32), 1e-4)
    assert units(compacted) == {"0": 6, "4": 4, "8": 5}


def test_modes_and_frozen_parameters_are_kept():
    model = cnn().train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    kill(model[0], incoming_of=[1], outgoing_of=[2])
    small = check(model, example_for(model, 2, *IMAGE)).model
    assert [module.training for module in small[1:]] == [m.training for m in model[1:]]
    assert not small[0].layer.weight.requires_grad
    assert small[4].weight.requires_grad


def test_the_compacted_model_trains_on(tmp_path):
    model = cnn().train()
    kill(model[0], incoming_of=[1], outgoing_of=[2])
    small = compact(model, example_for(model, 2, *IMAGE)).model
    optimizer = torch.optim.SGD(small.parameters(), lr=0.1)
    small(example_for(model, 2, *IMAGE)).square().mean().backward()
    before = copy.deepcopy(small.state_dict())
    optimizer.step()
    after = small.state_dict()
    # a bias under a batch norm has no gradient but for rounding
    moved = {n for n, _ in small.named_parameters() if not torch.equal(before[n], after[n])}
    assert {name for name, _ in small.named_parameters()} - moved <= {"4.bias"}
    torch.save(after, tmp_path / "state.pt")
    again = copy.deepcopy(small)
    again.load_state_dict(torch.load(tmp_path / "state.pt"))


@st.composite
def chains(draw):
    """A random chain, convolutional or not, with random zeros; and an example."""
    seed = draw(st.integers(0, 10_000))
    act = st.sampled_from([nn.ReLU, nn.Sigmoid, nn.Identity, nn.Hardtanh, nn.ELU])
    layers, size = [], draw(st.integers(1, 4))
    shape = (3, size)
    if draw(st.booleans()):
        shape = (2, size, 5, 5)
        for _ in range(draw(st.integers(1, 3))):
            wide = draw(st.integers(1, 5))
            mode = draw(st.sampled_from(["zeros", "reflect"]))
            layers.append(nn.Conv2d(size, wide, 3, padding=draw(st.just(1)), padding_mode=mode))
            layers += [nn.BatchNorm2d(wide)] if draw(st.booleans()) else []
            layers += [draw(act)()]
            layers += [nn.AvgPool2d(3, 1, padding=1)] if draw(st.booleans()) else []
            size = wide
        layers += [nn.MaxPool2d(2), nn.Flatten()]
        size *= 4
        layers += [nn.BatchNorm1d(size)] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 4))):
        wide = draw(st.integers(1, 6))
        layers += [nn.Linear(size, wide, bias=draw(st.booleans()))]
        layers += [nn.BatchNorm1d(wide)] if draw(st.booleans()) else []
        layers += [draw(act)()]
        size = wide
    model = randomized(nn.Sequential(*layers), seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model:
            tensors = [p for p in module.parameters() if p.ndim > 1 or draw(st.booleans())]
            for tensor in tensors:
                lost = draw(st.sampled_from([0.0, 0.3, 0.6, 1.0]))
                for dim in range(min(tensor.ndim, 2)):
                    dead = torch.rand(tensor.shape[dim], generator=generator) < lost
                    tensor.index_fill_(dim, dead.nonzero().flatten(), 0.0)
    return model, torch.randn(*shape, generator=generator, dtype=torch.float64)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(chains())
def test_any_sparse_chain(chain):
    model, example = chain
    compacted = check(model, example, 1e-11)
    assert not any(line.startswith("the whole model") for line in compacted.kept)
    again = compact(compacted.model, example)
    assert again.parameters_after == compacted.parameters_after
    if example.ndim == 2 and len(compacted.kept) == 1:
        # no unit is left that nothing reads, or that reads nothing
        layers = [m for m in compacted.model.modules() if isinstance(m, nn.Linear)]
        assert all((layer.weight != 0).any(0).all() for layer in layers[1:])
        assert all((layer.weight != 0).any(1).all() for layer in layers[:-1])


@pytest.mark.parametrize("scaling", ["inverted", "classic"])
@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_network(activation, scaling):
    noise = Dropout(keep_prob=0.5, scaling=scaling)
    network = Network(
        [5, 8, 7, 3],
        activation=activation,
        hidden_noise=noise,
        weight_noise=DropConnect(keep_prob=0.25, scaling=scaling),
        dtype=torch.float64,
    )
    randomized(network).train()
    network.weights[1].requires_grad_(False)
    with torch.no_grad():
        network.weights[0][0, 2] = 0  # a dead input
        network.weights[0][0, :, [1, 4]] = 0  # constant units
        network.weights[1][0, 0] = 0  # a unit that nothing reads
        network.weights[2][0, 6] = 0
        network.steps += 7
    compacted = compact(network, example_for(network, 4, 5))
    small = compacted.model
    assert isinstance(small, Network)
    assert small.sizes == (5, 5, 6, 3)
    assert small.steps.tolist() == [7]
    assert small.training
    assert not small.weights[1].requires_grad
    assert compacted.kept == (
        "layer 'weights.0' keeps 1 dead input: a Network keeps its inputs",
        "layer 'weights.2' keeps its 3 units: the model returns them",
    )
    assert compacted.layers[0].dead_inputs == (2,)
    X = example_for(network, 20, 5)
    assert torch.allclose(predict(small, X), predict(network, X), rtol=1e-12, atol=1e-12)
    assert network.sizes == (5, 8, 7, 3)
    small(X).sum().backward()
    assert "weights.0  Network  8 → 5" in str(compacted)


def test_a_network_whose_hidden_units_are_all_dead():
    network = randomized(Network([5, 8, 7, 3], dtype=torch.float64))
    with torch.no_grad():
        network.weights[1].zero_()
    compacted = compact(network, example_for(network, 4, 5))
    assert compacted.model.sizes == (5, 1, 1, 3)
    X = example_for(network, 20, 5)
    assert torch.allclose(predict(compacted.model, X), predict(network, X), rtol=1e-12)
    assert "layer 'weights.0' keeps 1 unit, all zero: a layer has at least one" in compacted.kept


def pruned():
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    prune.l1_unstructured(model[0], "weight", amount=0.5)
    return model


@pytest.mark.parametrize(
    ("model", "example", "message"),
    [
        (3, torch.ones(2), "model is a int; give a torch.nn.Module"),
        (nn.ReLU(), [1], "the example has a list; give a Tensor or a tuple of Tensors"),
        (nn.ReLU(), (torch.ones(2), None), "the example has a NoneType; give a Tensor"),
        (nn.Linear(4, 2), torch.ones(3, 5), r"example of shape \[3, 5\] does not fit.*3x5 and 4x2"),
        (nn.LazyLinear(2), torch.ones(3, 5), "LazyLinear has lazy parameters without a shape; run"),
        (pruned(), torch.ones(3, 4), "Sequential cannot be copied.*call prune.remove"),
        (Network([4, 2], seeds=[0, 1]), torch.ones(3, 4), r"2 members.*network.take\(\[i\]\)"),
        (Network([4, 2]), torch.ones(3, 5), r"this network takes \[rows, 4\]"),
    ],
)
def test_usage_errors(model, example, message):
    with pytest.raises(UsageError, match=message) as raised:
        compact(model, example)
    assert "\n" not in str(raised.value)
