"""Gaussian inference beside all masks, quadrature, and 100,000 Monte-Carlo samples, in float64."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from bridle import DropConnect, Dropout, Network, predict, predict_gaussian
from bridle.errors import UsageError
from bridle.subnetworks import subnetwork_scores

SAMPLES = 100_000


def build(sizes, seeds=(0,), **options):
    network = Network(sizes, seeds=seeds, dtype=torch.float64, **options)
    for bias in network.biases:
        torch.nn.init.normal_(bias, generator=torch.Generator().manual_seed(1))
    return network.eval()


@pytest.mark.parametrize("keep_prob", [0.5, 0.7])
def test_moments_of_one_layer_are_those_of_wan_and_of_all_masks(keep_prob):
    """``u ~ N(p W v, p (1 - p) (W ∘ W) (v ∘ v))``: exact in both moments."""
    noise = DropConnect(keep_prob=keep_prob, scaling="classic")
    network = build((3, 2), weight_noise=noise)
    X = torch.randn(4, 3, dtype=torch.float64)
    found = predict_gaussian(network, X)
    p = noise.drawn_keep_prob
    W, b, V = (
        network.weights[0][0].detach().numpy(),
        network.biases[0][0].detach().numpy(),
        X.numpy(),
    )
    np.testing.assert_allclose(found.mean[0], p * V @ W + b, rtol=1e-12)
    np.testing.assert_allclose(found.std[0], np.sqrt(p * (1 - p) * (V**2) @ (W**2)), rtol=1e-12)
    mean = square = 0
    for bits in itertools.product((0, 1), repeat=6):
        share = math.prod(p if bit else 1 - p for bit in bits)
        u = V @ (W * np.array(bits).reshape(3, 2)) + b
        mean, square = mean + share * u, square + share * u**2
    np.testing.assert_allclose(found.mean[0], mean, rtol=1e-12)
    np.testing.assert_allclose(found.std[0], np.sqrt(square - mean**2), rtol=1e-9)
    inverted = predict_gaussian(network.with_scaling("inverted"), X)
    np.testing.assert_allclose(inverted.mean, found.mean, rtol=1e-12)
    np.testing.assert_allclose(inverted.std, found.std, rtol=1e-12)


def test_moments_through_a_linear_network_are_those_of_all_masks():
    """Where nothing bends, two layers' means and variances are exact, units' noise included."""
    network = build(
        (2, 2, 1),
        activation="identity",
        hidden_noise=Dropout(keep_prob=0.75),
        weight_noise=DropConnect(keep_prob=0.5),
    )
    X = torch.randn(5, 2, dtype=torch.float64)
    found = predict_gaussian(network, X)
    (W, V), (b, c) = (
        [t[0].detach().numpy() for t in ts] for ts in (network.weights, network.biases)
    )
    mean = square = 0
    for bits in itertools.product((0, 1), repeat=8):
        m = np.array(bits)
        share = 0.5**6 * math.prod(0.75 if bit else 0.25 for bit in bits[6:])
        h = (X.numpy() @ (W * m[:4].reshape(2, 2) / 0.5) + b) * m[6:] / 0.75
        u = h @ (V * m[4:6].reshape(2, 1) / 0.5) + c
        mean, square = mean + share * u, square + share * u**2
    np.testing.assert_allclose(found.mean[0], mean, rtol=1e-10)
    np.testing.assert_allclose(found.std[0], np.sqrt(square - mean**2), rtol=1e-9)


FUNCTIONS = {
    "relu": lambda x: max(x, 0),
    "tanh": math.tanh,
    "logistic": lambda x: 1 / (1 + math.exp(-x)),
}


def integral(activation, power, m, s):
    """``E a(u)^power`` of a Gaussian, by adaptive quadrature."""
    points = [0] if abs(m) < 12 * s else None

    def weighted(x):
        return FUNCTIONS[activation](x) ** power * stats.norm.pdf(x, m, s)

    return integrate.quad(weighted, m - 12 * s, m + 12 * s, limit=200, points=points)[0]


@pytest.mark.parametrize(
    ("activation", "tolerance"), [("relu", 1e-9), ("tanh", 2e-6), ("logistic", 1e-6)]
)
def test_the_mean_of_an_activation_is_its_integral(activation, tolerance):
    """The last layer reads one unit by a weight of 1, so that its score is E a(u)."""
    noise = DropConnect(keep_prob=0.5)
    network = build((4, 1, 1), activation=activation, weight_noise=noise)
    first = build((4, 1), weight_noise=noise)
    with torch.no_grad():
        network.weights[1].fill_(1)
        network.biases[1].fill_(0)
        first.weights[0].copy_(network.weights[0])
        first.biases[0].copy_(network.biases[0])
    X = torch.randn(8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u = predict_gaussian(first, X)
    X = X * (torch.linspace(0.01, 5, 8).double() / u.std[0, :, 0])[:, None]
    u, found = predict_gaussian(first, X), predict_gaussian(network, X)
    assert float(u.std.max()) == pytest.approx(5)
    for row in range(8):
        m, s = float(u.mean[0, row]), float(u.std[0, row])
        mean = float(found.mean[0, row])
        second = (float(found.std[0, row]) ** 2 + mean**2) * 0.5  # Var = E[a²] / p - E[a]²
        assert mean == pytest.approx(integral(activation, 1, m, s), abs=tolerance)
        assert second == pytest.approx(integral(activation, 2, m, s), abs=5 * tolerance)


def standard_errors(network, X, **options):
    """How far the means are from those of 100,000 masks, in standard errors of the latter."""
    scores = subnetwork_scores(network, X, k=SAMPLES)
    found = predict_gaussian(network, X, **options)
    error = (found.mean - scores.mean(0)) / (scores.std(0) / SAMPLES**0.5)
    return error, found.std / scores.std(0)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
def test_gaussian_is_within_the_error_of_100_000_samples(activation):
    """A wide layer of DropConnect, and what reads it: within Monte Carlo's own error."""
    network = build((400, 4, 3), activation=activation, weight_noise=DropConnect(keep_prob=0.5))
    X = torch.rand(3, 400, dtype=torch.float64)
    error, spread = standard_errors(network, X)
    assert float(error.abs().max()) < 3.5  # nine entries
    assert float((spread - 1).abs().max()) < 0.02
    one_pass = (predict(network, X) - predict_gaussian(network, X).mean).abs()
    assert float(one_pass.max()) > 0.02  # which one pass with the mean weights is not


def test_two_layers_of_it_are_within_the_error_of_100_000_samples():
    network = build((100, 60, 40, 2), weight_noise=DropConnect(keep_prob=0.5))
    X = torch.rand(2, 100, dtype=torch.float64)
    scores = subnetwork_scores(network, X, k=20_000)
    apart = {
        how: (predict_gaussian(network, X, propagate=how).mean - scores.mean(0)).abs().max()
        for how in ("mean", "moments")
    }
    noise = float((scores.std(0) / 20_000**0.5).max())
    assert float(apart["moments"]) < 5 * noise
    assert float(apart["moments"]) < float(apart["mean"])  # what the mean alone leaves out
    spread = predict_gaussian(network, X).std / scores.std(0)
    assert float((spread - 1).abs().max()) < 0.05


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("propagate", ["mean", "moments"])
def test_samples_approach_the_closed_form(activation, propagate):
    network = build((50, 6, 3), activation=activation, weight_noise=DropConnect(keep_prob=0.5))
    X = torch.randn(4, 50, dtype=torch.float64)
    limit = predict_gaussian(network, X, propagate=propagate)
    sampled = predict_gaussian(network, X, propagate=propagate, samples=20_000)
    scale = float(limit.std.max())
    assert float((sampled.mean - limit.mean).abs().max()) < 5 * scale / 20_000**0.5
    torch.testing.assert_close(sampled.std, limit.std, rtol=0.05, atol=1e-6)
    again = predict_gaussian(network, X, propagate=propagate, samples=10, seed=3)
    assert torch.equal(
        again.mean, predict_gaussian(network, X, propagate=propagate, samples=10, seed=3).mean
    )


def test_without_noise_it_is_predict():
    for activation in ("relu", "tanh", "logistic", "identity"):
        network = build((4, 5, 3), (0, 1), activation=activation)
        X = torch.randn(6, 4, dtype=torch.float64)
        found = predict_gaussian(network, X, batch_rows=4)
        torch.testing.assert_close(found.mean, predict(network, X), rtol=1e-12, atol=1e-12)
        assert not found.std.any()


def test_zero_inputs_are_certain():
    """A row of zeros has no variance: the closed form must not divide by it."""
    network = build((4, 5, 3), weight_noise=DropConnect(keep_prob=0.5))
    with torch.no_grad():
        network.biases[0].fill_(-1.0)[..., 0] = 2.0
    found = predict_gaussian(network, torch.zeros(1, 4, dtype=torch.float64))
    torch.testing.assert_close(found.mean, predict(network, torch.zeros(1, 4).double()))
    single = Network([4, 5, 3], weight_noise=DropConnect(keep_prob=0.5))
    for scale in (0.0, 1e-30, 1e-12, 1e12):
        found = predict_gaussian(single, torch.full((2, 4), scale))
        assert bool(found.mean.isfinite().all())
        assert bool(found.std.isfinite().all())


def test_members_have_keep_probabilities_of_their_own():
    keep = torch.tensor([0.5, 1.0])
    network = build((8, 5, 3), (0, 1), weight_noise=DropConnect(keep_prob=keep))
    X = torch.randn(6, 8, dtype=torch.float64)
    found = predict_gaussian(network, X)
    for member in range(2):
        alone = predict_gaussian(network.take([member]), X)
        torch.testing.assert_close(found.mean[member], alone.mean[0])
        torch.testing.assert_close(found.std[member], alone.std[0])
    torch.testing.assert_close(found.mean[1], predict(network, X)[1])


def test_errors_say_what_to_do():
    network, X = build((4, 5, 3)), torch.zeros(2, 4)
    with pytest.raises(UsageError, match="propagate is 'all'; it must be 'mean' or 'moments'"):
        predict_gaussian(network, X, propagate="all")
    with pytest.raises(UsageError, match="samples is 0; give 1 or more"):
        predict_gaussian(network, X, samples=0)
    with pytest.raises(UsageError, match=r"X has the shape \[2, 3\]"):
        predict_gaussian(network, torch.zeros(2, 3))
