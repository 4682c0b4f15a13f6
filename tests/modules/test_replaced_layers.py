"""Layers that are replaced after penalties were attached to their weights."""

import copy
import pickle
import threading

import pytest
import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

import bridle
from bridle.errors import UsageError

RULES = {
    "penalty": {"*": bridle.L1(2.0)},
    "decay": {"*": bridle.WeightDecay(0.1)},
    "joint": {bridle.Joint({"0.weight": "units", "2.weight": "inputs"}): bridle.GroupLasso(0.1)},
    "sparsity": {"2.weight": bridle.Sparsity(0.5, ramp=4)},
}
X = torch.linspace(-1, 1, 12).reshape(3, 4)


def attached(rules, mode="proximal"):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return model, optimizer, bridle.attach(optimizer, rules, model=model, mode=mode)


def step(model, optimizer):
    optimizer.zero_grad()
    model(X).square().sum().backward()
    optimizer.step()


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_a_replaced_layer_is_refused(rules):
    model, optimizer, attachment = attached(rules)
    step(model, optimizer)
    model[2] = nn.Linear(8, 2)
    optimizer.add_param_group({"params": list(model[2].parameters())})
    with pytest.raises(UsageError, match=r"2 is another Linear .* weight penalties were attached"):
        step(model, optimizer)
    attachment.detach()
    step(model, optimizer)


def test_a_replaced_part_is_refused_and_so_is_that_of_a_copy():
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 2)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    bridle.attach(optimizer, {"*": bridle.L2(0.1)}, model=model, mode="coupled")
    model, optimizer = copy.deepcopy((model, optimizer))
    step(model, optimizer)
    model[0] = nn.Sequential(nn.Linear(4, 2))
    with pytest.raises(UsageError, match=r"0\.0 is another Linear"):
        step(model, optimizer)


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_a_compiled_step_sees_that_a_layer_was_replaced():
    model, optimizer, _ = attached(RULES["penalty"])
    compiled = torch.compile(optimizer.step, backend="eager")
    model(X).square().sum().backward()
    compiled()
    model[2] = nn.Linear(8, 2)
    model.zero_grad()  # the gradients of the old layer stay, so the code is not compiled again
    model(X).square().sum().backward()
    with pytest.raises(UsageError, match="another Linear"):
        compiled()


@pytest.mark.parametrize("change", [
    lambda model: model.__setitem__(2, checkpoint_wrapper(model[2])),
    lambda model: model.insert(1, nn.LayerNorm(8)),
    lambda model: model.append(nn.Linear(2, 2)),
], ids=["wrapped", "inserted", "appended"])  # fmt: skip
def test_layers_that_are_still_in_the_model_are_penalized_on(change):
    model, optimizer, attachment = attached(RULES["penalty"])
    change(model)
    before = attachment.value()
    for _ in range(5):
        step(model, optimizer)
    assert attachment.value() < 0.9 * before


class Adapter(nn.Module):
    """Holds a frozen layer and trains a correction of low rank."""

    def __init__(self, base):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, 1, bias=False)
        self.up = nn.Linear(1, base.out_features, bias=False)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


def test_a_layer_that_an_adapter_holds_is_told():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    receipt = bridle.regularize(model, {"*": bridle.L2(0.1)}, optimizer=optimizer)
    model[0] = Adapter(model[0])
    optimizer.add_param_group({"params": [model[0].down.weight, model[0].up.weight]})
    step(model, optimizer)
    assert "does not act: frozen" in str(receipt).splitlines()[0]
    audited = bridle.audit(model, optimizer, (X, torch.tensor([0, 1, 0])))
    assert [(each.kind, each.subject) for each in audited.findings] == [
        ("no-op penalty", "0.base.weight")
    ]
    with pytest.raises(UsageError, match=r"0\.weight is no parameter of the model any more"):
        receipt.value()


class Unsaved(nn.Module):
    """A model that no file can hold."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 8)
        self.rest = nn.Linear(8, 2)
        self.rest.activation = lambda x: x

    def forward(self, x):
        return self.rest(self.layer(x))


@pytest.mark.parametrize(
    "rules",
    [
        {"layer.weight": bridle.L1(0.1)},
        {"layer.weight": bridle.WeightDecay(0.1)},
        {"layer.weight": bridle.Sparsity(0.5, ramp=4)},
        {bridle.Joint({"layer.weight": "units", "layer.bias": "units"}): bridle.GroupLasso(0.1)},
    ],
    ids=RULES,
)
def test_a_saved_optimizer_does_not_hold_the_model(rules):
    model = Unsaved()
    optimizer = torch.optim.SGD(model.layer.parameters(), lr=0.1)
    bridle.attach(optimizer, rules, model=model)
    loaded = pickle.loads(pickle.dumps(optimizer))
    for weight in loaded.param_groups[0]["params"]:
        weight.grad = torch.ones_like(weight)
    step(model, optimizer)  # of the original, whose model is still looked at
    loaded.step()
    model.layer = nn.Linear(4, 8)
    with pytest.raises(UsageError, match="layer is another Linear"):
        step(model, optimizer)


@pytest.mark.parametrize("first", ["model", "optimizer"])
def test_copies_in_either_order_look_at_the_copied_model(first):
    model, optimizer, _ = attached(RULES["penalty"])
    if first == "model":
        copied, other = copy.deepcopy((model, optimizer))
    else:
        other, copied = copy.deepcopy((optimizer, model))
    model[2] = nn.Linear(8, 2)
    step(copied, other)
    copied[2] = nn.Linear(8, 2)
    with pytest.raises(UsageError, match="2 is another Linear"):
        step(copied, other)


def test_a_model_and_its_optimizer_in_one_file():
    model, optimizer, _ = attached(RULES["penalty"])
    model, optimizer = pickle.loads(pickle.dumps((model, optimizer)))
    step(model, optimizer)
    assert (model[2].weight == 0).any()


def deep():
    torch.manual_seed(0)
    layers = [nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 2)]
    model = nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return model, optimizer, bridle.regularize(model, {"*": bridle.L1(0.5)}, optimizer=optimizer)


@pytest.mark.parametrize("change", [
    lambda model: model.__setitem__(2, nn.Identity()),
    lambda model: model.__delitem__(2),  # another layer with a "weight" takes its place
    lambda model: model.__setitem__(2, nn.Sequential(nn.ReLU())),
], ids=["identity", "deleted", "container"])  # fmt: skip
def test_a_layer_may_be_removed(change):
    model, optimizer, receipt = deep()
    step(model, optimizer)
    change(model)
    before = receipt.attachments[0].value()
    for _ in range(5):
        step(model, optimizer)
    assert receipt.attachments[0].value() < before
    gone = "2.weight: L1(0.5), attached to SGD; does not act: not in the model any more"
    assert str(receipt).splitlines()[1] == gone
    assert str(receipt).count("does not act") == 1
    assert str(receipt.attachments[0]).count("not in the model any more") == 1


@pytest.mark.parametrize("new", [
    lambda: nn.Linear(4, 2), lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2)),
], ids=["layer", "sequence"])  # fmt: skip
def test_a_replaced_part_of_several_layers_is_refused(new):
    head = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)))
    model = nn.Sequential(nn.Linear(4, 4), head)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    bridle.attach(optimizer, {"*": bridle.L1(0.1)}, model=model)
    model, optimizer = copy.deepcopy((model, optimizer))
    step(model, optimizer)
    model[1] = new()
    optimizer.add_param_group({"params": list(model[1].parameters())})
    with pytest.raises(UsageError, match=r"1 is another Linear than .* whose (1\.)?0\.weight"):
        step(model, optimizer)


def test_a_copy_of_the_optimizer_alone_leaves_the_model():
    model, optimizer, _ = attached(RULES["penalty"])
    model.lock = threading.Lock()
    copied = copy.deepcopy(optimizer)
    for weight in copied.param_groups[0]["params"]:
        weight.grad = torch.ones_like(weight)
    copied.step()
    model[2] = nn.Linear(8, 2)
    with pytest.raises(UsageError, match="another Linear"):
        step(model, optimizer)
