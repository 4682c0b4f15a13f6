"""Which noises a Network takes, and what they do in it."""

import pytest
import torch

import bridle
from bridle.errors import UsageError


@pytest.mark.parametrize("name", ["GaussianDropout", "AlphaDropout"])
def test_a_network_with_other_noise_is_trained_and_predicts_without(name):
    torch.manual_seed(0)
    X = torch.randn(64, 6)
    y = (X.sum(1) > 0).long()
    noise = getattr(bridle, name)(keep_prob=0.8)
    network = bridle.Network([6, 32, 2], hidden_noise=noise, input_noise=noise, seeds=[0, 1])
    plain = bridle.Network([6, 32, 2], seeds=[0, 1])
    assert torch.equal(bridle.predict(network, X), bridle.predict(plain, X))
    hidden = torch.relu(noise.train(X.expand(2, -1, -1), network.address(0)) @ network.weights[0])
    expected = noise.train(hidden, network.address(2)) @ network.weights[1]
    assert torch.allclose(network(X, noise=True), expected, atol=1e-6)
    alone = network.take([1])
    assert torch.allclose(alone(X, noise=True)[0], network(X, noise=True)[1], atol=1e-6)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = [bridle.train_step(network, (X, y), optimizer=optimizer) for _ in range(60)]
    assert (losses[-1] < 0.7 * losses[0]).all()
    with pytest.raises(UsageError, match="no classic form"):
        network.with_scaling("classic")


@pytest.mark.parametrize(
    "noise",
    [
        bridle.SpatialDropout(keep_prob=0.5),
        bridle.LockedDropout(keep_prob=0.5),
        bridle.DropPath(keep_prob=0.5),
        bridle.FeatureAlphaDropout(keep_prob=0.5),
        bridle.ConcreteDropout(keep_prob=0.5),
        bridle.DropConnect(keep_prob=0.5),
    ],
)
def test_a_network_refuses_other_noises(noise):
    with pytest.raises(UsageError, match="which a Network cannot use"):
        bridle.Network([4, 8, 2], hidden_noise=noise)
