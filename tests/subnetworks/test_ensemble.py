"""The mean over subnetworks, beside brute force in float64, and beside what theory says."""

import numpy as np
import pytest
import torch

from bridle import (
    DropConnect,
    Dropout,
    Network,
    all_subnetworks,
    mean_over_all,
    predict,
    predict_ensemble,
)
from bridle.errors import UsageError
from bridle.subnetworks import evaluator as batched, subnetwork_scores

SIZES = (6, 9, 8, 4)
NOISES = {
    "hidden": {"hidden_noise": Dropout(keep_prob=0.5)},
    "classic": {"hidden_noise": Dropout(keep_prob=0.3, scaling="classic")},
    "inputs": {"input_noise": Dropout(keep_prob=0.8), "hidden_noise": Dropout(keep_prob=0.5)},
    "only inputs": {"input_noise": Dropout(keep_prob=0.5)},
    "weights": {"weight_noise": DropConnect(keep_prob=0.5)},
    "weights and units": {
        "weight_noise": DropConnect(keep_prob=0.6, scaling="classic"),
        "hidden_noise": Dropout(keep_prob=0.5),
    },
    "all": {
        "input_noise": Dropout(keep_prob=0.9),
        "hidden_noise": Dropout(keep_prob=0.5),
        "weight_noise": DropConnect(keep_prob=0.7),
    },
    "by member": {"hidden_noise": Dropout(keep_prob=torch.tensor([0.5, 1.0]))},
}


def build(sizes=SIZES, seeds=(0, 1), **options):
    network = Network(sizes, seeds=seeds, dtype=torch.float64, **options)
    for bias in network.biases:
        torch.nn.init.normal_(bias, generator=torch.Generator().manual_seed(1))
    return network.eval()


def one_by_one(network, X, names):
    """The scores of each subnetwork, by a loop over modules."""
    return torch.stack(
        [
            torch.cat([network.take([m]).subnetwork(k)(X) for m in range(network.members)])
            for k in names
        ]
    ).detach()


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("name", NOISES)
def test_batched_scores_are_those_of_the_modules(name, activation):
    network = build(activation=activation, **NOISES[name])
    X = torch.randn(7, 6, dtype=torch.float64)
    for names in (range(11), [5, 2**40]):
        found = subnetwork_scores(network, X, k=names, batch_rows=3)
        torch.testing.assert_close(found, one_by_one(network, X, names), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("objective", ["cross_entropy", "squared_error"])
def test_moments_are_those_of_the_modules(objective):
    network = build(**NOISES["inputs"])
    X = torch.randn(7, 6, dtype=torch.float64)
    scores = one_by_one(network, X, range(23)).numpy()
    found = predict_ensemble(network, X, k=23, objective=objective)
    values = scores
    if objective == "cross_entropy":
        values = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        mean = values.mean(0)
        entropy = -(mean * np.log(mean)).sum(-1)
        own = -(values * np.log(values)).sum(-1).mean(0)
        np.testing.assert_allclose(found.entropy, entropy, rtol=1e-12)
        np.testing.assert_allclose(found.mutual_information, entropy - own, rtol=1e-9)
        geometric = predict_ensemble(network, X, k=23, mean="geometric")
        product = np.exp(np.log(values).mean(0))
        product /= product.sum(-1, keepdims=True)
        np.testing.assert_allclose(geometric.mean, product, rtol=1e-12)
        np.testing.assert_allclose(geometric.std, values.std(0), rtol=1e-9)
    else:
        assert found.entropy is found.mutual_information is None
    np.testing.assert_allclose(found.mean, values.mean(0), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.std, values.std(0), rtol=1e-9)
    assert found.subnetworks == 23
    assert found.mean.dtype == torch.float64


@pytest.mark.parametrize("name", ["hidden", "all"])
def test_neither_the_batch_nor_the_memory_changes_the_result(name, monkeypatch):
    network = build(**NOISES[name])
    X = torch.randn(12, 6, dtype=torch.float64)
    whole = predict_ensemble(network, X, k=20)
    for batch_rows, size in ((1, 1), (5, 1 << 12), (12, 1 << 14)):
        monkeypatch.setattr(batched, "_BYTES", size)
        monkeypatch.setattr(batched, "_CACHED", size)
        part = predict_ensemble(network, X, k=20, batch_rows=batch_rows)
        for field in ("mean", "std", "entropy", "mutual_information"):
            expected = getattr(whole, field)
            torch.testing.assert_close(getattr(part, field), expected, rtol=1e-11, atol=1e-13)


def test_memory_does_not_grow_with_the_number_of_subnetworks():
    """Neither the masks that are drawn together nor the tensors of a product."""
    network = Network([20, 64, 64, 3], hidden_noise=Dropout(keep_prob=0.5))
    asked = []

    class Counting(batched.Scratch):
        def __call__(self, name, *shape):
            asked.append(torch.Size(shape).numel())
            return super().__call__(name, *shape)

    ready = batched.Evaluator(network, 0, torch.randn(50, 20), Counting(network.weights[0]))
    ready.scores(batched.masks_of(network, 0, range(5000)))
    assert max(asked) * 4 <= batched._CACHED
    wide = Network([800, 800, 800, 10], weight_noise=DropConnect(keep_prob=0.5))
    per_name = sum(weight.numel() for weight in wide.weights)
    assert batched.chunk_size(wide, 100) * per_name * 4 <= batched._BYTES
    assert batched.chunk_size(network, 10**6) * 10**6 * 3 * 4 <= batched._BYTES


def test_members_have_subnetworks_of_their_own():
    network = build(hidden_noise=Dropout(keep_prob=0.5))
    X = torch.randn(2, 5, 6, dtype=torch.float64)
    both = predict_ensemble(network, X, k=10)
    for member in range(2):
        alone = predict_ensemble(network.take([member]), X[member], k=10)
        torch.testing.assert_close(both.mean[member], alone.mean[0], rtol=1e-12, atol=1e-12)


# --------------------------------------------------------------------- all subnetworks


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
@pytest.mark.parametrize(
    "noises",
    [
        {"hidden_noise": Dropout(keep_prob=0.5)},
        {"hidden_noise": Dropout(keep_prob=0.3, scaling="classic")},
        {"input_noise": Dropout(keep_prob=0.8), "hidden_noise": Dropout(keep_prob=0.6)},
        {"weight_noise": DropConnect(keep_prob=0.7)},
    ],
    ids=["hidden", "classic", "inputs", "weights"],
)
def test_mean_over_all_is_the_weighted_sum_over_all_modules(noises, mean):
    network = build((2, 2, 3, 2) if "weight_noise" not in noises else (2, 2, 2), (4,), **noises)
    X = torch.randn(5, 2, dtype=torch.float64)
    total, logs, square = 0, 0, 0
    for share, small in all_subnetworks(network):
        p = small(X).detach().softmax(-1)
        total, logs, square = total + share * p, logs + share * p.log(), square + share * p**2
    found = mean_over_all(network, X, mean=mean, batch_rows=2)
    expected = total if mean == "arithmetic" else logs.softmax(-1)
    torch.testing.assert_close(found.mean, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.std, (square - total**2).sqrt(), rtol=1e-9, atol=1e-9)
    distance = (expected - predict(network, X).softmax(-1)).abs().sum(-1) / 2
    torch.testing.assert_close(found.distance(predict(network, X)), distance)


@pytest.mark.parametrize("keep_prob", [0.5, 0.3])
@pytest.mark.parametrize("scaling", ["inverted", "classic"])
def test_for_one_softmax_layer_the_geometric_mean_is_weight_scaling(keep_prob, scaling):
    """Srivastava et al. 2014; Goodfellow et al. 2016, section 7.12: equal, not merely near.

    The normalized geometric mean over all masks has the mean scores, and the mean of ``m ∘ x`` is
    ``p x``. For any p, each mask counting by its probability.
    """
    noise = Dropout(keep_prob=keep_prob, scaling=scaling)
    softmax = build((10, 4), (0,), input_noise=noise)
    X = 3 * torch.randn(20, 10, dtype=torch.float64)
    one_pass = predict(softmax, X)
    geometric = mean_over_all(softmax, X, mean="geometric")
    assert geometric.subnetworks == 2**10
    assert float(geometric.distance(one_pass).max()) < 1e-13
    torch.testing.assert_close(geometric.mean, one_pass.softmax(-1), rtol=1e-12, atol=1e-14)
    arithmetic = mean_over_all(softmax, X)
    assert float(arithmetic.distance(one_pass).max()) > 1e-2  # and is no identity of the code


def test_for_a_deep_network_weight_scaling_is_near_and_not_equal():
    network = build((4, 8, 3), (0,), hidden_noise=Dropout(keep_prob=0.5))
    X = torch.randn(50, 4, dtype=torch.float64)
    distance = mean_over_all(network, X, mean="geometric").distance(predict(network, X))
    assert float(distance.max()) < 1e-12  # one hidden layer: scores are linear in the masks
    deep = build((4, 5, 5, 3), (0,), hidden_noise=Dropout(keep_prob=0.5))
    distance = mean_over_all(deep, X, mean="geometric").distance(predict(deep, X))
    assert 1e-3 < float(distance.mean()) < 0.3


def test_samples_approach_the_exact_mean():
    network = build((4, 5, 5, 3), (0,), hidden_noise=Dropout(keep_prob=0.5))
    X = torch.randn(20, 4, dtype=torch.float64)
    exact, k = mean_over_all(network, X), 20_000
    found = predict_ensemble(network, X, k=k)
    error = (found.mean - exact.mean) / (exact.std / k**0.5).clamp(min=1e-12)
    assert float(error.abs().max()) < 5  # of 60 entries, in standard errors
    torch.testing.assert_close(found.std, exact.std, rtol=0.05, atol=1e-6)


def test_certain_networks_have_no_spread():
    network = build(hidden_noise=Dropout(keep_prob=torch.tensor([1.0, 1.0])))
    found = predict_ensemble(network, torch.randn(3, 6, dtype=torch.float64), k=4)
    assert float(found.std.max()) < 1e-12
    assert float(found.mutual_information.max()) < 1e-12


def test_errors_say_what_to_do():
    network, X = build(hidden_noise=Dropout(keep_prob=0.5)), torch.zeros(3, 6)
    for options, message in (
        ({"k": 0}, r"k is 0; give a count of subnetworks"),
        ({"k": [3, -1]}, r"k is -1"),
        ({"mean": "harmonic"}, r"mean is 'harmonic'; it must be 'arithmetic' or 'geometric'"),
        ({"mean": "geometric", "objective": "squared_error"}, r"use mean='arithmetic'"),
        ({"objective": "hinge"}, r"objective is 'hinge'"),
        ({"batch_rows": 0}, r"batch_rows is 0"),
    ):
        with pytest.raises(UsageError, match=message):
            predict_ensemble(network, X, **options)
    with pytest.raises(UsageError, match=r"X has the shape \[3, 5\]"):
        predict_ensemble(network, torch.zeros(3, 5))
    with pytest.raises(UsageError, match=r"X is for 3 members; the network has 2"):
        predict_ensemble(network, torch.zeros(3, 4, 6))
    for silent in (build(), build((6, 4), hidden_noise=Dropout(keep_prob=0.5))):
        with pytest.raises(UsageError, match="has no noise, so it has no subnetworks"):
            predict_ensemble(silent, X)
    with pytest.raises(UsageError, match=r"2\^17 subnetworks, more than limit=1024"):
        mean_over_all(network, X, limit=1024)
