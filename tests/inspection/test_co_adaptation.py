"""Co-adaptation against brute force, and on networks whose co-adaptation is known."""

import json
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

import bridle
from bridle import DropConnect, Dropout, Network, UsageError, co_adaptation
from bridle.errors import DataError
from bridle.networks.objectives import CrossEntropy

CONFIGURATIONS = {
    "plain": {},
    "classic": {"hidden_noise": Dropout(keep_prob=0.6, scaling="classic")},
    "tanh": {"activation": "tanh", "input_noise": Dropout(keep_prob=0.9, scaling="classic")},
    "DropConnect": {"weight_noise": DropConnect(keep_prob=0.7, scaling="classic")},
}


def _network(**options):
    network = Network([5, 7, 6, 3], seeds=[3, 4], dtype=torch.float64, **options)
    with torch.no_grad():  # biases that matter
        for bias in network.biases:
            bias.copy_(torch.linspace(-0.3, 0.4, bias.numel(), dtype=torch.float64).view_as(bias))
    return network


@pytest.fixture
def data(rng):
    return torch.tensor(rng.normal(size=(11, 5))), torch.tensor(rng.integers(0, 3, 11))


def _brute_force(network, X, y, layer, member, removed, mean):
    """The loss without some units, a unit at a time, in NumPy."""
    value = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}[network.activation]
    keep = 1.0 if network.hidden_noise is None else network.hidden_noise.drawn_keep_prob
    of_inputs = 1.0 if network.input_noise is None else network.input_noise.drawn_keep_prob
    of_weights = 1.0 if network.weight_noise is None else network.weight_noise.drawn_keep_prob
    hidden = X.numpy()
    for at, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        hidden = hidden * (keep if at else of_inputs)
        if at == layer:
            hidden = hidden.copy()
            for unit in removed:
                hidden[:, unit] = hidden[:, unit].mean() if mean else 0
        hidden = hidden @ (weight[member].detach().numpy() * of_weights)
        hidden = hidden + bias[member].detach().numpy()
        hidden = value(hidden) if at < 2 else hidden
    return np.mean(np.log(np.exp(hidden).sum(1)) - hidden[np.arange(len(y)), y.numpy()])


@pytest.mark.parametrize("options", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("removed", ["zero", "mean"])
def test_is_brute_force(data, options, layer, removed):
    network = _network(**options)
    X, y = data
    found = co_adaptation(network, X, y, layer=layer, member=1, removed=removed, batch_rows=29)

    def loss(*units):
        return _brute_force(network, X, y, layer, 1, units, removed == "mean")

    everything = list(combinations(range(network.sizes[layer]), 2))
    assert found.pairs.tolist() == [list(pair) for pair in everything]
    assert found.loss == pytest.approx(loss(), rel=1e-12)
    single = [loss(unit) - loss() for unit in range(network.sizes[layer])]
    np.testing.assert_allclose(found.single, single, rtol=0, atol=1e-13)
    interaction = [loss(i, j) - loss() - single[i] - single[j] for i, j in everything]
    np.testing.assert_allclose(found.interaction, interaction, rtol=0, atol=1e-13)
    assert np.abs(interaction).max() > 1e-3
    each = np.abs(single)
    whole = sum(
        abs(x) + each[i] + each[j] for x, (i, j) in zip(interaction, everything, strict=True)
    )
    assert found.share == pytest.approx(np.abs(interaction).sum() / whole, rel=1e-9)
    assert found.share == pytest.approx(found.needing + found.standing_in)
    assert found.share_error == 0


@pytest.mark.parametrize("batch_rows", [1, 10, 11, 25, 10_000])
@pytest.mark.parametrize("removed", ["zero", "mean"])
def test_parts_do_not_matter(data, batch_rows, removed):
    network = _network()
    whole = co_adaptation(network, *data, removed=removed)
    parts = co_adaptation(network, *data, removed=removed, batch_rows=batch_rows)
    np.testing.assert_allclose(parts.interaction, whole.interaction, rtol=0, atol=1e-14)


@pytest.mark.parametrize("removed", ["zero", "mean"])
def test_a_module_is_the_network_that_it_spells(data, removed):
    network = _network()
    layers = [nn.Linear(a, b, dtype=torch.float64) for a, b in ((5, 7), (7, 6), (6, 3))]
    with torch.no_grad():
        for at, layer in enumerate(layers):
            layer.weight.copy_(network.weights[at][0].T)
            layer.bias.copy_(network.biases[at][0, 0])
    model = nn.Sequential(
        layers[0], nn.ReLU(), nn.Dropout(0.5), layers[1], nn.ReLU(), nn.Dropout(0.5), layers[2]
    )
    for at, name in ((1, "1"), (2, "4")):
        ours = co_adaptation(network, *data, layer=at, removed=removed)
        theirs = co_adaptation(model, *data, layer=name, removed=removed, batch_rows=30)
        assert theirs.layer == name
        np.testing.assert_allclose(theirs.single, ours.single, rtol=0, atol=1e-13)
        np.testing.assert_allclose(theirs.interaction, ours.interaction, rtol=0, atol=1e-13)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


def test_channels_of_a_convolution_and_a_residual_path(rng):
    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(1, 4, 3, padding=1)
            self.second = nn.Conv2d(4, 4, 3, padding=1)
            self.last = nn.Linear(4, 3)

        def forward(self, x):
            x = torch.relu(self.first(x))
            return self.last((x + torch.relu(self.second(x))).mean((2, 3)))

    torch.manual_seed(0)
    model = Small().double()
    X, y = torch.tensor(rng.normal(size=(9, 1, 6, 6))), torch.tensor(rng.integers(0, 3, 9))
    found = co_adaptation(model, X, y, layer="second")
    base = nn.functional.cross_entropy(model(X), y).item()
    for channels, delta in [
        *(([i], found.single[i]) for i in range(4)),
        *zip(found.pairs.tolist(), found.together, strict=True),
    ]:
        zeroed = Small().double()
        zeroed.load_state_dict(model.state_dict())
        with torch.no_grad():
            zeroed.second.weight[channels] = 0
            zeroed.second.bias[channels] = 0
            loss = nn.functional.cross_entropy(zeroed(X), y).item()
        assert delta == pytest.approx(loss - base, abs=1e-13)


def test_tokens_have_their_units_last(rng):
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.up, self.down = nn.Linear(3, 5), nn.Linear(5, 2)

        def forward(self, x):
            return self.down(self.up(x)).mean(1)

    torch.manual_seed(0)
    X, y = torch.tensor(rng.normal(size=(6, 4, 3))), torch.tensor(rng.integers(0, 2, 6))
    model = Tokens().double()
    found = co_adaptation(model, X, y, layer="up", unit_axis=-1, removed="mean")
    assert (found.units, co_adaptation(model, X, y, layer="up").units) == (5, 4)
    seen = model.up(X)
    instead = seen.clone()
    instead[..., 2] = seen[..., 2].mean()
    loss = nn.functional.cross_entropy(model.down(instead).mean(1), y).item()
    assert found.single[2] == pytest.approx(loss - found.loss, abs=1e-13)


def _linear_sum(weights):
    """A network whose output is the sum of its hidden units, which are ±x as the weights say."""
    network = Network([1, len(weights), 1], dtype=torch.float64)
    with torch.no_grad():
        network.weights[0].copy_(torch.tensor(weights, dtype=torch.float64).view(1, 1, -1))
        network.weights[1].fill_(1)
    return network


def test_known_networks():
    x = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    # units that fire on different rows never meet: removals add up
    apart = co_adaptation(_linear_sum([1.0, -1.0]), x, torch.ones(2), objective="squared_error")
    assert apart.share == 0
    # y is 2 where x > 0, by two equal units: one gone costs 1/2, both 2: I = 1 for 1/2 + 1/2
    twins = co_adaptation(
        _linear_sum([1.0, 1.0]), x, torch.tensor([0.0, 2.0]), objective="squared_error"
    )
    assert twins.interaction.tolist() == [1.0]
    assert (twins.share, twins.needing, twins.standing_in) == (0.5, 0.0, 0.5)
    # two large units cancel: one gone costs 9/2, both gone cost nothing: I = -9 for 9/2 + 9/2
    network = _linear_sum([3.0, 3.0])
    with torch.no_grad():
        network.weights[1][0, 1] = -1
    cancel = co_adaptation(network, x, torch.zeros(2), objective="squared_error")
    assert cancel.interaction.tolist() == [-9.0]
    assert (cancel.share, cancel.needing, cancel.standing_in) == (0.5, 0.5, 0.0)


def test_the_share_has_no_unit(data):
    network = _network()
    X, y = data

    class Tenfold:
        name, score_name = "tenfold", "accuracy"

        def loss(self, outputs, y):
            return 10 * CrossEntropy().loss(outputs, y)

        def score(self, outputs, y):
            return CrossEntropy().score(outputs, y)

    ten, one = (co_adaptation(network, X, y, objective=o) for o in (Tenfold(), "cross_entropy"))
    np.testing.assert_allclose(ten.interaction, 10 * one.interaction, rtol=1e-9, atol=1e-13)
    assert ten.share == pytest.approx(one.share)


def test_pairs_are_sampled_and_the_error_covers():
    torch.manual_seed(0)
    network = Network([6, 24, 3], seeds=1)
    X, y = torch.randn(40, 6), torch.randint(3, (40,))
    whole = co_adaptation(network, X, y, max_pairs=None)
    assert len(whole.pairs) == whole.all_pairs == 276
    inside = 0
    for seed in range(100):
        part = co_adaptation(network, X, y, max_pairs=92, seed=seed)
        assert len({tuple(pair) for pair in part.pairs.tolist()}) == 92
        matrix = whole.matrix()
        assert np.allclose(part.interaction, matrix[tuple(part.pairs.T)], rtol=0, atol=1e-12)
        inside += abs(part.share - whole.share) < 2 * part.share_error
    assert 88 <= inside <= 100
    again = co_adaptation(network, X, y, max_pairs=92, seed=99)
    assert np.array_equal(again.pairs, part.pairs)
    assert np.array_equal(again.together, part.together)


def test_every_pair_has_its_number():
    from bridle.inspection.co_adaptation import _sample_pairs

    for units in (1, 2, 3, 17):
        expected = list(map(list, combinations(range(units), 2)))
        assert _sample_pairs(units, None, 0).tolist() == expected
    counts = np.zeros((8, 8))
    for seed in range(700):
        np.add.at(counts, tuple(_sample_pairs(8, 4, seed).T), 1)
    drawn = counts[np.triu_indices(8, 1)]
    assert drawn.min() > 60  # of 100 expected
    assert drawn.max() < 145


def test_the_record(data):
    found = co_adaptation(_network(), *data, max_pairs=5)
    written = json.loads(json.dumps(found.to_dict()))
    assert written["share"] == found.share
    assert np.isfinite(found.matrix()).sum() == 2 * 5 + 7
    assert "5 of the 21 pairs" in str(found)
    alone = co_adaptation(Network([5, 1, 3]), *data)
    assert (alone.share, alone.share_error, len(alone.pairs)) == (0, 0, 0)


def test_the_model_stays_what_it_was(data):
    network = _network().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    co_adaptation(network, *data)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


SEQUENCE = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)).double()


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (Network([5, 4, 3]), {"layer": 2}, "layer is 2; give a hidden layer, 1 to 1"),
        (Network([5, 3]), {"layer": 1}, "no hidden layer"),
        (Network([5, 4, 3]), {"member": 1}, "from 0 to 0"),
        (Network([4, 4, 3]), {}, r"takes \[rows, 4\]"),
        (Network([5, 4, 3]), {"removed": "median"}, "'zero' or 'mean'"),
        (Network([5, 4, 3]), {"max_pairs": 1}, "max_pairs is 1"),
        (Network([5, 4, 3]), {"batch_rows": 0}, "batch_rows is 0"),
        (SEQUENCE, {}, "give the name of a module in the Sequential"),
        (SEQUENCE, {"layer": "7"}, "no module matches"),
        (SEQUENCE, {"layer": nn.Linear}, "matches 2 modules"),
        (SEQUENCE, {"layer": "1", "unit_axis": 2}, "unit_axis is 2"),
        (SEQUENCE, {"layer": "1", "unit_axis": 0}, "unit_axis is 0"),
    ],
)
def test_wrong_arguments(data, model, options, message):
    with pytest.raises(UsageError, match=message):
        co_adaptation(model, *data, **options)


def test_wrong_data(data):
    X, y = data
    with pytest.raises(UsageError, match="one target per row"):
        co_adaptation(_network(), X, y[:3])
    with pytest.raises(DataError, match="the loss is nan"):
        co_adaptation(_network(), X * torch.nan, y)


def test_a_model_that_cannot_be_copied(data):
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    model.kept = model[0].weight * 2
    with pytest.raises(UsageError, match="cannot be copied"):
        co_adaptation(model, *data, layer="1")


# ------------------------------------------------------------------ features


def test_tiles_are_the_incoming_weights():
    network = Network([6, 4, 2], seeds=[0, 1])
    tiles = bridle.feature_tiles(network, (2, 3), member=1)
    for unit in range(4):
        weights = network.weights[0][1, :, unit].detach().double().numpy()
        assert np.array_equal(tiles[unit].ravel(), weights)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(6, 4))
    weight = linear[1].weight.detach().double().numpy()
    assert np.array_equal(bridle.feature_tiles(linear, (2, 3)), weight.reshape(4, 2, 3))
    conv = nn.Conv2d(2, 3, 5)
    assert bridle.feature_tiles(conv).shape == (6, 5, 5)


def test_a_sheet_has_every_tile():
    tiles = np.arange(1.0, 13.0).reshape(3, 2, 2)
    sheet = bridle.tile_sheet(tiles, columns=2, scale="all")
    assert sheet.shape == (5, 5)
    assert np.array_equal(sheet[:2, 3:], tiles[1] / 12)
    assert np.array_equal(sheet[3:, :2], tiles[2] / 12)
    assert np.isnan(sheet[3:, 3:]).all()


def test_wrong_tiles():
    with pytest.raises(UsageError, match="6 inputs, not 2 × 2"):
        bridle.feature_tiles(Network([6, 4, 2]))
    with pytest.raises(UsageError, match="no Linear"):
        bridle.feature_tiles(nn.ReLU())
    with pytest.raises(UsageError, match="member is 3"):
        bridle.feature_tiles(Network([4, 4, 2]), member=3)
    with pytest.raises(UsageError, match="tiles has the shape"):
        bridle.tile_sheet(np.zeros((0, 2, 2)))
    with pytest.raises(UsageError, match="scale is"):
        bridle.tile_sheet(np.ones((1, 2, 2)), scale="some")
