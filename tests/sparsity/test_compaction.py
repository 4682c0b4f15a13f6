"""Compaction: what is smaller predicts the same, and what could not be made smaller is named."""

import copy
import json
import random
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations, prune

from bridle import DropConnect, Dropout, Network, UsageError, predict
from bridle.sparsity.compaction import Select, compact

IMAGE = (3, 8, 8)


def randomized(model, seed=0, dtype=torch.float64):
    """Give every parameter and statistic a value that no zero hides behind."""
    generator = torch.Generator().manual_seed(seed)
    model = model.to(dtype)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                draw = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
                tensor.copy_(draw.abs() + 0.5 if "running_var" in name else draw * 0.5)
    return model.eval()


@torch.no_grad()
def kill(layer, *, outgoing_of=(), incoming_of=()):
    """Zero the columns (what reads an input) and the rows (what a unit reads) of a layer."""
    layer.weight[:, list(outgoing_of)] = 0
    layer.weight[list(incoming_of)] = 0


def example_for(model, *shape, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(9), dtype=dtype)


@torch.no_grad()
def check(model, example, tolerance=1e-12):
    """Compact, and hold all that is promised whatever the model."""
    state = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    drawn = torch.get_rng_state(), random.getstate()
    compacted = compact(model, example)
    assert torch.equal(drawn[0], torch.get_rng_state())
    assert drawn[1] == random.getstate()
    assert modes == [module.training for module in model.modules()]
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    small = compacted.model
    assert small is not model
    assert small.training == model.training
    counts = [sum(p.numel() for p in m.parameters()) for m in (model, small)]
    assert counts == [compacted.parameters_before, compacted.parameters_after]
    assert not {p.data_ptr() for p in model.parameters()} & {
        p.data_ptr() for p in small.parameters()
    }
    batch = example if isinstance(example, tuple) else (example,)
    for scale in (1.0, -3.0):
        scaled = [part * scale if part.is_floating_point() else part for part in batch]
        wide = copy.deepcopy(model).eval()(*scaled)
        narrow = copy.deepcopy(small).eval()(*scaled)
        torch.testing.assert_close(narrow, wide, rtol=tolerance, atol=tolerance)
    json.dumps(compacted.to_dict())
    assert all("\n" not in line for line in compacted.kept)
    assert str(compacted).startswith("layer")
    return compacted


def units(compacted):
    return {layer.name: layer.units_after for layer in compacted.layers}


def inputs(compacted):
    return {layer.name: layer.inputs_after for layer in compacted.layers}


def mlp(*sizes, activation=nn.ReLU):
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    return randomized(nn.Sequential(*layers[:-1]))


def cnn(pool=None, **conv):
    return randomized(
        nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            pool or nn.MaxPool2d(2),
            nn.Conv2d(8, 6, 3, **conv),
            nn.BatchNorm2d(6),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(24 if conv.get("padding", "valid") == "valid" else 96, 5),
        )
    )


# ------------------------------------------------------------------ which units are dead


def test_units_that_nothing_reads_go():
    model = mlp(6, 10, 8, 3)
    kill(model[2], outgoing_of=[0, 3, 9])
    kill(model[4], outgoing_of=[5])
    compacted = check(model, example_for(model, 4, 6))
    assert units(compacted) == {"0": 7, "2": 7, "4": 3}
    assert inputs(compacted) == {"0": 6, "2": 7, "4": 7}
    assert compacted.kept == ("4: its 3 units stay: the model returns them",)
    assert compacted.model[0].out_features == compacted.model[2].in_features == 7


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.GELU, nn.Softplus, nn.Tanh, nn.ReLU])
def test_constant_units_are_folded_into_the_next_bias(activation, bias):
    """A bias is made where there was none, and it takes gradients as the weights do."""
    model = randomized(nn.Sequential(nn.Linear(5, 7), activation(), nn.Linear(7, 3, bias=bias)))
    kill(model[0], incoming_of=[1, 2, 6])
    compacted = check(model, example_for(model, 4, 5))
    assert units(compacted) == {"0": 4, "2": 3}
    assert compacted.model[2].bias.requires_grad


def test_a_unit_may_be_dead_either_way_at_each_pixel():
    model = cnn()
    with torch.no_grad():
        model[4].weight[2] = 0  # constant: its pixels are folded, or not read at all
        model[8].weight[:, 8:10] = 0
    assert units(check(model, example_for(model, 2, *IMAGE)))["4"] == 5


def test_death_spreads_upstream_and_downstream():
    model = mlp(4, 6, 5, 4, 2)
    kill(model[6], outgoing_of=[0, 1])  # the last hidden layer's
    with torch.no_grad():
        model[4].weight[2:, 3:] = 0  # only its dead units read these
        model[2].weight[:3, 0] = 0
        model[0].weight[1:3] = 0  # constants
        model[2].weight[2, [0, 3, 4, 5]] = 0  # reads constants only
    assert units(check(model, example_for(model, 3, 4))) == {"0": 3, "2": 2, "4": 2, "6": 2}


def test_zero_gamma_is_a_dead_channel():
    model = cnn()
    with torch.no_grad():
        model[1].weight[[0, 4]] = 0
        model[5].weight[3] = 0
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert units(compacted) == {"0": 6, "4": 5, "8": 5}
    assert compacted.model[1].num_features == len(compacted.model[1].running_var) == 6
    assert inputs(compacted)["8"] == 20


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_without_running_statistics(affine):
    norm = nn.BatchNorm1d(6, affine=affine, track_running_stats=False)
    model = randomized(nn.Sequential(nn.Linear(4, 6), norm, nn.Tanh(), nn.Linear(6, 2)))
    kill(model[3], outgoing_of=[0])
    kill(model[0], incoming_of=[0, 1])
    compacted = check(model, example_for(model, 5, 4))
    assert units(compacted)["0"] == 5
    assert "0: 1 dead unit stays: 1 makes their constants vary" in compacted.kept


def test_batch_norm_behind_flatten():
    model = randomized(
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.BatchNorm1d(256), nn.Linear(256, 3)
        )
    )
    kill(model[0], incoming_of=[1])
    kill(model[3], outgoing_of=range(128, 192))
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert units(compacted)["0"] == 2
    assert compacted.model[2].num_features == 128


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Sigmoid])
def test_all_units_dead_leave_one_that_is_zero(activation):
    model = mlp(4, 6, 5, 3, activation=activation)
    kill(model[2], incoming_of=range(5))
    compacted = check(model, example_for(model, 3, 4))
    assert units(compacted) == {"0": 1, "2": 1, "4": 3}
    assert inputs(compacted)["0"] == 1
    assert "2: 1 dead unit stays, all zero: a layer has at least one" in compacted.kept
    again = check(compacted.model, example_for(model, 3, 4))
    assert again.parameters_after == compacted.parameters_after


def test_all_outputs_of_a_convolution_dead():
    model = cnn()
    kill(model[8], outgoing_of=range(24))
    assert units(check(model, example_for(model, 2, *IMAGE))) == {"0": 1, "4": 1, "8": 5}


def test_nothing_dead_changes_nothing():
    model = mlp(4, 6, 3)
    compacted = check(model, example_for(model, 3, 4))
    assert compacted.parameters_before == compacted.parameters_after
    assert list(compacted.model.state_dict()) == list(model.state_dict())


def test_constants_that_are_not_finite_stay():
    model = mlp(4, 6, 3)
    kill(model[0], incoming_of=[1])
    with torch.no_grad():
        model[0].bias[1] = torch.inf
    compacted = check(model, example_for(model, 3, 4))
    assert "0: 1 dead unit stays: their constants are not finite" in compacted.kept


# ------------------------------------------------------------------ dead inputs


def test_dead_inputs_are_selected_away():
    model = mlp(6, 5, 2)
    kill(model[0], outgoing_of=[0, 4])
    compacted = check(model, example_for(model, 3, 6))
    assert compacted.layers[0].dead_inputs == (0, 4)
    assert compacted.layers[0].inputs_after == 4
    select, layer = compacted.model[0]
    assert isinstance(select, Select)
    assert select.index.tolist() == [1, 2, 3, 5]
    assert layer.in_features == 4
    assert "4 entries" in repr(compacted.model)


def test_dead_input_channels_and_pixels():
    model = cnn()
    kill(model[0], outgoing_of=[1])
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert inputs(compacted)["0"] == 2
    flat = randomized(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)))
    kill(flat[1], outgoing_of=range(100))
    assert inputs(check(flat, example_for(flat, 2, *IMAGE)))["1"] == 92


def test_all_inputs_dead_leave_one():
    model = mlp(6, 5, 2)
    kill(model[0], outgoing_of=range(6))
    compacted = check(model, example_for(model, 3, 6))
    assert compacted.layers[0].dead_inputs == tuple(range(6))
    assert inputs(compacted) == {"0": 1, "2": 1}


def test_a_single_layer_is_a_model():
    model = randomized(nn.Linear(6, 3))
    kill(model, outgoing_of=[2])
    compacted = check(model, example_for(model, 4, 6))
    assert [type(module) for module in compacted.model] == [Select, nn.Linear]
    assert compacted.kept == ("the model: its 3 units stay: the model returns them",)


# ------------------------------------------------------------------ convolutions


def test_a_padded_convolution_folds_constants_of_zero_only():
    model = cnn(padding=1)
    with torch.no_grad():
        model[1].weight[[0, 1, 2]] = 0
        model[1].bias[0] = -1.0  # ReLU makes 0 of it
        model[1].bias[[1, 2]] = 1.0
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert units(compacted)["0"] == 7
    why = "0: 2 dead units stay: 4 pads with zeros, and their constants are not 0"
    assert why in compacted.kept


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_other_paddings_keep_a_constant_constant(mode):
    model = cnn(padding=1, padding_mode=mode)
    kill(model[0], incoming_of=[3, 5])
    assert units(check(model, example_for(model, 2, *IMAGE)))["0"] == 6


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name(padding):
    model = cnn(padding=padding)
    kill(model[0], incoming_of=[3])
    with torch.no_grad():
        model[1].bias[3], model[1].running_mean[3] = 5.0, 0.0
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert units(compacted)["0"] == (8 if padding == "same" else 7)


@pytest.mark.parametrize(
    ("pool", "left"),
    [
        (nn.MaxPool2d(3, stride=2, padding=1), 7),
        (nn.AvgPool2d(2), 7),
        (nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False), 7),
        (nn.AvgPool2d(3, stride=2, padding=1), 8),
        (nn.AvgPool2d(2, divisor_override=3), 8),
        (nn.AvgPool2d(3, stride=2, ceil_mode=True), 7),
        (nn.AdaptiveAvgPool2d(4), 7),
        (nn.AdaptiveMaxPool2d((4, 4)), 7),
    ],
    ids=str,
)
def test_pools(pool, left):
    model = cnn(pool)
    kill(model[0], incoming_of=[3])
    with torch.no_grad():
        model[1].bias[3], model[1].running_mean[3] = 5.0, 0.0
    assert units(check(model, example_for(model, 2, *IMAGE)))["0"] == left


def test_a_pool_that_returns_places_is_a_barrier():
    class Pooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)

        def forward(self, x):
            pooled, _ = F.max_pool2d(self.conv(x), 2, return_indices=True)
            return self.last(pooled)

    model = randomized(Pooled())
    kill(model.conv, incoming_of=[0])
    assert units(check(model, example_for(model, 2, *IMAGE)))["conv"] == 4


# ------------------------------------------------------------------ forward passes of all kinds


class Functional(nn.Module):
    """A forward pass of functions and methods, in nested modules, with sizes read on the way."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.body = nn.ModuleDict({"a": nn.Conv2d(3, 6, 3), "b": nn.Conv2d(6, 4, 2)})
        self.head = nn.Sequential(nn.Sequential(nn.Linear(16, 7), nn.Identity()))
        self.last = nn.Linear(7, 2)

    def forward(self, x, scale=None):
        x = F.max_pool2d(F.leaky_relu(self.body["a"](x)), 2)
        x = self.body["b"](F.dropout(x, 0.5, training=self.training)).relu()
        rows, _, height, _ = x.shape
        assert self.how or height
        if self.how == "view":
            x = x.view(x.size(0), -1)
        elif self.how == "reshape":
            x = x.reshape((rows, -1))
        elif self.how == "function":
            x = torch.flatten(x, start_dim=1)
        else:
            x = x.flatten(1)
        x = torch.tanh(self.head(x)) * 0.5 + 1.0
        if scale is not None:
            x = x * scale
        return {"scores": self.last(x), "rows": rows}


@pytest.mark.parametrize("how", ["view", "reshape", "function", "method"])
def test_functional_forward(how):
    model = randomized(Functional(how))
    kill(model.body["a"], incoming_of=[0, 1])
    kill(model.body["b"], incoming_of=[2])
    kill(model.head[0][0], outgoing_of=range(4))
    kill(model.last, outgoing_of=[0])
    kill(model.head[0][0], incoming_of=[6])
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert units(compacted) == {"body.a": 4, "body.b": 2, "head.0.0": 5, "last": 2}
    assert type(compacted.model) is Functional


def test_global_mean():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            return self.last(self.conv(x).relu().mean((2, 3)))

    model = randomized(Mean())
    kill(model.conv, incoming_of=[0])
    kill(model.last, outgoing_of=[2])
    assert units(check(model, example_for(model, 2, *IMAGE)))["conv"] == 2


def test_linear_over_time():
    model = mlp(4, 6, 3)
    kill(model[0], incoming_of=[0], outgoing_of=[1])
    kill(model[2], outgoing_of=[1])
    assert units(check(model, example_for(model, 2, 7, 4)))["0"] == 4
    flat = nn.Sequential(nn.Linear(4, 6), nn.Flatten(), nn.Linear(42, 2))
    flat = randomized(flat)
    kill(flat[0], incoming_of=[0])
    compacted = check(flat, example_for(flat, 2, 7, 4))
    assert "0: its 6 units (1 with zero weights only) stay: 1 mixes them with another axis" in (
        compacted.kept
    )


def test_several_arguments():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 5), nn.Linear(5, 2)

        def forward(self, x, y):
            return self.b(self.a(x).relu()) * y

    model = randomized(Two())
    kill(model.b, outgoing_of=[0])
    example = (example_for(model, 3, 4), example_for(model, 3, 2))
    assert units(check(model, example)) == {"a": 4, "b": 2}


class Custom(nn.Module):
    """Modules by name, and a forward pass that the test gives."""

    def __init__(self, run, **modules):
        super().__init__()
        self.run = run
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x):
        return self.run(self, x)


def two(**more):
    return {"a": nn.Linear(4, 4), "b": nn.Linear(4, 3), **more}


def tied():
    model = Custom(lambda m, x: m.b(m.a(x).relu()), a=nn.Linear(4, 4), b=nn.Linear(4, 4))
    model.b.weight = model.a.weight
    return model


def trained_twice(m, x):
    x = m.a(x).relu()
    return (m.b(x), m.c(x)) if m.training else m.b(x)


BARRIERS = {
    "residual": (
        lambda: Custom(lambda m, x: m.b((h := m.a(x)) + h.relu()), **two()),
        "a: its 4 units (1 with zero weights only) stay: relu and add all read them",
    ),
    "softmax": (
        lambda: Custom(lambda m, x: m.b(m.a(x).softmax(-1)), **two()),
        "a: its 4 units (1 with zero weights only) stay: softmax reads them",
    ),
    "addition of another": (
        lambda: Custom(lambda m, x: m.b(m.a(x) + x), **two()),
        "a: its 4 units (1 with zero weights only) stay: add also reads the model's input",
    ),
    "tied": (
        tied,
        "a: its 4 units (1 with zero weights only) stay: it shares parameters with another module",
    ),
    "called twice": (
        lambda: Custom(lambda m, x: m.b(m.a(m.a(x).relu())), **two()),
        "a: its 4 units (1 with zero weights only) stay: it is called more than once",
    ),
    "weights used directly": (
        lambda: Custom(lambda m, x: m.b(m.a(x).relu()) + m.a.bias[:3], **two()),
        "a: its 4 units (1 with zero weights only) stay: "
        "it has parameters that forward uses directly",
    ),
    "LayerNorm": (
        lambda: Custom(lambda m, x: m.b(m.norm(m.a(x))), **two(norm=nn.LayerNorm(4))),
        "a: its 4 units (1 with zero weights only) stay: norm (LayerNorm) reads them",
    ),
    "LSTM": (
        lambda: Custom(lambda m, x: m.b(m.lstm(m.a(x))[0]), **two(lstm=nn.LSTM(4, 4))),
        "lstm: LSTM is not a Linear, Conv2d or BatchNorm",
    ),
    "dropout at prediction": (
        lambda: Custom(lambda m, x: m.b(F.dropout(m.a(x), 1e-9)), **two()),
        "a: its 4 units (1 with zero weights only) stay: "
        "dropout drops at prediction too: give it training=self.training",
    ),
    "a fixed view": (
        lambda: Custom(lambda m, x: m.b(m.a(x).view(-1, 4)), **two()),
        "a: its 4 units (1 with zero weights only) stay: view has fixed sizes: write flatten(1)",
    ),
    "a size that is read": (
        lambda: Custom(lambda m, x: m.b((h := m.a(x)) / h.shape[1]), **two()),
        "a: its 4 units (1 with zero weights only) stay: .shape and truediv all read them",
    ),
    "an auxiliary output in training": (
        lambda: Custom(trained_twice, **two(c=nn.Linear(4, 2))),
        "a: its 4 units (1 with zero weights only) stay: "
        "what reads them in training is not what reads them at prediction",
    ),
    "parametrized": (
        lambda: Custom(
            lambda m, x: m.b(m.a(x).relu()),
            **two() | {"b": parametrizations.weight_norm(two()["b"])},
        ),
        "a: its 4 units (1 with zero weights only) stay: b, which reads them, "
        "has computed parameters: remove the pruning or parametrization first",
    ),
    "never called": (
        lambda: Custom(lambda m, x: m.b(x), **two()),
        "a: not called at prediction",
    ),
    "behind a barrier": (
        lambda: Custom(lambda m, x: m.b(m.a(x).softmax(-1)), **two()),
        "b: 1 dead input stays: what feeds the layer could not shrink",
    ),
    "a Network inside": (
        lambda: Custom(lambda m, x: m.n(x)[0], n=Network([4, 3], dtype=torch.float64)),
        "n: compact a bridle Network by itself",
    ),
}


@pytest.mark.parametrize("name", BARRIERS)
def test_barriers_are_named(name):
    build, line = BARRIERS[name]
    model = randomized(build())
    if name != "a Network inside":
        kill(model.a, incoming_of=[0])
    if name == "behind a barrier":
        kill(model.b, outgoing_of=[3])
    compacted = check(model, example_for(model, 5, 4))
    assert line in compacted.kept
    assert compacted.parameters_after == compacted.parameters_before


def test_grouped_convolutions_are_named():
    model = randomized(
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 2, 1))
    )
    kill(model[2], outgoing_of=[0])
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert compacted.kept == (
        "0: its 4 units stay: 1, which reads them, has 4 groups",
        "1: its 4 units stay: it has 4 groups",
        "2: its 2 units stay: the model returns them",
        "2: 1 dead input stays: what feeds the layer could not shrink",
    )


def test_only_the_chain_beside_a_barrier_shrinks():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.up, self.down = nn.Linear(4, 6), nn.Linear(6, 9), nn.Linear(9, 6)
            self.head = nn.Linear(6, 2)

        def forward(self, x):
            x = self.stem(x)
            return self.head(x + self.down(self.up(x).relu()))

    model = randomized(Residual())
    kill(model.down, outgoing_of=[0, 1])
    kill(model.stem, incoming_of=[0])
    compacted = check(model, example_for(model, 3, 4))
    assert units(compacted) == {"stem": 6, "up": 7, "down": 6, "head": 2}


def test_a_forward_that_depends_on_the_data():
    model = Custom(lambda m, x: m.b(m.a(x).relu()) if x.sum() > 0 else m.b(x), **two())
    kill(model.a, incoming_of=[0])
    compacted = check(randomized(model), example_for(model, 3, 4))
    assert compacted.layers == ()
    assert compacted.parameters_after == compacted.parameters_before
    (line,) = compacted.kept
    assert line.startswith("the whole model: forward cannot be traced in training (TraceError:")


def test_a_forward_that_the_trace_does_not_show_is_left_alone():
    """Units hidden from the trace by a detour: the predictions would have moved."""

    def run(m, x):
        h = m.a(x).relu()
        return m.b(h) * m.a.out_features

    model = randomized(Custom(run, **two()))
    kill(model.b, outgoing_of=[0])
    compacted = check(model, example_for(model, 3, 4))
    assert compacted.kept == ("the whole model: without its dead units it predicts otherwise",)


def test_a_module_under_two_names():
    shared = nn.Linear(4, 5)
    model = Custom(lambda m, x: m.b(m.a(x).relu()), a=shared, b=nn.Linear(5, 2), again=shared)
    model = randomized(model)
    kill(model.b, outgoing_of=[0])
    kill(model.a, outgoing_of=[1])
    compacted = check(model, example_for(model, 3, 4))
    assert units(compacted)["a"] == 4
    assert compacted.model.again is compacted.model.a


def test_subclasses_and_hooks_survive():
    class Mine(nn.Linear):
        pass

    model = randomized(nn.Sequential(Mine(4, 6), nn.ReLU(), Mine(6, 2)))
    seen = []
    model[0].register_forward_hook(lambda module, args, result: seen.append(result.shape[1]))
    kill(model[2], outgoing_of=[0])
    compacted = check(model, example_for(model, 3, 4))
    assert type(compacted.model[0]) is Mine
    seen.clear()
    compacted.model(example_for(model, 3, 4))
    assert seen == [5]


# ------------------------------------------------------------------ what is kept


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


# ------------------------------------------------------------------ any sparse chain


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


# ------------------------------------------------------------------ bridle's own network


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
        "weights.0: 1 dead input stays: a Network keeps them",
        "weights.2: its 3 units stay: the model returns them",
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
    assert "weights.0: 1 dead unit stays, all zero: a layer has at least one" in compacted.kept


# ------------------------------------------------------------------ errors


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
        (nn.LazyLinear(2), torch.ones(3, 5), "LazyLinear has parameters without a shape; run"),
        (pruned(), torch.ones(3, 4), "Sequential cannot be copied.*call prune.remove"),
        (Network([4, 2], seeds=[0, 1]), torch.ones(3, 4), r"2 members.*network.take\(\[i\]\)"),
        (Network([4, 2]), torch.ones(3, 5), r"this network takes \[rows, 4\]"),
    ],
)
def test_usage_errors(model, example, message):
    with pytest.raises(UsageError, match=message) as raised:
        compact(model, example)
    assert "\n" not in str(raised.value)
