"""The forward pass in NumPy is torch's, up to rounding."""

import numpy as np
import pytest
import torch

from bridle import Dropout, Network, predict
from bridle.networks.array_forward import ARRAY_ACTIVATIONS, array_network
from bridle.networks.layers import ACTIVATIONS


def test_it_has_the_activations_of_a_network():
    assert set(ARRAY_ACTIVATIONS) == set(ACTIVATIONS)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_are_those_of_torch(activation, dtype):
    network = Network([5, 7, 6, 3], seeds=[1, 2, 3], activation=activation, dtype=dtype)
    with torch.no_grad():
        for bias in network.biases:
            bias.normal_(generator=torch.Generator().manual_seed(0))
    X = 30 * torch.randn(50, 5, generator=torch.Generator().manual_seed(1)).to(dtype)
    arrays, before = array_network(network), X.clone()
    expected = predict(network, X).numpy()
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    for rows in (4096, 50, 7):
        found = arrays.predict(X.numpy(), batch_rows=rows)
        assert found.dtype == expected.dtype
        assert np.allclose(found, expected, rtol=tolerance, atol=tolerance)
    assert torch.equal(X, before)
    assert arrays.predict(X.numpy()[:0]).shape == (3, 0, 3)


def test_extreme_inputs_saturate_without_a_warning():
    network = Network([1, 1, 1], activation="logistic")
    with torch.no_grad():
        network.weights[0].fill_(1)
    X = np.array([[-1e6], [1e6]], dtype=np.float32)
    expected = predict(network, torch.from_numpy(X)).numpy()
    assert np.allclose(array_network(network).predict(X), expected)


def test_classic_scaling_and_other_dtypes_are_left_to_torch():
    classic = Dropout(keep_prob=0.5, scaling="classic")
    assert array_network(Network([2, 3, 1], hidden_noise=classic)) is None
    assert array_network(Network([2, 3, 1], dtype=torch.bfloat16)) is None
    assert array_network(Network([2, 3, 1], hidden_noise=Dropout(keep_prob=0.5))) is not None
