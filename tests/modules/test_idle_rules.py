"""What a receipt and an attachment say of rules that do not act."""

import pytest
import torch
from torch import nn

import bridle

FROZEN = "does not act: frozen, requires_grad is False"
RULES = {
    "penalty": {"*": bridle.L1(0.1)},
    "decay": {"*": bridle.WeightDecay(0.1)},
    "joint": {bridle.Joint({"0.weight": "units", "2.weight": "inputs"}): bridle.GroupLasso(0.1)},
}


def mlp():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_a_frozen_weight_is_told_until_it_is_trained(rules):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    receipt = bridle.regularize(model, rules, optimizer=optimizer)
    assert "does not act" not in f"{receipt} {receipt.attachments[0]}"
    model[0].weight.requires_grad_(False)
    assert FROZEN in str(receipt).splitlines()[0]
    assert FROZEN in str(receipt.attachments[0]).splitlines()[0]
    model[0].weight.requires_grad_(True)
    assert "does not act" not in f"{receipt} {receipt.attachments[0]}"


@pytest.mark.parametrize("inside", [True, False])
def test_a_weight_that_was_frozen_before_is_told_by_all(inside):
    model = mlp()
    model[0].requires_grad_(False)
    held = model.parameters() if inside else model[2].parameters()
    optimizer = torch.optim.SGD(held, lr=0.1)
    receipt = bridle.regularize(model, {"*": bridle.L1(0.1)}, optimizer=optimizer)
    first, last = str(receipt).splitlines()
    assert first == f"0.weight: L1(0.1), attached to SGD; {FROZEN}"
    assert last == "2.weight: L1(0.1), attached to SGD"
    assert str(receipt.attachments[0]).splitlines() == [
        f"0.weight  L1(0.1)  (proximal, euclidean; {FROZEN})",
        "2.weight  L1(0.1)  (proximal, euclidean)",
    ]
    batch = torch.eye(4), torch.tensor([0, 1, 0, 1])
    (finding,) = bridle.audit(model, optimizer, batch).findings
    assert (finding.severity, finding.subject) == ("fail", "0.weight")
    assert "frozen" in finding.message


@pytest.mark.filterwarnings("ignore:.*not among the optimizer:bridle.RegularizationWarning")
def test_two_optimizers_with_a_part_of_the_weights_each():
    model = mlp()
    first = torch.optim.SGD(model[0].parameters(), lr=0.1)
    last = torch.optim.Adam(model[2].parameters(), lr=0.1)
    receipt = bridle.regularize(model, {"*": bridle.L1(0.1)})
    receipt.attach(first)
    assert str(receipt).splitlines() == [
        "0.weight: L1(0.1), attached to SGD",
        "2.weight: L1(0.1), attached to SGD; does not act: not in the optimizer",
    ]
    batch = torch.eye(4), torch.tensor([0, 1, 0, 1])
    (finding,) = bridle.audit(model, last, batch, others=[first]).findings
    assert (finding.kind, finding.subject) == ("no-op penalty", "2.weight")
    receipt.attach(last)
    assert str(receipt).splitlines() == [
        "0.weight: L1(0.1), attached to SGD",
        "2.weight: L1(0.1), attached to Adam",
    ]
    for optimizer, other, name in ((first, last, "0.weight"), (last, first, "2.weight")):
        audited = bridle.audit(model, optimizer, batch, others=[other])
        assert audited.passed
        assert [each.parameter for each in audited.effects] == [name]
        assert any("another optimizer has" in each.detail for each in audited.checks)


def test_a_target_sparsity_needs_no_gradient():
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rule = {"0.weight": bridle.Sparsity(0.5, ramp=1)}
    receipt = bridle.regularize(model, rule, optimizer=optimizer)
    model[0].weight.requires_grad_(False)
    assert "does not act" not in f"{receipt} {receipt.attachments[0]}"
    model(torch.eye(4)).sum().backward()
    optimizer.step()
    assert float((model[0].weight == 0).double().mean()) == 0.5


def test_a_frozen_weight_with_a_gradient_is_penalized_on():
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    receipt = bridle.regularize(model, {"0.weight": bridle.L1(0.1)}, optimizer=optimizer)
    model(torch.eye(4)).sum().backward()
    model[0].weight.requires_grad_(False)
    optimizer.zero_grad(set_to_none=False)
    before = model[0].weight.detach().clone()
    optimizer.step()
    assert not torch.equal(before, model[0].weight)
    assert "does not act" not in f"{receipt} {receipt.attachments[0]}"
    optimizer.zero_grad()
    assert str(receipt).endswith(FROZEN)


def test_a_detached_target_sparsity_is_told():
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rule = {"0.weight": bridle.Sparsity(0.5, ramp=1)}
    receipt = bridle.regularize(model, rule, optimizer=optimizer)
    assert str(receipt).endswith("attached to SGD")
    receipt.attachments[0].detach()
    assert str(receipt).endswith("attached to SGD; does not act: detached")
    assert str(receipt.attachments[0]).endswith("does not act: detached")
