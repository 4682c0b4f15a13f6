"""The subnetworks of a user's own module: what a training pass computed, taken out as a module."""

import copy

import pytest
import torch
from torch import nn

from bridle import Before, DropConnect, Dropout, Network, regularize, subnetwork
from bridle.errors import UsageError
from bridle.modules.noise_hooks import UnitNoise, noises_of
from bridle.subnetworks.mask_folding import FixedMask

HALF = Dropout(keep_prob=0.5)


def mlp(activation=nn.ReLU):
    return nn.Sequential(
        nn.Linear(6, 12), activation(), nn.Linear(12, 10), activation(), nn.Linear(10, 3)
    )


class Convolutional(nn.Module):
    """Convolutions with a norm, pooling and a head."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 5, 3)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(45, 8)
        self.out = nn.Linear(8, 3)

    def forward(self, X):
        X = torch.relu(self.norm(self.first(X)))
        X = self.pool(torch.relu(self.second(X))).flatten(1)
        return self.out(torch.relu(self.fc(X)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 5, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, X):
        return self.head(self.lstm(X)[0][:, -1])


class Reaching(nn.Module):
    """Reads a layer's weight past its forward, and tells the sizes of what it has."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 6)
        self.out = nn.Linear(6, 2)

    def forward(self, X):
        hidden = self.fc(X).relu()
        return self.out(hidden) + X @ self.fc.weight.T[:, :2]


CASES = {
    "after an activation": (mlp, {nn.ReLU: HALF}, (6,)),
    "after a layer, before tanh": (lambda: mlp(nn.Tanh), {"0": HALF, "2": HALF}, (6,)),
    "after a layer, before the logistic": (lambda: mlp(nn.Sigmoid), {"0": HALF, "2": HALF}, (6,)),
    "after the logistic": (lambda: mlp(nn.Sigmoid), {nn.Sigmoid: HALF}, (6,)),
    "before a layer": (mlp, {"2": Before(HALF), "4": Before(HALF)}, (6,)),
    "inputs": (mlp, {"0": Before(Dropout(keep_prob=0.7)), "1": HALF}, (6,)),
    "weights": (mlp, {nn.Linear: DropConnect(keep_prob=0.6)}, (6,)),
    "classic": (mlp, {"*": Dropout(keep_prob=0.5, scaling="classic")}, (6,)),
    "weights and units": (mlp, {"1": HALF, "2.*": DropConnect(keep_prob=0.5)}, (6,)),
    "the whole model": (mlp, {nn.Sequential: HALF}, (6,)),
    "convolutions": (Convolutional, {"fc": HALF, "first": HALF, "pool": HALF}, (2, 8, 8)),
    "a norm": (Convolutional, {"norm": HALF, "out": Before(HALF)}, (2, 8, 8)),
    "a recurrence": (
        Recurrent,
        {"lstm": HALF, "lstm.weight_hh_l0": DropConnect(keep_prob=0.5)},
        (7, 4),
    ),
    "weights read past forward": (Reaching, {"fc": HALF}, (4,)),
}


def trained_pass(model, X, k):
    """What each row meets as row 0 of the k-th training pass, by the hooks; norms as in eval()."""
    model = copy.deepcopy(model).train()
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    places = noises_of(model)
    for module in norms:
        module.eval()
        for place in places:  # a noise asks its module whether it trains
            if isinstance(place, UnitNoise) and model.get_submodule(place.name) is module:
                place._act = lambda training, place=place: place._train
    found = []
    for row in X:
        for place in places:
            place.counter.step = k
        found.append(model(row[None]))
    return torch.cat(found)


@pytest.mark.parametrize("name", CASES)
def test_subnetwork_is_the_masked_pass(name):
    build, rules, shape = CASES[name]
    torch.manual_seed(0)
    model = build().double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.weight)
    receipt = regularize(model, rules, seed=4)
    X = torch.randn(5, *shape, dtype=torch.float64)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    steps = receipt.state_dict()
    for k in (0, 3, 2**33):
        small = subnetwork(model, k, X)
        expected = trained_pass(model, X, k)
        torch.testing.assert_close(small.eval()(X), expected, rtol=1e-9, atol=1e-9)
    assert receipt.state_dict() == steps  # the model's own noise has not moved
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


def hidden_units(model):
    return [m.out_features for m in model.modules() if isinstance(m, nn.Linear)][:-1]


@pytest.mark.parametrize(
    "name", ["after an activation", "after a layer, before tanh", "before a layer", "classic"]
)
def test_units_are_removed_and_not_masked(name):
    build, rules, _ = CASES[name]
    model = build()
    regularize(model, {key: rule for key, rule in rules.items() if key != "*"} or {nn.ReLU: HALF})
    sizes = []
    for k in range(20):
        small = subnetwork(model, k)
        assert not any(isinstance(m, FixedMask) for m in small.modules())
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in small.modules())
        sizes.append(hidden_units(small))
    mean = torch.tensor(sizes).double().mean(0)
    assert bool(((mean > 3.5) & (mean < 8)).all()), mean  # of 12 and of 10, half


def test_where_units_cannot_go_a_fixed_mask_stays():
    model = Convolutional()
    regularize(model, {"first": HALF})  # each pixel by itself
    small = subnetwork(model, 1, torch.randn(1, 2, 8, 8))
    masks = [m for m in small.modules() if isinstance(m, FixedMask)]
    assert [list(m.mask.shape) for m in masks] == [[1, 6, 8, 8]]
    dropped = float((masks[0].mask == 0).double().mean())
    assert 0.35 < dropped < 0.65


def test_a_mask_on_the_whole_model_stays_and_the_rest_is_cut():
    model = mlp()
    regularize(model, {nn.Sequential: HALF, nn.ReLU: HALF})
    small = subnetwork(model, 1)
    assert sum(isinstance(m, FixedMask) for m in small.modules()) == 1
    assert all(units < full for units, full in zip(hidden_units(small), (12, 10), strict=True))


def test_a_tied_weight_is_masked_where_its_noise_stands_only():
    model = nn.ModuleDict({"encode": nn.Linear(3, 3, bias=False), "decode": nn.Linear(3, 3)})

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = model
            self.parts["decode"].weight = self.parts["encode"].weight

        def forward(self, X):
            return self.parts["decode"](self.parts["encode"](X).relu())

    tied = Tied().double()
    regularize(tied, {"parts.decode.weight": DropConnect(keep_prob=0.5)})
    X = torch.randn(4, 3, dtype=torch.float64)
    for k in range(4):
        expected = trained_pass(tied, X, k)
        torch.testing.assert_close(subnetwork(tied, k, X)(X), expected, rtol=1e-9, atol=1e-9)


def test_it_is_a_plain_module_that_saves_and_trains(tmp_path):
    model = mlp()
    regularize(model, {nn.ReLU: HALF})
    small = subnetwork(model, 2)
    torch.save(small, tmp_path / "small.pt")
    again = torch.load(tmp_path / "small.pt", weights_only=False)
    X = torch.randn(3, 6)
    assert torch.equal(again(X), small(X))
    small(X).sum().backward()
    assert all(parameter.grad is not None for parameter in small.parameters())
    assert small.training
    assert not subnetwork(model.eval(), 2).training


def test_a_network_of_bridle_gives_its_own():
    network = Network([4, 8, 3], hidden_noise=HALF)
    X = torch.randn(2, 4)
    assert torch.equal(subnetwork(network, 5)(X), network.subnetwork(5)(X))


def test_errors_say_what_to_do():
    with pytest.raises(UsageError, match=r"Linear has no noise.*bridle\.regularize"):
        subnetwork(nn.Linear(2, 2), 0)
    model = Convolutional()
    regularize(model, {"fc": HALF})
    with pytest.raises(UsageError, match=r"input's shape is unknown: give example="):
        subnetwork(model, 0)
    with pytest.raises(UsageError, match=r"example of shape \[1, 3\] does not fit"):
        subnetwork(model, 0, torch.zeros(1, 3))
    with pytest.raises(UsageError, match="k is -3"):
        subnetwork(model, -3)
    shared = nn.ReLU()
    twice = nn.Sequential(nn.Linear(2, 4), shared, nn.Linear(4, 4), shared)
    regularize(twice, {"1": HALF})
    with pytest.raises(UsageError, match="'1' runs 2 times in a pass"):
        subnetwork(twice, 0)
