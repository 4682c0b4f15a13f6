"""Noise that ``torch.fx`` or ``torch.jit.script`` would lose: it acts, or it is refused."""

import copy

import pytest
import torch
from torch import nn
from torch.ao.quantization import get_default_qat_qconfig_mapping, get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import prepare_fx, prepare_qat_fx

import bridle
from bridle.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

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
    wrapped = nn.Sequential(model).eval()
    torch.testing.assert_close(torch.fx.symbolic_trace(wrapped)(X), model(X))


@pytest.mark.parametrize("rules", [{Net: HALF}, {"0": HALF}])
def test_a_graph_of_evaluation_predicts_and_refuses_to_train(rules):
    model = nn.Sequential(Net()) if "0" in rules else Net()
    receipt = bridle.regularize(model, rules)
    traced = torch.fx.symbolic_trace(model.eval())
    assert torch.equal(traced(X), model(X))
    for graph in (traced, copy.deepcopy(traced)):
        with pytest.raises(RuntimeError, match="traced in evaluation mode, and has no noise"):
            graph.train()(X)
    receipt.undo()
    traced = torch.fx.symbolic_trace(model.train())
    assert torch.equal(traced(X), model(X))


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
