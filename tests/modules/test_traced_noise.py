"""Noise that ``torch.fx`` or ``torch.jit.script`` would lose: it acts, or it is refused."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.ao.quantization import get_default_qat_qconfig_mapping, get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import prepare_fx, prepare_qat_fx

import bridle
from bridle.errors import RegularizationWarning, UsageError

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The TorchScript type system:UserWarning"),
]

HALF = bridle.Dropout(keep_prob=0.5)
CLASSIC = bridle.Dropout(keep_prob=0.5, scaling="classic")
X = torch.linspace(-1, 1, 12).reshape(3, 4)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.first(x).relu())


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 4))

    def forward(self, x):
        return nn.functional.linear(x, self.weight)


class Leafless(torch.fx.Tracer):
    def is_leaf_module(self, m, module_qualified_name):
        return False


class Renaming(torch.fx.Tracer):
    def path_of_module(self, mod):
        return f"pre.{super().path_of_module(mod)}"


class Inserting(torch.fx.Tracer):
    def create_arg(self, a):
        if isinstance(a, int):
            return self.create_proxy("call_module", "inserted_0", (), {}).node
        return super().create_arg(a)


class Choice(nn.Module):
    """A model with a layer that a pass does not use."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x):
        return self.used(x) * 2


def _traced_with_loss(model):
    with pytest.warns(RegularizationWarning, match="traced in evaluation mode"):
        return torch.fx.symbolic_trace(model.eval())


def _loaded(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def _graph(tracer, model):
    return torch.fx.GraphModule(model, tracer.trace(model))


TRACES = {
    "symbolic_trace": torch.fx.symbolic_trace,
    "own-tracer": lambda m: _graph(Leafless(), m),
    "prepare_fx": lambda m: prepare_fx(m, get_default_qconfig_mapping(), (X,)),
    "prepare_qat_fx": lambda m: prepare_qat_fx(m, get_default_qat_qconfig_mapping(), (X,)),
}
OF_ROOT = {
    "after": (Net, {Net: HALF}),
    "before": (Net, {Net: bridle.Before(HALF)}),
    "on": (Own, {"weight": bridle.DropConnect(keep_prob=0.5)}),
}


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
@pytest.mark.parametrize("case", OF_ROOT)
def test_noise_of_the_root_is_refused_in_training(case, trace):
    kind, rules = OF_ROOT[case]
    model = kind()
    receipt = bridle.regularize(model, rules)
    with pytest.raises(UsageError, match="calls no hooks of the module that it traces"):
        trace(model)
    assert set(receipt.state_dict().values()) == {0}
    receipt.undo()
    torch.fx.symbolic_trace(model)


def test_a_scaled_prediction_of_the_root_is_refused_and_the_advice_works():
    model = Net()
    bridle.regularize(model, {Net: CLASSIC})
    model.eval()
    with pytest.raises(UsageError, match="Sequential"):
        torch.fx.symbolic_trace(model)
    torch.testing.assert_close(_traced_with_loss(nn.Sequential(model))(X), model(X))


@pytest.mark.parametrize("rules", [{Net: HALF}, {"0": HALF}])
def test_a_graph_of_evaluation_predicts_and_refuses_to_train(rules):
    model = nn.Sequential(Net()) if "0" in rules else Net()
    receipt = bridle.regularize(model, rules)
    traced = _traced_with_loss(model)
    assert torch.equal(traced(X), model(X))
    again = torch.fx.symbolic_trace(traced)
    saved = [_loaded(traced), _loaded(traced.train())]  # the code is traced in either mode
    for graph in (traced, copy.deepcopy(traced), again, _loaded(again), *saved):
        assert torch.equal(graph.eval()(X), model(X))
        with pytest.raises(RuntimeError, match="traced in evaluation mode, and has no noise"):
            graph.train()(X)
    script = torch.jit.script(traced.eval())
    assert torch.equal(script(X), model(X))
    with pytest.raises(torch.jit.Error, match="has no noise there"):
        script.train()(X)
    receipt.undo()
    traced = torch.fx.symbolic_trace(model.train())
    assert torch.equal(traced(X), model(X))


@pytest.mark.parametrize("tracer", [Renaming, Inserting])
@pytest.mark.parametrize("rules", [{}, {"used": HALF}])
def test_a_tracer_may_name_and_insert_modules(tracer, rules):
    model = Choice()
    if rules:
        bridle.regularize(model, rules)
    plain = [str(node) for node in tracer().trace(Choice()).nodes]
    for mode in (model.train(), model.eval()):
        assert [str(node) for node in tracer().trace(mode).nodes] == plain


def test_noise_of_an_unused_module_does_not_matter_in_training():
    model = Choice()
    bridle.regularize(model, {"used": HALF, "unused": HALF})
    reference = copy.deepcopy(model)
    traced = torch.fx.symbolic_trace(model.train())
    assert torch.equal(traced(X), reference(X))


@pytest.mark.parametrize("inside", [False, True])
def test_a_traced_model_takes_noise_inside_or_around_it(inside):
    traced = torch.fx.symbolic_trace(Net())
    for rule in (HALF, bridle.Before(HALF)):
        with pytest.raises(UsageError, match=r"is a GraphModule.*nn\.Sequential around it"):
            bridle.regularize(nn.Sequential(traced), {torch.fx.GraphModule: rule})
    model = traced if inside else nn.Sequential(traced)
    bridle.regularize(model, {"first": CLASSIC} if inside else {nn.Sequential: CLASSIC})
    expected = model.eval()(X)
    for other in (copy.deepcopy(model), _loaded(model), _loaded(model.train())):
        assert torch.equal(other.eval()(X), expected)
        assert not torch.equal(other.train()(X), expected)


def test_noise_on_what_a_graph_does_not_call_is_refused():
    traced = torch.fx.symbolic_trace(nn.Sequential(Net()))
    with pytest.raises(UsageError, match="'0' is a Module, which has no forward"):
        bridle.regularize(traced, {"0": HALF})


def test_noise_on_a_weight_of_the_traced_model_itself_is_refused():
    traced = torch.fx.symbolic_trace(Own())
    with pytest.raises(UsageError, match="is a GraphModule"):
        bridle.regularize(traced, {"weight": bridle.DropConnect(keep_prob=0.5)})


def test_noise_of_a_module_that_the_graph_calls_acts_in_it():
    model = Net()
    bridle.regularize(model, {"first": HALF})
    reference = copy.deepcopy(model)
    traced = torch.fx.symbolic_trace(model.eval())
    assert torch.equal(traced.train()(X), reference.train()(X))


@pytest.mark.parametrize("rules", [{Net: HALF}, {"first": HALF}, {"first": bridle.Before(HALF)}])
def test_a_script_is_refused(rules):
    model = Net().eval()
    receipt = bridle.regularize(model, rules)
    with pytest.raises(UsageError, match=r"torch\.jit\.script cannot compile it"):
        torch.jit.script(model)
    receipt.undo()
    assert torch.equal(torch.jit.script(model)(X), model(X))
