"""The audit of noises: what runs when, how much it keeps, and planted faults."""

import pytest
import torch
from audit_helpers import X, Y, cross_entropy, kinds, mlp, sgd
from torch import nn
from torch.nn import functional as F  # noqa: N812

import bridle


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_dropout_that_eval_does_not_reach():
    class Stubborn(nn.Dropout):
        def train(self, mode=True):
            return super().train(True)

    model = mlp(Stubborn(0.5))
    assert kinds(bridle.audit(model, sgd(model), (X, Y))) == {("noise active in evaluation", "2")}


def test_functional_dropout_that_ignores_eval():
    class Careless(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(6, 24), nn.Linear(24, 3)

        def forward(self, x):
            return self.two(F.dropout(self.one(x), 0.5))

    model = nn.Sequential(Careless(), nn.Identity())
    found = kinds(bridle.audit(model, sgd(model), (X, Y)))
    # the innermost module that differs reads what the functional call gave
    assert {kind for kind, _ in found} == {"functional noise ignores eval"}
    assert all(subject.startswith("0") for _, subject in found)


@pytest.mark.parametrize("how", ["eval", "uncalled"])
def test_dropout_that_rests_in_training(how):
    model = mlp(nn.Dropout(0.5))
    if how == "eval":
        model[2].eval()
        name = "2"
    else:
        model = mlp()
        model[0].drop = nn.Dropout(0.5)
        name = "0.drop"
    audited = bridle.audit(model, sgd(model), (X, Y))
    assert kinds(audited) == {("noise inactive in training", name)}


def test_masks_that_are_equal_at_every_step():
    def loss(model, batch):
        torch.manual_seed(0)
        return cross_entropy(model, batch)

    model = mlp(nn.Dropout(0.5))
    assert kinds(bridle.audit(model, sgd(model), (X, Y), loss=loss)) == {("equal masks", "2")}
    model = mlp()
    bridle.regularize(model, {nn.ReLU: bridle.Dropout(keep_prob=0.5)})
    assert bridle.audit(model, sgd(model), (X, Y), loss=loss).passed  # an address, not a seed


RANKS = """
import torch, bridle
from torch import nn, distributed as dist
dist.init_process_group("gloo")
torch.manual_seed(0)
def model(*extra):
    return nn.Sequential(nn.Linear(6, 24), nn.ReLU(), *extra, nn.Linear(24, 3))
X, Y = torch.randn(32, 6), torch.arange(32) % 3
theirs = model(nn.Dropout(0.5))
optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
found = bridle.audit(theirs, optimizer, (X, Y)).findings
assert [f.kind for f in found] == ["equal masks"] and "rank" in found[0].message, found
ours = model()
bridle.regularize(ours, {nn.ReLU: bridle.Dropout(keep_prob=0.5)})
net = nn.parallel.DistributedDataParallel(ours)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
assert bridle.audit(net, optimizer, (X, Y)).passed
dist.destroy_process_group()
"""


def test_masks_that_are_equal_on_every_rank(two_processes):
    two_processes(RANKS)


def test_members_of_other_rates_are_expected_to_keep_what_they_keep():
    """Members' units are not alike often positive: what is kept is not the rates' plain mean."""
    keep = torch.tensor([0.3, 0.9], dtype=torch.float64)
    network = bridle.Network([6, 400, 3], seeds=[0, 1], hidden_noise=bridle.Dropout(keep_prob=keep))
    with torch.no_grad():
        network.biases[0][1] -= 2.0  # the second's units are mostly 0
    X, y = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)), torch.arange(200) % 3
    penalty = bridle.L2(torch.tensor([1e-3, 1e-2], dtype=torch.float64))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    attachment = bridle.attach(optimizer, {"*": penalty}, model=network)

    def loss(model, batch):
        return sum(F.cross_entropy(scores, batch[1]) for scores in model(batch[0]))

    audited = bridle.audit(network, optimizer, (X, y), loss=loss)
    assert [each for each in audited.findings if "keeps" in each.message] == []
    (seen,) = audited.noises
    assert seen.keep_prob == pytest.approx(seen.kept, abs=0.01)
    assert 0.3 < seen.keep_prob < 0.5
    assert "L2(0.001 to 0.01 for 2 members)" in str(audited)
    attachment.detach()


def test_layers_with_other_shares_of_zeros_count_as_much_as_they_have_entries():
    """The zero weights of inputs that a member does not have are not counted."""
    keep = torch.tensor([1.0, 0.5], dtype=torch.float64)
    noise = bridle.DropConnect(keep_prob=keep)
    network = bridle.Network([200, 20, 20, 3], seeds=[0, 1], weight_noise=noise)
    with torch.no_grad():
        network.weights[0][1, 6:] = 0
    X, y = torch.randn(50, 200, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 3

    def loss(model, batch):
        return sum(F.cross_entropy(scores, batch[1]) for scores in model(batch[0]))

    audited = bridle.audit(network, sgd(network), (X, y), loss=loss)
    assert [each for each in audited.findings if "keeps" in each.message] == []
    (seen,) = audited.noises
    counted = [4000 + 400 + 60, 120 + 400 + 60]
    assert seen.keep_prob == pytest.approx((counted[0] + 0.5 * counted[1]) / sum(counted))


@pytest.mark.parametrize("acts", [True, False])
def test_noise_on_weights_under_autocast(acts):
    model = mlp(nn.Identity())
    bridle.regularize(model, {"0": bridle.DropConnect(keep_prob=0.5)})
    if not acts:  # a later hook that takes the masked weight away

        def bring_back(module, args):
            object.__setattr__(module, "weight", module._parameters["weight"])

        model[0].register_forward_pre_hook(bring_back)

    def loss(net, batch):
        with torch.autocast("cpu", torch.bfloat16):
            return cross_entropy(net, batch)

    audited = bridle.audit(model, sgd(model), (X.bfloat16(), Y), loss=loss)
    expected = set() if acts else {("noise inactive in training", "0.weight")}
    assert kinds(audited) == expected
