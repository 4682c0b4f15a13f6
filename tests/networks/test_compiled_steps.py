"""The compiled steps of `train` against `train_step`, and what falls back to it."""

import numpy as np
import pytest
import torch

from bridle import (
    L1,
    L2,
    AlphaDropout,
    Annealed,
    Dataset,
    DropConnect,
    Dropout,
    ElasticNet,
    GroupLasso,
    LinearSchedule,
    MaxNorm,
    Network,
    train,
)
from bridle.networks import epochs, training
from bridle.networks.objectives import CrossEntropy, SquaredError
from bridle.ops.cpu import multiplies

pytestmark = pytest.mark.skipif(not multiplies(), reason="no kernels for products")
ALL = {
    "hidden_noise": Dropout(keep_prob=torch.tensor([0.5, 1.0])),
    "input_noise": Dropout(keep_prob=0.8),
    "weight_noise": DropConnect(keep_prob=0.7),
}
PENALTIES = [L1(1e-3), L2(torch.tensor([1e-3, 0.0])), ElasticNet(1e-4, 1e-4), MaxNorm(1.5)]


@pytest.fixture
def rows(rng):
    X = torch.from_numpy(rng.normal(size=(90, 6))).float()
    return Dataset(X, (X[:, 0] > 0).long() + (X[:, 1] > 0))


def _by_both(monkeypatch, data, sizes, *, noises=None, **options):
    """Train by the compiled steps and by torch's; return both networks with their histories."""
    found = []
    for on in (True, False):
        if not on:
            monkeypatch.setattr(epochs.CompiledSteps, "fit", lambda *_: False)
        network = Network(sizes, seeds=[1, 2], **noises or {})
        found.append((network, train(network, data, data, epochs=3, batch_size=40, **options)))
    assert found[0][0].steps.tolist() == found[1][0].steps.tolist() == [9, 9]
    return found


@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 2.0, 0.5])])
@pytest.mark.parametrize("noises", [{}, ALL], ids=["plain", "all"])
def test_classes_are_trained_as_by_torch_to_rounding(monkeypatch, rows, noises, weight):
    if weight is not None:
        rows = Dataset(rows.X, rows.y, weight[rows.y])
    penalties = PENALTIES if noises else []
    assert epochs.CompiledSteps.fit(
        Network([6, 9, 7, 3], seeds=[1, 2], **noises), rows, CrossEntropy(), penalties, 40
    )
    (one, history), (other, expected) = _by_both(
        monkeypatch, rows, [6, 9, 7, 3], noises=noises, penalties=penalties
    )
    for found, wanted in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(found, wanted, atol=1e-6)
    for name in ("train_loss", "held_out_loss", "noise", "penalty"):
        assert np.allclose(getattr(history, name), getattr(expected, name), atol=1e-6)


def test_values_are_trained_as_by_torch_to_rounding(monkeypatch, rows):
    data = Dataset(rows.X, rows.X[:, 2].clone())
    (one, _), (other, _) = _by_both(
        monkeypatch, data, [6, 8, 1], objective="squared_error", penalties=[L1(1e-3)]
    )
    for found, wanted in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(found, wanted, atol=1e-5)


def test_calls_are_split_without_a_change(monkeypatch, rows):
    weights = []
    for most in (2**30, 1):
        monkeypatch.setattr(epochs, "_PER_CALL", most)
        network = Network([6, 9, 3], hidden_noise=Dropout(keep_prob=0.5))
        train(network, rows, rows, epochs=2, batch_size=20)
        weights.append(network.weights[0])
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    ("network", "penalties"),
    [
        (lambda: Network([6, 4, 3], activation="tanh"), []),
        (lambda: Network([6, 4, 3], dtype=torch.float64), []),
        (lambda: Network([6, 4, 3], hidden_noise=AlphaDropout(keep_prob=0.5)), []),
        (lambda: Network([6, 4, 3], hidden_noise=Dropout(keep_prob=0.5, shared=True)), []),
        (lambda: Network([6, 4, 3], input_noise=Dropout(keep_prob=0.5, scaling="classic")), []),
        (lambda: Network([6, 4, 3], weight_noise=DropConnect(keep_prob=0.5, per_example=True)), []),
        (lambda: Network([6, 4, 3]), [GroupLasso(0.1)]),
        (lambda: Network([6, 4, 3]), [MaxNorm(1.0, dim=1)]),
        (lambda: Network([6, 4, 3]), [Annealed(L1(0.1), LinearSchedule(0.0, 1.0, steps=9))]),
        (lambda: Network([6, 4, 2]), []),  # a class code is out of range: torch refuses it
        (lambda: Network([6, 2**16, 3]), []),  # one thread for each member takes long
    ],
)
def test_what_does_not_fit_is_left_to_torch(rows, network, penalties):
    made = network()
    assert not epochs.CompiledSteps.fit(made, rows, CrossEntropy(), penalties, 40)


def test_weights_of_rows_that_are_not_those_of_classes_are_left_to_torch(rows):
    uneven = Dataset(rows.X, rows.y, torch.linspace(0, 1, 90))
    values = Dataset(rows.X, rows.X[:, 0].clone(), torch.ones(90))
    assert not epochs.CompiledSteps.fit(Network([6, 4, 3]), uneven, CrossEntropy(), [], 40)
    assert not epochs.CompiledSteps.fit(Network([6, 4, 1]), values, SquaredError(), [], 40)


def test_another_metric_or_mode_is_left_to_torch(monkeypatch, rows):
    made = []
    monkeypatch.setattr(
        training,
        "CompiledSteps",
        type(
            "Spy",
            (epochs.CompiledSteps,),
            {
                "__init__": lambda *_: made.append(1),
            },
        ),
    )
    for options in ({"metric": "euclidean"}, {"mode": "coupled"}):
        train(Network([6, 4, 3]), rows, rows, epochs=1, penalties=[L2(0.1)], **options)
    assert not made


def test_calls_of_a_long_epoch_are_short_so_that_an_interrupt_acts(monkeypatch):
    sizes = []
    monkeypatch.setattr(
        epochs, "population_steps", lambda *_, rows, **__: sizes.append(rows.numel())
    )
    data = Dataset(torch.zeros(40_000, 300), torch.zeros(40_000))
    steps = epochs.CompiledSteps(Network([300, 400, 1]), data, SquaredError(), [], 0.1)
    steps.epoch(torch.arange(40_000), 100)
    assert sum(sizes) == 40_000
    assert max(sizes) * 300 * 400 < 2**30  # some 0.3 s
