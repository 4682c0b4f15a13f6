"""`Dataset` and `History`: what training takes, and what it records."""

import numpy as np
import pytest
import torch
from training_cases import NOISY, evaluated, halves_of_digits

import reference
from bridle import L1, L2, Dataset, Network, UsageError, train
from bridle.networks.objectives import CrossEntropy


@pytest.mark.parametrize("epochs", [1, 3])
def test_history_is_what_the_final_weights_do(epochs):
    training, held_out = halves_of_digits()
    penalties = [L1(1e-3), L2(1e-2)]
    network = Network([64, 16, 16, 10], seeds=[0, 1], **NOISY)
    history = train(network, training, held_out, epochs=epochs, penalties=penalties)
    for data, name in ((training, "train"), (held_out, "held_out")):
        loss, score = evaluated(network, data)
        assert np.allclose(getattr(history, f"{name}_loss")[-1], loss, rtol=1e-6)
        assert np.allclose(getattr(history, f"{name}_score")[-1], score)
    for member in range(2):
        value = sum(
            reference.l1(w[member].detach().double().numpy(), 1e-3)[0]
            + reference.l2(w[member].detach().double().numpy(), 1e-2)[0]
            for w in network.weights
        )
        assert history.penalty[-1, member] == pytest.approx(value, rel=1e-6)
    noisy = CrossEntropy().loss(network(training.X, noise=True), training.y).mean(1)
    expected = noisy.detach().double().numpy() - history.train_loss[-1]
    assert np.allclose(history.noise[-1], expected, atol=1e-5)
    assert np.array_equal(
        history.reported_loss, history.train_loss + history.noise + history.penalty
    )
    assert history.train_loss.shape == (epochs, 2)
    assert not network.training


def test_a_dataset_has_one_target_per_row():
    with pytest.raises(UsageError, match=r"y has the shape \[4\], but X has 3 rows"):
        Dataset(torch.zeros(3, 2), torch.zeros(4))
