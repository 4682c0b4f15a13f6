"""Noise that a later hook of the user puts back, and hooks that leave it."""

import pytest
import torch
from audit_helpers import X, Y, mlp, sgd
from torch import nn

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


class Teaches(nn.Module):
    """Calls a layer twice, the second time without noise."""

    def __init__(self, clean):
        super().__init__()
        self.body, self.clean, self.call = mlp(), clean, 0
        self.body[1].register_forward_hook(self.count)

    def count(self, module, args, output):
        self.call += 1

    def hook(self, module, args, output):
        return torch.relu(args[0]) if self.call % 2 in self.clean else None

    def forward(self, x):
        return self.body(x) + self.body(x)


@pytest.mark.parametrize(("clean", "passes"), [((0,), True), ((0, 1), False)])
def test_a_pass_without_noise_beside_one_with_it(clean, passes):
    model = Teaches(clean)
    bridle.regularize(model, {"body.1": bridle.Dropout(keep_prob=0.5)})
    model.body[1].register_forward_hook(model.hook)
    kinds = [each.kind for each in bridle.audit(model, sgd(model), (X, Y)).findings]
    assert ("noise inactive in training" in kinds) == (not passes)
