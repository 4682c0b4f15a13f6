"""Forward passes that compaction can follow, and what stops it in the others."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from compaction_helpers import IMAGE, Custom, check, example_for, kill, mlp, randomized, two, units
from torch import nn
from torch.nn.utils import parametrizations

from bridle import Network


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
    units_kept = "layer '0' keeps its 6 units (1 of them with only zero weights)"
    assert f"{units_kept}: '1' mixes them with another axis" in compacted.kept


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


def tied(run=lambda m, x: m.b(m.a(x).relu()), **more):
    model = Custom(run, a=nn.Linear(4, 4), b=nn.Linear(4, 4), **more)
    (model.c if more else model.b).weight = model.a.weight
    return model


def trained_twice(m, x):
    x = m.a(x).relu()
    return (m.b(x), m.c(x)) if m.training else m.b(x)


KEEPS = "layer 'a' keeps its 4 units (1 of them with only zero weights): "
BARRIERS = {
    "softmax": (
        lambda: Custom(lambda m, x: m.b(m.a(x).softmax(-1)), **two()),
        KEEPS + "'softmax' reads them",
    ),
    "addition of another": (
        lambda: Custom(lambda m, x: m.b(m.a(x) + x), **two()),
        KEEPS + "'add' also reads the model's input",
    ),
    "tied": (
        tied,
        KEEPS + "they are tied to what reads the model's input",
    ),
    "tied to a weight that is not called": (
        lambda: tied(c=nn.Linear(4, 4)),
        KEEPS + "it shares parameters with another module",
    ),
    "called twice": (
        lambda: Custom(lambda m, x: m.b(m.a(m.a(x).relu())), **two()),
        KEEPS + "they are tied to what reads the model's input",
    ),
    "weights used directly": (
        lambda: Custom(lambda m, x: m.b(m.a(x).relu()) + m.a.bias[:3], **two()),
        KEEPS + "it has parameters that forward uses directly",
    ),
    "LayerNorm": (
        lambda: Custom(lambda m, x: m.b(m.norm(m.a(x))), **two(norm=nn.LayerNorm(4))),
        "layer 'a' keeps 1 dead unit: 'norm' makes constants vary",
    ),
    "LSTM": (
        lambda: Custom(lambda m, x: m.b(m.lstm(m.a(x))[0]), **two(lstm=nn.LSTM(4, 4))),
        "module 'lstm': LSTM is not supported",
    ),
    "dropout at prediction": (
        lambda: Custom(lambda m, x: m.b(F.dropout(m.a(x), 1e-9)), **two()),
        KEEPS + "'dropout' drops at prediction too: give it training=self.training",
    ),
    "a fixed view": (
        lambda: Custom(lambda m, x: m.b(m.a(x).view(-1, 4)), **two()),
        KEEPS + "'view' has fixed sizes: write flatten(1)",
    ),
    "a size that is read": (
        lambda: Custom(lambda m, x: m.b((h := m.a(x)) / h.shape[1]), **two()),
        KEEPS + "'.shape' reads them",
    ),
    "an auxiliary output in training": (
        lambda: Custom(trained_twice, **two(c=nn.Linear(4, 2))),
        KEEPS + "training and prediction use them in different ways",
    ),
    "parametrized": (
        lambda: Custom(
            lambda m, x: m.b(m.a(x).relu()),
            **two() | {"b": parametrizations.weight_norm(two()["b"])},
        ),
        KEEPS + "'b', which reads them, "
        "has computed parameters: remove the pruning or parametrization first",
    ),
    "never called": (
        lambda: Custom(lambda m, x: m.b(x), **two()),
        "layer 'a' is not called at prediction",
    ),
    "behind a barrier": (
        lambda: Custom(lambda m, x: m.b(m.a(x).softmax(-1)), **two()),
        "layer 'b' keeps 1 dead input: the layer before it keeps its units",
    ),
    "a Network inside": (
        lambda: Custom(lambda m, x: m.n(x)[0], n=Network([4, 3], dtype=torch.float64)),
        "module 'n': compact a bridle Network by itself",
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


def test_a_residual_stream_keeps_units_that_one_of_its_layers_still_writes():
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
    why = "layer 'stem' keeps 1 dead unit: 'add' joins them with units that are not dead"
    assert why in compacted.kept


def test_a_forward_that_depends_on_the_data():
    model = Custom(lambda m, x: m.b(m.a(x).relu()) if x.sum() > 0 else m.b(x), **two())
    kill(model.a, incoming_of=[0])
    compacted = check(randomized(model), example_for(model, 3, 4))
    assert compacted.layers == ()
    assert compacted.parameters_after == compacted.parameters_before
    (line,) = compacted.kept
    assert line.startswith("the whole model: forward cannot be traced in training (TraceError:")


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (lambda m, x: m.b(m.e(x)) if x.max() > 3 else m.e(x), "is read as a Python value by"),
        (lambda m, x: _written_to(m.b(m.e(x)), len(x)), "is changed in place by __setitem__"),
    ],
)
def test_what_a_recorded_forward_must_not_do(run, why):
    model = randomized(Custom(run, e=nn.Embedding(9, 4), b=nn.Linear(4, 4)))
    kill(model.b, outgoing_of=[0])
    (line,) = check(model, torch.arange(8).view(2, 4)).kept
    assert line.startswith("the whole model: forward cannot be traced in training (")
    assert why in line


def _written_to(x, rows):
    x[:, 0] = 0.0 if rows > 0 else 1.0
    return x


def test_a_forward_that_the_trace_does_not_show_is_left_alone():
    """Units hidden from the trace by a detour: the predictions would have moved."""

    def run(m, x):
        h = m.a(x).relu()
        return m.b(h) * m.a.out_features

    model = randomized(Custom(run, **two()))
    kill(model.b, outgoing_of=[0])
    compacted = check(model, example_for(model, 3, 4))
    assert compacted.kept == ("the whole model: its predictions change without its dead units",)


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
