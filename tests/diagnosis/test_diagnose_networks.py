"""What a diagnosis measures of a network: subnetworks, dead units, memorization."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from torch import nn

import bridle
from bridle.diagnosis.subjects.shuffled_labels import shuffled_network
from bridle.diagnosis.subjects.subnetworks import compare_subnetworks
from bridle.diagnosis.subjects.weights import layers_of_module, layers_of_network


@pytest.fixture
def rows():
    X, y = make_classification(700, flip_y=0.2, random_state=1)
    return (X[:300], y[:300]), (X[300:], y[300:])


def test_a_network_beside_its_subnetworks(rows):
    _, (X, y) = rows
    network = bridle.Network([20, 16, 2], hidden_noise=bridle.Dropout(keep_prob=0.5))
    inputs = torch.from_numpy(X).float()
    found = compare_subnetworks(network, inputs, y, part="test", classes=True, masks=40)
    drawn = []
    for step in range(40):
        network.steps.fill_(step)
        drawn.append(network(inputs, noise=True)[0].softmax(-1).detach().double())
    drawn = torch.stack(drawn)
    scaled = bridle.predict(network, inputs)[0].double().softmax(-1)
    wanted = (scaled - drawn.mean(0)).abs().mean()
    assert found.difference.value == pytest.approx(float(wanted), rel=1e-4)
    assert found.averaged_score == float((drawn.mean(0).argmax(-1).numpy() == y).mean())
    deviation = drawn.var(0).mean().sqrt()
    assert found.spread == pytest.approx(float(deviation), rel=1e-3)


def test_a_linear_networks_scaling_is_exact_but_for_sampling():
    torch.manual_seed(0)
    network = bridle.Network([30, 1], input_noise=bridle.Dropout(keep_prob=0.7))
    X = torch.randn(500, 30)
    found = compare_subnetworks(
        network, X, X[:, 0].double().numpy(), part="test", classes=False, masks=100
    )
    assert found.difference.value == pytest.approx(found.sampling, rel=0.1)


def test_shared_masks_of_weights_are_drawn_anew():
    network = bridle.Network([8, 16, 2], weight_noise=bridle.DropConnect(keep_prob=0.5))
    X = torch.randn(50, 8)
    found = compare_subnetworks(network, X, np.zeros(50, int), part="test", classes=True, masks=9)
    assert found.spread > 0.01
    assert network.steps.tolist() == [0]


def test_dead_and_silent_units():
    network = bridle.Network([4, 6, 6, 2])
    with torch.no_grad():
        network.weights[0][0, :, 1] = 0  # nothing enters: dead, but its bias speaks
        network.biases[0][0, 0, 1] = 1.0
        network.weights[1][0, 2, :] = 0  # nothing reads it
        network.biases[0][0, 0, 3] = -100.0  # no row switches it on
    first, second, last = layers_of_network(network, torch.randn(50, 4))
    assert first.dead_units == 2
    assert first.silent_units == 1
    assert (first.zeros, second.zeros, last.zeros) == (4, 6, 0)
    assert last.silent_units is None


def test_convolutions_count_channels():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    model[0].weight.data[1] = 0
    first, _ = layers_of_module(model)
    assert (first.inputs, first.units, first.dead_units, first.zeros) == (9, 4, 1, 9)


def test_shuffling_permutes_the_targets_of_the_same_rows():
    X = torch.randn(60, 20)
    y = torch.arange(60) % 2
    found = shuffled_network(
        X,
        y,
        outputs=2,
        strengths=bridle.Strengths(),
        recipe={"hidden": [128], "learning_rate": 0.01, "batch_size": 20},
        epochs=100,
        seed=0,
    )
    assert found.baseline == 0.5
    assert found.memorised > 0.95
    assert found.rows == 60
