"""Subnetworks by name: the module that is taken out is the masked network, unit by unit."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import bridle
import reference as by_hand
from bridle import (
    DropConnect,
    Dropout,
    Network,
    all_subnetworks,
    compact,
    predict,
    train_step,
)
from bridle.errors import UsageError

ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "identity": lambda x: x,
}


def build(sizes=(5, 7, 6, 3), seed=3, **noises):
    network = Network(sizes, seeds=seed, dtype=torch.float64, **noises)
    for bias in network.biases:  # zeros would hide what a bias does
        torch.nn.init.normal_(bias, generator=torch.Generator().manual_seed(1))
    return network


def masked_pass(network, X, units, weights):
    """The masked network by NumPy: factors on units and on weights, given for each layer."""
    h = X.numpy()
    for layer, (W, b) in enumerate(zip(network.weights, network.biases, strict=True)):
        h = ACTIVATIONS[network.activation](h) if layer else h
        h = h * units[layer]
        h = h @ (W[0].detach().numpy() * weights[layer]) + b[0].detach().numpy()
    return h


def factors_by_hand(network, k, row=0):
    """The masks of step ``k`` and row ``row``, from the definition of Philox by hand."""
    seed, units, weights = int(network.seeds), [], []
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(network.sizes)):
        found = []
        for noise, stream, count in (
            (network.hidden_noise if layer else network.input_noise, 2 * layer, fan_in),
            (network.weight_noise, 2 * layer + 1, fan_in * fan_out),
        ):
            if noise is None:
                found.append(np.ones(count))
                continue
            fixed = getattr(noise, "shared", False) or getattr(noise, "per_example", None) is False
            at = 0 if fixed else row
            mask = by_hand.mask(seed, stream, k, [at], count, noise.keep_prob)[0]
            found.append(mask / noise.drawn_keep_prob if noise.inverted else mask)
        units.append(found[0])
        weights.append(found[1].reshape(fan_in, fan_out))
    return units, weights


NOISES = {
    "hidden": {"hidden_noise": Dropout(keep_prob=0.5)},
    "classic": {"hidden_noise": Dropout(keep_prob=0.6, scaling="classic")},
    "shared": {"hidden_noise": Dropout(keep_prob=0.5, shared=True)},
    "inputs": {"input_noise": Dropout(keep_prob=0.8), "hidden_noise": Dropout(keep_prob=0.4)},
    "only inputs": {"input_noise": Dropout(keep_prob=0.5)},
    "weights": {"weight_noise": DropConnect(keep_prob=0.5)},
    "weights, each": {"weight_noise": DropConnect(keep_prob=0.5, per_example=True)},
    "all": {
        "input_noise": Dropout(keep_prob=0.9, scaling="classic"),
        "hidden_noise": Dropout(keep_prob=0.5),
        "weight_noise": DropConnect(keep_prob=0.7, scaling="classic"),
    },
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", NOISES)
def test_subnetwork_is_the_masked_network_by_hand(name, activation):
    network = build(activation=activation, **NOISES[name])
    X = torch.randn(9, 5, dtype=torch.float64)
    for k, row in itertools.product((0, 1, 2**40 + 3), (0, 4)):
        units, weights = factors_by_hand(network, k, row)
        small = network.subnetwork(k, row=row)
        expected = masked_pass(network, X, units, weights)
        np.testing.assert_allclose(small(X)[0].detach().numpy(), expected, rtol=1e-12, atol=1e-12)
        assert not small.has_noise
        if network.hidden_noise is not None:  # removed, not masked
            kept = [max(1, int((factor != 0).sum())) for factor in units[1:]]
            assert list(small.sizes) == [5, *kept, 3]


def test_of_a_layer_that_is_dropped_whole_one_unit_stays_and_says_nothing():
    network = build((4, 2, 2, 3), hidden_noise=Dropout(keep_prob=0.3))
    X = torch.randn(6, 4, dtype=torch.float64)
    whole = 0
    for k in range(30):
        units, weights = factors_by_hand(network, k)
        expected = masked_pass(network, X, units, weights)
        found = network.subnetwork(k)(X)[0].detach().numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        whole += not units[1].any() or not units[2].any()
    assert whole > 5


@pytest.mark.parametrize("input_noise", [None, Dropout(keep_prob=0.8, shared=True)])
def test_subnetwork_is_what_a_training_step_computed_with(input_noise):
    """With masks that the batch shares, the loss of step k is the loss of subnetwork k."""
    noise = Dropout(keep_prob=0.5, shared=True)
    network = build(hidden_noise=noise, input_noise=input_noise)
    X, y = torch.randn(8, 5, dtype=torch.float64), torch.arange(8) % 3
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for k in range(5):
        small = network.subnetwork(k)
        with torch.no_grad():
            masked = network(X, noise=True)  # beside the compact pass of the step
        assert torch.allclose(small(X), masked, rtol=1e-12, atol=1e-12)
        loss = train_step(network, (X, y), optimizer=optimizer)
        torch.testing.assert_close(
            loss.squeeze(), nn.functional.cross_entropy(small(X)[0], y).detach()
        )


def test_row_names_what_trained_on_each_example():
    network = build(hidden_noise=Dropout(keep_prob=0.5), input_noise=Dropout(keep_prob=0.7))
    X = torch.randn(6, 5, dtype=torch.float64)
    network.steps.fill_(11)
    trained = network(X, noise=True)[0]
    for row in range(6):
        small = network.subnetwork(11, row=row)
        assert torch.allclose(small(X[row : row + 1])[0, 0], trained[row], rtol=1e-12, atol=1e-12)


def test_subnetworks_are_the_same_ones():
    network = build(hidden_noise=Dropout(keep_prob=0.5))
    X = torch.randn(3, 5, dtype=torch.float64)
    for k, small in zip(range(4, 7), network.subnetworks(range(4, 7)), strict=True):
        assert torch.equal(small(X), network.subnetwork(k)(X))


def test_subnetwork_shares_nothing_and_trains():
    network = build(hidden_noise=Dropout(keep_prob=0.5))
    before = [weight.clone() for weight in network.weights]
    small = network.subnetwork(0)
    optimizer = torch.optim.SGD(small.parameters(), lr=0.1)
    X, y = torch.randn(8, 5, dtype=torch.float64), torch.arange(8) % 3
    losses = [float(train_step(small, (X, y), optimizer=optimizer)) for _ in range(20)]
    assert losses[-1] < losses[0]
    assert all(torch.equal(a, b) for a, b in zip(before, network.weights, strict=True))


def test_units_without_weights_are_compacted_away():
    network = build((2, 6, 2), weight_noise=DropConnect(keep_prob=0.5))
    X = torch.randn(4, 2, dtype=torch.float64)
    smaller = 0
    for small in network.subnetworks(range(20)):
        compacted = compact(small, X).model
        torch.testing.assert_close(compacted(X), small(X))
        smaller += compacted.sizes[1] < 6
    assert smaller > 10


@pytest.mark.parametrize("name", ["hidden", "inputs", "classic"])
def test_all_subnetworks_are_all_masks(name):
    network = build((3, 2, 3, 2), **NOISES[name])
    X = torch.randn(4, 3, dtype=torch.float64)
    sizes = [3] if network.input_noise is not None else []
    sizes += [2, 3]
    expected = {}
    hidden, inputs = network.hidden_noise, network.input_noise
    for bits in itertools.product((0, 1), repeat=sum(sizes)):
        parts = np.split(np.array(bits, dtype=float), np.cumsum(sizes)[:-1])
        if inputs is None:
            parts = [np.ones(3), *parts]
        share = np.prod(
            [
                np.prod(np.where(part == 1, noise.drawn_keep_prob, 1 - noise.drawn_keep_prob))
                for part, noise in zip(parts, [inputs, hidden, hidden], strict=True)
                if noise is not None
            ]
        )
        factors = [
            part / noise.drawn_keep_prob if noise is not None and noise.inverted else part
            for part, noise in zip(parts, [inputs, hidden, hidden], strict=True)
        ]
        ones = [np.ones(1)] * 3
        expected[bits] = share, masked_pass(network, X, factors, ones)
    found = list(all_subnetworks(network))
    assert len(found) == 2 ** sum(sizes)
    assert sum(share for share, _ in found) == pytest.approx(1)
    for code, (share, small) in enumerate(found):
        bits = tuple(code >> unit & 1 for unit in range(sum(sizes)))
        assert share == pytest.approx(expected[bits][0], rel=1e-12)
        outputs = small(X)[0].detach().numpy()
        np.testing.assert_allclose(outputs, expected[bits][1], rtol=1e-12, atol=1e-12)


def test_drawn_subnetworks_are_among_all_of_them():
    network = build((2, 2, 2), weight_noise=DropConnect(keep_prob=0.5))
    X = torch.randn(3, 2, dtype=torch.float64)
    every = torch.stack([small(X)[0] for _, small in all_subnetworks(network)])
    assert len(every) == 2**8
    for small in network.subnetworks(range(10)):
        assert (every - small(X)).abs().amax((1, 2)).min() < 1e-12


def test_errors_say_what_to_do():
    network = build(hidden_noise=Dropout(keep_prob=0.5))
    with pytest.raises(UsageError, match=r"k is -1; .* integer from 0"):
        network.subnetwork(-1)
    with pytest.raises(UsageError, match=r"k is 1\.5"):
        network.subnetwork(1.5)
    with pytest.raises(UsageError, match=r"row is -2"):
        network.subnetwork(0, row=-2)
    with pytest.raises(UsageError, match=r"2 members.*take\(\[i\]\)"):
        Network([2, 3, 1], seeds=[0, 1]).subnetwork(0)
    with pytest.raises(UsageError, match=r"2\^13 subnetworks, more than limit=4096: sample"):
        all_subnetworks(network, limit=4096)
    with pytest.raises(UsageError, match="no subnetworks"):
        all_subnetworks(build())
    with pytest.raises(UsageError, match=r"2\^800"):
        all_subnetworks(Network([2, 800, 1], hidden_noise=Dropout(keep_prob=0.5)))


def test_mean_weights_are_the_mean_of_all_subnetworks_for_a_linear_network():
    network = build((3, 4, 2), activation="identity", hidden_noise=Dropout(keep_prob=0.7))
    X = torch.randn(5, 3, dtype=torch.float64)
    mean = sum(share * small(X) for share, small in all_subnetworks(network))
    assert torch.allclose(mean, predict(network, X), rtol=1e-12, atol=1e-12)


# ------------------------------------------------------------------------ kin of dropout


def test_a_scheduled_noise_has_the_subnetworks_of_its_steps():
    """Subnetwork k is that of step k, drawn as strong as the schedule has it there."""
    noise = bridle.late_dropout(bridle.Dropout(keep_prob=0.5), steps=3)
    network = bridle.Network([4, 30, 3], hidden_noise=noise)
    assert network.subnetwork(2).sizes == (4, 30, 3)
    small = network.subnetwork(3)
    assert small.sizes[1] < 25
    X = torch.randn(1, 4)
    network.steps.fill_(3)
    torch.testing.assert_close(small(X), network(X, noise=True))


def test_gaussian_dropout_scales_its_units_and_drops_none():
    network = bridle.Network([4, 9, 3], hidden_noise=bridle.GaussianDropout(keep_prob=0.5))
    X = torch.randn(1, 4)
    small = network.subnetwork(5)
    network.steps.fill_(5)
    assert small.sizes == network.sizes
    torch.testing.assert_close(small(X), network(X, noise=True))


def test_what_has_no_subnetworks_says_so():
    alpha = bridle.Network([4, 5, 3], hidden_noise=bridle.AlphaDropout(keep_prob=0.5))
    with pytest.raises(UsageError, match=r"AlphaDropout\(keep_prob=0.5\) also adds to the units"):
        alpha.subnetwork(0)
    gaussian = bridle.Network([4, 5, 3], hidden_noise=bridle.GaussianDropout(keep_prob=0.5))
    with pytest.raises(UsageError, match="does not have finitely many masks"):
        bridle.all_subnetworks(gaussian)
    with pytest.raises(UsageError, match="is not supported by predict_gaussian"):
        bridle.predict_gaussian(alpha, torch.zeros(1, 4))
    lstm = nn.LSTM(3, 4)
    bridle.regularize(lstm, {nn.LSTM: bridle.LockedDropout(keep_prob=0.5)})
    with pytest.raises(UsageError, match="give batch_first=True"):
        bridle.subnetwork(lstm, 0, torch.zeros(5, 2, 3))
