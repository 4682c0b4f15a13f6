"""The audit of compiled models: their own gradients, and noise that compiled code leaves out."""

import pytest
import torch
from audit_broken import Broken, NextSeed
from audit_helpers import X, Y, kinds, mlp, sgd
from torch import nn

import bridle

pytestmark = pytest.mark.filterwarnings("ignore")


class Net(nn.Module):
    """A module of the user's: ``Module.compile`` compiles none of torch's own containers."""

    def __init__(self, *more):
        super().__init__()
        self.one, self.more, self.two = nn.Linear(6, 24), nn.Sequential(*more), nn.Linear(24, 3)

    def forward(self, x):
        return self.two(self.more(self.one(x).relu()))


@pytest.fixture(autouse=True)
def _fresh():
    torch.manual_seed(0)
    torch._dynamo.reset()


@pytest.mark.parametrize("how", ["wrapped", "in place", "a part"])
def test_a_compiled_model_passes_by_its_own_gradients(how):
    model = Net(nn.Dropout(0.5))
    optimizer = sgd(model)
    rules = {"more": bridle.Dropout(keep_prob=0.7), "*": bridle.L1(0.1)}
    bridle.regularize(model, rules, optimizer=optimizer)
    if how == "wrapped":
        given = torch.compile(model)
    elif how == "in place":
        given = model
        model.compile()
    else:
        given = nn.Sequential(torch.compile(model))
    audited = bridle.audit(given, optimizer, (X, Y))
    assert audited.passed, str(audited)
    (check,) = [each for each in audited.checks if each.check.startswith("gradients")]
    assert (check.check, check.outcome) == ("gradients of the compiled model", "passed")


def test_a_mask_that_compiled_code_gets_wrong():
    model = torch.compile(mlp(Broken(NextSeed.apply)))
    found = kinds(bridle.audit(model, sgd(model), (X, Y)))
    assert {kind for kind, _ in found} == {"wrong gradient"}


@pytest.mark.parametrize(("budget", "failed"), [(1.0, set()), (0.0, {"wrong gradient"})])
def test_dropout_of_torch_under_a_low_memory_budget(budget, failed):
    """torch 2.13 recomputes random operations with new numbers (pytorch issue 190758)."""
    model = mlp(nn.Dropout(0.5))
    with torch._functorch.config.patch(activation_memory_budget=budget):
        fast = torch.compile(model)
        audited = bridle.audit(fast, sgd(fast), (X, Y))
    assert {kind for kind, _ in kinds(audited)} == failed


def test_noise_that_compiled_code_leaves_out():
    """By default torch reuses compiled code for a model that differs in its hooks alone."""
    model = mlp()
    receipt = bridle.regularize(model, {nn.ReLU: bridle.Dropout(keep_prob=0.5)})
    receipt.undo()  # the guards are set by now, as by any earlier call
    with torch._dynamo.config.patch(skip_nnmodule_hook_guards=True):
        torch._dynamo.reset()
        fast = torch.compile(model, backend="aot_eager")
        fast(X).sum().backward()
        receipt = bridle.regularize(model, {nn.ReLU: bridle.Dropout(keep_prob=0.5)})
        torch._dynamo.config.skip_nnmodule_hook_guards = True
        acts = not torch.equal(fast(X), fast(X))
        audited = bridle.audit(fast, sgd(fast), (X, Y))
        assert audited.passed == acts
        if not acts:
            assert {kind for kind, _ in kinds(audited)} == {"noise inactive in training"}
            assert "compile after bridle.regularize" in str(audited)
        receipt.undo()
