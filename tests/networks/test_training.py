"""`train_step` against the NumPy reference's step, and the loop of `train`."""

import numpy as np
import pytest
import torch
from training_cases import NOISY, evaluated, halves_of_digits

import reference
from bridle import (
    L1,
    L2,
    Dataset,
    Dropout,
    ElasticNet,
    MaxNorm,
    Network,
    TrainingError,
    UsageError,
    train,
    train_step,
)
from bridle.networks.objectives import CrossEntropy

SIZES = [5, 7, 6, 3]
RATE = 0.1

PENALTIES = {
    "none": ([], lambda w: 0 * w, lambda w: w),
    "L2": ([L2(0.3)], lambda w: 0.3 * w, lambda w: w / (1 + RATE * 0.3)),
    "L1": (
        [L1(0.3)],
        lambda w: 0.3 * np.sign(w),
        lambda w: np.sign(w) * np.maximum(np.abs(w) - RATE * 0.3, 0),
    ),
    "elastic net": (
        [ElasticNet(0.2, 0.1)],
        lambda w: reference.elastic_net(w, 0.2, 0.1)[1],
        lambda w: np.sign(w) * np.maximum(np.abs(w) - RATE * 0.2, 0) / (1 + 2 * RATE * 0.1),
    ),
}


@pytest.fixture
def batch(rng):
    return rng.normal(size=(9, SIZES[0])), rng.integers(0, SIZES[-1], 9)


@pytest.mark.parametrize("mode", ["coupled", "proximal"])
@pytest.mark.parametrize("name", PENALTIES)
def test_a_step_is_the_references(name, mode, batch):
    X, y = batch
    penalties, gradient_of, prox = PENALTIES[name]
    network = Network(SIZES, dtype=torch.float64, hidden_noise=Dropout(keep_prob=0.5))
    weights = [w[0].detach().numpy().copy() for w in network.weights]
    biases = [b[0, 0].detach().numpy().copy() for b in network.biases]
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    for step in range(3):
        masks = [
            reference.mask(0, 2 * layer, step, range(9), SIZES[layer], 0.5) for layer in (1, 2)
        ]
        hidden = reference.forward(X, weights, biases, masks, 2.0)
        loss, gradient = reference.cross_entropy(hidden[-1], y)
        by_weight, by_bias = reference.backward(hidden, weights, gradient, masks, 2.0)
        for layer in range(3):
            extra = gradient_of(weights[layer]) if mode == "coupled" else 0
            weights[layer] = weights[layer] - RATE * (by_weight[layer] + extra)
            weights[layer] = prox(weights[layer]) if mode == "proximal" else weights[layer]
            biases[layer] = biases[layer] - RATE * by_bias[layer]
        mine = train_step(
            network,
            (torch.from_numpy(X), torch.from_numpy(y)),
            optimizer=optimizer,
            penalties=penalties,
            mode=mode,
        )
        assert mine.item() == pytest.approx(loss, rel=1e-12)
    assert network.steps.tolist() == [3]
    for layer in range(3):
        assert np.allclose(network.weights[layer][0].detach().numpy(), weights[layer], atol=1e-13)
        assert np.allclose(network.biases[layer][0, 0].detach().numpy(), biases[layer], atol=1e-13)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_members_do_not_touch_each_other(optimizer, batch):
    X, y = map(torch.from_numpy, batch)
    options = {"dtype": torch.float64, "hidden_noise": Dropout(keep_prob=0.5)}
    population = Network(SIZES, seeds=[1, 2], **options)
    alone = Network(SIZES, seeds=2, **options)
    for network in (population, alone):
        chosen = optimizer(network.parameters(), lr=0.01)
        for _ in range(20):
            train_step(network, (X, y), optimizer=chosen, penalties=[L1(0.01)])
    for mine, theirs in zip(population.weights, alone.weights, strict=True):
        assert torch.allclose(mine[1], theirs[0], rtol=1e-9, atol=1e-12)


def test_row_weights_weigh_the_loss(batch):
    X, y = map(torch.from_numpy, batch)
    weight = torch.linspace(0, 2, 9, dtype=torch.float64)
    network = Network(SIZES, dtype=torch.float64)
    rows = CrossEntropy().loss(network(X), y)[0].detach()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    loss = train_step(network, (X, y, weight), optimizer=optimizer)
    assert torch.isclose(loss[0], (rows * weight).mean())


# ------------------------------------------------------------------ the loop


@pytest.fixture(scope="module")
def digits():
    return halves_of_digits()


def test_early_stopping_keeps_the_best_weights_of_each_member(digits):
    training, held_out = digits
    network = Network([64, 64, 64, 10], seeds=[0, 0, 1])
    history = train(network, training, held_out, epochs=60, patience=[None, 5, 5])
    loss, _ = evaluated(network, held_out)
    last = len(history.held_out_loss)
    assert history.epochs_kept[0] == last == 60
    for member in range(3):
        kept = history.epochs_kept[member]
        assert loss[member] == pytest.approx(history.held_out_loss[kept - 1, member], rel=1e-6)
    for member in (1, 2):
        kept = history.epochs_kept[member]
        seen = history.held_out_loss[: kept + 5, member]
        assert seen.argmin() == kept - 1


def test_training_stops_when_all_members_have(digits):
    training, held_out = digits
    network = Network([64, 64, 64, 10], seeds=[0, 1])
    history = train(network, training, held_out, epochs=400, patience=3, learning_rate=3e-3)
    assert len(history.train_loss) == history.epochs_kept.max() + 3 < 400
    loss, _ = evaluated(network, held_out)
    assert np.allclose(loss, history.held_out_loss.min(0), rtol=1e-6)


def test_same_seed_same_bits(digits):
    training, held_out = digits

    def run(seed):
        network = Network([64, 32, 10], seeds=seed, **NOISY)
        history = train(network, training, held_out, epochs=3, penalties=[L1(1e-3)], seed=seed)
        return history, network

    (first, a), (second, b), (third, c) = run(1), run(1), run(2)
    assert np.array_equal(first.reported_loss, second.reported_loss)
    assert not np.array_equal(first.reported_loss, third.reported_loss)
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.weights[0], c.weights[0])


def test_resume_by_state_dict_goes_on_with_the_same_bits(digits):
    """Network and optimizer restored after one epoch give the next steps bit for bit."""
    data, _ = digits
    batches = list(zip(data.X.split(50), data.y.split(50), strict=True))

    def steps(network, optimizer, part):
        for batch in part:
            train_step(network, batch, optimizer=optimizer, penalties=[L1(1e-3)])

    network = Network([64, 32, 10], **NOISY)
    optimizer = torch.optim.Adam(network.parameters())
    steps(network, optimizer, batches[:3])
    saved = ({k: v.clone() for k, v in network.state_dict().items()}, optimizer.state_dict())
    other = Network([64, 32, 10], seeds=9, **NOISY)
    other_optimizer = torch.optim.Adam(other.parameters())
    other.load_state_dict(saved[0])
    import copy

    other_optimizer.load_state_dict(copy.deepcopy(saved[1]))
    steps(network, optimizer, batches[3:])
    steps(other, other_optimizer, batches[3:])
    for mine, theirs in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_regularizers_do_what_the_article_says(digits):
    """Without: training fits, held-out does not follow. L1 zeroes, L2 shrinks, dropout narrows."""
    training, held_out = digits
    generator = torch.Generator().manual_seed(0)
    wrong = torch.rand(len(training.y), generator=generator) < 0.2  # labels that mislead
    training = Dataset(training.X, torch.where(wrong, (training.y + 1) % 10, training.y))

    def run(**options):
        noise = options.pop("noise", None)
        network = Network([64, 128, 128, 10], hidden_noise=noise)
        history = train(network, training, held_out, learning_rate=3e-3, **options)
        return network, history

    plain, plain_history = run()
    assert plain_history.train_score[-1, 0] == 1
    gap = plain_history.held_out_loss - plain_history.train_loss
    assert gap[-1, 0] > 10 * plain_history.train_loss[-1, 0]
    assert all((weight != 0).all() for weight in plain.weights)

    sparse, _ = run(penalties=[L1(1e-3)])
    assert (sparse.weights[1] == 0).double().mean() > 0.5
    small, _ = run(penalties=[L2(1e-2)])
    assert small.weights[1].square().sum() < 0.5 * plain.weights[1].square().sum()
    bounded, _ = run(penalties=[MaxNorm(0.5)])
    assert (bounded.weights[1].norm(dim=-2) <= 0.5 * (1 + 1e-5)).all()
    _, dropped = run(noise=Dropout(keep_prob=0.3))
    dropped_gap = dropped.held_out_loss - dropped.train_loss
    assert dropped_gap[-1, 0] < gap[-1, 0]


def test_without_training_curves_the_network_is_the_same(digits):
    found = {}
    for curves in (True, False):
        network = Network([64, 16, 10], hidden_noise=Dropout(keep_prob=0.5))
        history = train(
            network, *digits, penalties=[L1(1e-3)], epochs=3, patience=1, training_curves=curves
        )
        found[curves] = network, history
    (network, history), (other, short) = found[True], found[False]
    assert all(torch.equal(a, b) for a, b in zip(network.weights, other.weights, strict=True))
    for name in ("held_out_loss", "held_out_score", "epochs_kept"):
        assert np.array_equal(getattr(history, name), getattr(short, name))
    for name in ("train_loss", "train_score", "noise", "penalty"):
        assert np.isfinite(getattr(history, name)).all()
        assert np.isnan(getattr(short, name)).all()


def test_any_torch_optimizer(digits):
    training, held_out = digits
    for name in ("SGD", "Adam", "AdamW", "Adagrad", "RMSprop"):
        network = Network([64, 16, 10])
        optimizer = getattr(torch.optim, name)(network.parameters(), lr=0.01)
        history = train(
            network, training, held_out, epochs=3, optimizer=optimizer, penalties=[L1(0.01)]
        )
        assert history.train_loss[-1, 0] < history.train_loss[0, 0]
        assert (network.weights[0] == 0).any(), name


BAD = {
    "patience of others": ({"patience": [1, 2]}, "2 entries for 1 members"),
    "no epochs": ({"epochs": 0}, "epochs is 0"),
    "no batch": ({"batch_size": 0}, "batch_size is 0"),
    "unknown objective": ({"objective": "hinge"}, "'hinge'"),
    "unknown mode": ({"mode": "both"}, "'both'"),
    "constraint in the loss": ({"mode": "coupled", "penalties": [MaxNorm(1.0)]}, "constraint"),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_name_the_value(case, digits):
    options, part = BAD[case]
    with pytest.raises(UsageError, match=part):
        train(Network([64, 8, 10]), *digits, **options)


def test_no_rows_are_refused():
    empty = Dataset(torch.zeros(0, 2), torch.zeros(0))
    with pytest.raises(UsageError, match="training has 0 rows"):
        train(Network([2, 1]), empty, empty, objective="squared_error")


def test_divergence_is_an_error():
    X = torch.randn(50, 3)
    data = Dataset(X, X[:, 0])
    network = Network([3, 8, 1])
    optimizer = torch.optim.SGD(network.parameters(), lr=1e6)
    with pytest.raises(TrainingError, match="lower learning rate than 1e"):
        train(network, data, data, objective="squared_error", optimizer=optimizer)
