"""What the tests of places share: a model of three blocks, ways to regularize it, masks by hand."""

import copy

import torch
from torch import nn

import bridle

HALF = {"keep_prob": 0.5}
DROP = bridle.Dropout(**HALF)
X = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))


def part(inputs):
    return nn.Sequential(nn.Linear(inputs, 16), nn.ReLU())


class Net(nn.Sequential):
    """Three blocks; further names of them are not called."""

    def forward(self, x):
        return self[2](self[1](self[0](x)))


def net():
    torch.manual_seed(0)
    return Net(part(5), part(16), nn.Linear(16, 3))


def by_hand(model, streams, step=0, seed=0):
    """Return the outputs with masks of some streams after the two ReLUs, by eager calls."""
    x = X
    for block, stream in zip(model[:2], streams, strict=True):
        x = block[0](x).relu()
        if stream is not None:
            x = DROP.train(x, bridle.address_of(seed, stream=stream, step=step))
    return model[2](x)


def check_noise(model, streams, passes=2):
    """Compare outputs and gradients of some training passes with those by hand."""
    other = net()
    for step in range(passes):
        model.zero_grad(), other.zero_grad()
        output, expected = model(X), by_hand(other, streams, step)
        assert torch.equal(output, expected)
        output.square().mean().backward(), expected.square().mean().backward()
        for a, b in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.allclose(a.grad, b.grad)


def two_calls(rules=DROP, **options):
    model = net()
    return model, [bridle.regularize(model, {name: rules}, **options) for name in ("0.1", "1.1")]


def undo_between(rules=DROP, **options):
    model = net()
    first = bridle.regularize(model, {"0.1": rules}, **options)
    second = bridle.regularize(model, {"1.1": rules}, **options)
    first.undo()
    return model, [bridle.regularize(model, {"0.1": rules}, **options), second]


def undone_other(**options):
    """The receipt that is left has stream 1, which a new process has to be told."""
    model = net()
    first = bridle.regularize(model, {"0.1": DROP}, **options)
    second = bridle.regularize(model, {"1.1": DROP}, **options)
    first.undo()
    return model, [second]


def parts_joined():
    model = net()
    return model, [bridle.regularize(model[index], {"1": DROP}) for index in range(2)]


def equal_name_elsewhere():
    model = nn.Sequential(net(), nn.Identity())
    first = bridle.regularize(model[0][0], {"1": DROP})
    second = bridle.regularize(model, {"1": DROP})
    return model, [first, second]


def tied():
    model = net()
    model.again = model[0]  # the same module under another name
    return model


def streams_of(receipts):
    return [noise.key[1] for receipt in receipts for noise in receipt.noises]


class Together(nn.Module):
    """Models that see the same inputs."""

    def __init__(self, *models):
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, x):
        return [model(x) for model in self.models]


def built(feature):
    """Return a model, its receipts, and the number of its noises."""
    if feature == "same-module-twice":
        model = tied()
        receipts = [bridle.regularize(model, {nn.ReLU: DROP})]
    elif feature == "deepcopy":
        model, receipts = copy.deepcopy(two_calls())
    elif feature == "equal-name-elsewhere":
        model, receipts = equal_name_elsewhere()
    else:
        build = {"two-calls": two_calls, "undo-between": undo_between, "parts-joined": parts_joined}
        model, receipts = build[feature]()
    return model, receipts
