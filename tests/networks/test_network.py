"""The population network against the NumPy reference, and each member against itself alone."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

import reference
from bridle import DropConnect, Dropout, Network, UsageError, predict
from bridle.networks.objectives import CrossEntropy, SquaredError

SIZES = [5, 7, 6, 3]
KEEP = 0.6
DRAWN = round(KEEP * 65536) / 65536
NOISES = {
    "none": {},
    "inverted": {"hidden_noise": Dropout(keep_prob=KEEP)},
    "classic": {"hidden_noise": Dropout(keep_prob=KEEP, scaling="classic")},
    "input": {"input_noise": Dropout(keep_prob=0.8)},
    "DropConnect": {"weight_noise": DropConnect(keep_prob=KEEP)},
    "classic DropConnect": {"weight_noise": DropConnect(keep_prob=KEEP, scaling="classic")},
    "all": {
        "hidden_noise": Dropout(keep_prob=0.5),
        "input_noise": Dropout(keep_prob=0.9),
        "weight_noise": DropConnect(keep_prob=0.7),
    },
}


def _network(name="none", seeds=0, sizes=SIZES, **options):
    network = Network(sizes, seeds=seeds, dtype=torch.float64, **NOISES[name], **options)
    with torch.no_grad():  # biases that matter
        for bias in network.biases:
            bias.copy_(torch.linspace(-0.3, 0.4, bias.numel(), dtype=torch.float64).view_as(bias))
    return network


def _arrays(network, member=0):
    weights = [w[member].detach().numpy() for w in network.weights]
    return weights, [b[member, 0].detach().numpy() for b in network.biases]


@pytest.fixture
def batch(rng):
    return rng.normal(size=(9, SIZES[0])), rng.integers(0, SIZES[-1], 9)


# ------------------------------------------------------------------ the article's network


def test_default_is_three_layers_with_he_initialisation():
    network = Network([100, 400, 400, 10])
    assert len(network.weights) == 3
    for weight, fan_in in zip(network.weights, (100, 400, 400), strict=True):
        assert weight.shape[0] == 1
        spread = weight.std().item() / np.sqrt(2 / fan_in)
        assert spread == pytest.approx(1, abs=5 / np.sqrt(2 * weight.numel()))
    assert all((bias == 0).all() for bias in network.biases)
    assert network.activation == "relu"


def test_forward_is_the_articles(batch):
    X, _ = batch
    network = _network()
    expected = reference.forward(X, *_arrays(network))[-1]
    assert np.allclose(predict(network, torch.from_numpy(X))[0].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("scaling", ["inverted", "classic"])
def test_training_pass_and_gradients_with_masks(batch, scaling):
    """Masks come from the reference's own generator: row r, unit u, stream 2 l, step as set."""
    X, y = batch
    network = _network(scaling, seeds=4)
    network.steps += 11
    masks = [
        reference.mask(4, 2 * layer, 11, range(len(X)), SIZES[layer], KEEP) for layer in (1, 2)
    ]
    scale = 1 / DRAWN if scaling == "inverted" else 1.0
    weights, biases = _arrays(network)
    hidden = reference.forward(X, weights, biases, masks, scale)
    loss, gradient = reference.cross_entropy(hidden[-1], y)
    by_weight, by_bias = reference.backward(hidden, weights, gradient, masks, scale)

    outputs = network.train()(torch.from_numpy(X))
    mine = CrossEntropy().loss(outputs, torch.from_numpy(y)).mean()
    mine.backward()
    assert np.allclose(outputs[0].detach().numpy(), hidden[-1], rtol=1e-12)
    assert mine.item() == pytest.approx(loss, rel=1e-12)
    for layer in range(3):
        assert np.allclose(network.weights[layer].grad[0].numpy(), by_weight[layer], atol=1e-14)
        assert np.allclose(network.biases[layer].grad[0, 0].numpy(), by_bias[layer], atol=1e-14)


def test_drop_connect_masks_weights(batch):
    X, _ = batch
    network = _network("DropConnect", seeds=4)
    weights, biases = _arrays(network)
    masked = [
        w * reference.mask(4, 2 * layer + 1, 0, [0], w.size, KEEP).reshape(w.shape) / DRAWN
        for layer, w in enumerate(weights)
    ]
    expected = reference.forward(X, masked, biases)[-1]
    assert np.allclose(network(torch.from_numpy(X))[0].detach().numpy(), expected, rtol=1e-12)


def test_classic_prediction_multiplies_activations(batch):
    X, _ = batch
    network = _network("classic")
    weights, biases = _arrays(network)
    expected = reference.forward(X, weights, biases, scale=DRAWN)[-1]
    assert np.allclose(predict(network, torch.from_numpy(X))[0].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("objective", [CrossEntropy(), SquaredError()])
@pytest.mark.parametrize("name", NOISES)
def test_gradients_by_finite_differences(name, objective, batch):
    X, y = batch
    network = _network(name, seeds=[0, 1])
    target = torch.from_numpy(y if isinstance(objective, CrossEntropy) else y * 0.5)

    def loss(*weights):
        for parameter, value in zip(network.weights, weights, strict=True):
            parameter.data = value.data
        state = dict(zip([f"weights.{i}" for i in range(3)], weights, strict=True))
        outputs = torch.func.functional_call(network, state, torch.from_numpy(X))
        return objective.loss(outputs, target).mean()

    weights = [w.detach().clone().requires_grad_() for w in network.weights]
    assert gradcheck(loss, tuple(weights), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("activation", ["tanh", "logistic", "identity"])
def test_other_activations(activation, batch):
    X, _ = batch
    functions = {
        "tanh": np.tanh,
        "logistic": lambda z: 1 / (1 + np.exp(-z)),
        "identity": lambda z: z,
    }
    network = _network(activation=activation)
    weights, biases = _arrays(network)
    h = X
    for layer in range(3):
        h = h @ weights[layer] + biases[layer]
        h = functions[activation](h) if layer < 2 else h
    assert np.allclose(predict(network, torch.from_numpy(X))[0].numpy(), h, rtol=1e-12)
    noisy = _network("inverted", activation=activation)
    assert not torch.equal(noisy(torch.from_numpy(X)), predict(noisy, torch.from_numpy(X)))


def test_linear_model_has_no_hidden_layer(batch):
    X, _ = batch
    network = _network(sizes=[5, 2])
    weights, biases = _arrays(network)
    expected = X @ weights[0] + biases[0]
    assert np.allclose(predict(network, torch.from_numpy(X))[0].numpy(), expected)


# ------------------------------------------------------------------ the population


@pytest.mark.parametrize("name", NOISES)
def test_a_member_is_the_network_alone(name, batch):
    X = torch.from_numpy(batch[0])
    population = _network(name, seeds=[3, 8, 5])
    for member, seed in enumerate((3, 8, 5)):
        alone = Network(SIZES, seeds=seed, dtype=torch.float64, **NOISES[name])
        for mine, theirs in zip(population.weights, alone.weights, strict=True):
            assert torch.equal(mine[member : member + 1], theirs)
        taken = population.take([member])
        assert torch.allclose(population(X)[member], taken(X)[0], rtol=1e-13)
        assert torch.allclose(predict(population, X)[member], predict(taken, X)[0], rtol=1e-13)


def test_a_batch_of_its_own_for_each_member(rng):
    X = torch.from_numpy(rng.normal(size=(2, 9, 5)))
    network = _network("inverted", seeds=[1, 2])
    outputs = network(X)
    for member in range(2):
        assert torch.allclose(outputs[member], network(X[member])[member])


def test_take_copies():
    network = _network("all", seeds=[1, 2, 3])
    network.steps += torch.tensor([5, 6, 7])
    taken = network.take([2, 0])
    assert taken.seeds.tolist() == [3, 1]
    assert taken.steps.tolist() == [7, 5]
    with torch.no_grad():
        taken.weights[0].zero_()
    assert (network.weights[0] != 0).any()
    assert not network.take(torch.tensor([1])).eval().take([0]).training


def test_strengths_per_member_are_taken_along(batch):
    X = torch.from_numpy(batch[0])
    noise = Dropout(keep_prob=torch.tensor([1.0, 0.5]))
    network = Network(SIZES, seeds=[1, 1], hidden_noise=noise, dtype=torch.float64)
    outputs = network(X)
    assert torch.equal(outputs[0], network(X, noise=False)[0])
    assert not torch.equal(outputs[0], outputs[1])
    assert torch.allclose(network.take([1])(X)[0], outputs[1])


def test_state_dict_continues_with_the_same_masks(batch):
    X = torch.from_numpy(batch[0])
    network = _network("all", seeds=[1, 2])
    network.steps += 3
    other = _network("all", seeds=[9, 9])
    other.load_state_dict(network.state_dict())
    assert torch.equal(network(X), other(X))
    other.steps += 1
    assert not torch.equal(network(X), other(X))


# ------------------------------------------------------------------ classic and inverted


@pytest.mark.parametrize("name", ["inverted", "classic", "input", "DropConnect", "all"])
@pytest.mark.parametrize("scaling", ["inverted", "classic"])
def test_conversion_predicts_and_trains_the_same(name, scaling, batch):
    X = torch.from_numpy(batch[0])
    network = _network(name, seeds=[1, 2])
    converted = network.with_scaling(scaling)
    assert torch.allclose(predict(network, X), predict(converted, X), rtol=1e-12)
    assert torch.allclose(network(X), converted(X), rtol=1e-12)
    for noise in (converted.hidden_noise, converted.input_noise, converted.weight_noise):
        assert noise is None or noise.scaling == scaling


@pytest.mark.parametrize("name", ["inverted", "classic", "DropConnect"])
def test_conversion_there_and_back_is_lossless(name):
    """float32 weights in float64: p has 16 bits, so that products and quotients are exact."""
    network = _network(name)
    with torch.no_grad():
        for weight in network.weights:
            weight.copy_(weight.float().double())
    first = "classic" if name != "classic" else "inverted"
    back = network.with_scaling(first).with_scaling("inverted" if first == "classic" else "classic")
    for mine, theirs in zip(network.weights, back.weights, strict=True):
        difference = (mine - theirs).abs()
        assert (difference <= 2.0**-52 * mine.abs()).all()
        assert torch.equal(mine.float(), theirs.float())


def test_conversion_in_single_precision_rounds_once_each_way():
    network = Network(SIZES, hidden_noise=Dropout(keep_prob=KEEP, scaling="classic"))
    back = network.with_scaling("inverted").with_scaling("classic")
    for mine, theirs in zip(network.weights, back.weights, strict=True):
        assert ((mine - theirs).abs() <= 2 * torch.finfo(torch.float32).eps * mine.abs()).all()


# ------------------------------------------------------------------ modes and edges


def test_noise_follows_the_mode(batch):
    X = torch.from_numpy(batch[0])
    network = _network("all")
    assert not torch.equal(network(X), network.eval()(X))
    assert torch.equal(network(X), predict(network, X))
    assert torch.equal(network(X, noise=True), network.train()(X))
    assert torch.equal(network(X), network(X))  # the same step, the same masks


def test_predict_leaves_everything_as_it_was(batch):
    X = torch.from_numpy(batch[0])
    network = _network("all").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    outputs = predict(network, X)
    assert network.training
    assert not outputs.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("rows", [0, 1, 10, 11])
def test_predict_in_parts(rows):
    X = torch.randn(rows, 5, dtype=torch.float64)
    network = _network()
    assert torch.allclose(predict(network, X, batch_rows=4), network(X))
    assert predict(network, X).shape == (1, rows, 3)


def test_rows_in_parts_draw_the_masks_of_the_whole(batch):
    X = torch.from_numpy(batch[0])
    network = _network("all")
    parts = [network(X[i : i + 2], rows=torch.arange(i, min(i + 2, 9))) for i in range(0, 9, 2)]
    assert torch.allclose(torch.cat(parts, dim=1), network(X), rtol=1e-13)


BAD = {
    "one size": (lambda: Network([4]), r"\[4\]"),
    "a size of zero": (lambda: Network([4, 0, 2]), r"\[4, 0, 2\]"),
    "unknown activation": (lambda: Network([4, 2], activation="swish"), "'swish'"),
    "no seeds": (lambda: Network([4, 2], seeds=[]), "seeds is empty"),
    "noise of others": (
        lambda: Network([4, 2], hidden_noise=Dropout(keep_prob=torch.tensor([0.5, 0.5]))),
        "2 keep probabilities for 1 members",
    ),
    "other inputs": (lambda: predict(Network([4, 2]), torch.zeros(3, 5)), r"\[3, 5\]"),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_name_the_value(case):
    call, part = BAD[case]
    with pytest.raises(UsageError, match=part):
        call()


def test_it_prints_what_it_is():
    text = repr(_network("inverted", seeds=[1, 2]))
    assert "sizes=[5, 7, 6, 3], members=2, hidden_noise=Dropout(keep_prob=0.6" in text
