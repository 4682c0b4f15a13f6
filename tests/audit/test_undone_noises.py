"""Noise that a later hook of the user puts back, and hooks that leave it."""

import pytest
import torch
from audit_helpers import X, Y, mlp, sgd

import bridle

HOOKS = {
    "replaces": (lambda module, args, output: torch.relu(args[0]), False),
    "observes": (lambda module, args, output: None, True),
    "scales": (lambda module, args, output: 2 * output, True),
}


@pytest.mark.parametrize("name", HOOKS)
def test_a_later_hook(name):
    hook, passes = HOOKS[name]
    model = mlp()
    bridle.regularize(model, {"1": bridle.Dropout(keep_prob=0.5)})
    model[1].register_forward_hook(hook)
    audited = bridle.audit(model, sgd(model), (X, Y))
    assert audited.passed == passes
    found = [(each.kind, each.subject) for each in audited.findings]
    assert found == [] if passes else [("noise inactive in training", "after 1")]


def test_an_earlier_hook_is_free():
    model = mlp()
    model[1].register_forward_hook(HOOKS["replaces"][0])
    bridle.regularize(model, {"1": bridle.Dropout(keep_prob=0.5)})
    assert bridle.audit(model, sgd(model), (X, Y)).passed
