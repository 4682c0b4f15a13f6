"""Embeddings of numbers: a network with one is a plain network on the embedded inputs."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

import bridle
from bridle import DropConnect, Dropout, Network, UsageError
from bridle.diagnosis.subjects.weights import layers_of_network
from bridle.networks import PeriodicEmbedding, embedding as embeddings, shared_masks
from bridle.networks.embedding import first_inputs, squares_of_inputs
from bridle.subnetworks import subnetwork_scores

SIZES, NUMBERS = [5, 7, 6, 3], 2
INPUTS = SIZES[0] + 3 * NUMBERS
NOISES = {
    "hidden_noise": Dropout(keep_prob=0.5),
    "input_noise": Dropout(keep_prob=0.8),
    "weight_noise": DropConnect(keep_prob=0.7),
}
DESIGN = PeriodicEmbedding(NUMBERS, deviation=0.7)
X = torch.randn(9, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


SPREADS = torch.tensor([0.1, 0.2, 0.3])


def network_of(seeds=3, sizes=SIZES, design=DESIGN, dtype=torch.float64, **options):
    return Network(sizes, seeds=seeds, embedding=design, dtype=dtype, **options)


def plain_twin(network):
    """Return the same layers without the embedding; they take its outputs as inputs."""
    state = {n: v for n, v in network.state_dict().items() if not n.startswith("embedding")}
    twin = Network(
        [INPUTS, *SIZES[1:]],
        seeds=network.seeds.tolist(),
        hidden_noise=network.hidden_noise,
        input_noise=network.input_noise,
        weight_noise=network.weight_noise,
        dtype=network.weights[0].dtype,
    )
    twin.load_state_dict(state)
    return twin


def embedded(network, rows=X):
    with torch.no_grad():
        return first_inputs(network.embedding, rows.expand(network.members, -1, -1))


def test_outputs_are_sums_of_cosines_after_the_inputs():
    network = network_of(seeds=[3, 8])
    own = {name: value.detach().numpy() for name, value in network.embedding.named_parameters()}
    found = embedded(network).numpy()
    for m in range(2):
        for i in range(NUMBERS):
            turns = X[:, i, None].numpy() * own["frequencies"][m, i] + own["shifts"][m, i]
            expected = np.cos(2 * np.pi * turns) @ own["weight"][m, i] + own["bias"][m, i]
            place = SIZES[0] + 3 * i
            np.testing.assert_allclose(found[m, :, place : place + 3], expected, atol=1e-12)
        assert np.array_equal(found[m, :, : SIZES[0]], X.numpy())


def test_initial_values_and_a_member_is_the_same_whatever_is_beside_it():
    wide = network_of(seeds=[4, 9], design=PeriodicEmbedding(NUMBERS, (0.1, 2.0), waves=500))
    spread = wide.embedding.frequencies.std((1, 2)) / torch.tensor([0.1, 2.0])
    assert bool((spread - 1).abs().max() < 0.1)
    assert float(wide.embedding.shifts.detach().abs().max()) <= 0.5
    assert float(wide.embedding.weight.detach().abs().max()) <= 500**-0.5
    alone = network_of(seeds=[9], design=PeriodicEmbedding(NUMBERS, 2.0, waves=500))
    for ours, expected in zip(wide.take([1]).parameters(), alone.parameters(), strict=True):
        assert torch.equal(ours, expected)
    plain = Network([INPUTS, *SIZES[1:]], seeds=3, dtype=torch.float64)
    assert torch.equal(network_of().weights[0], plain.weights[0])


@pytest.mark.parametrize("noise", [True, False])
def test_noise_acts_on_the_outputs_of_the_embedding(noise):
    network = network_of(seeds=[3, 8], **NOISES)
    network.steps.fill_(5)
    expected = plain_twin(network)(embedded(network), noise=noise)
    assert torch.equal(network(X, noise=noise), expected)


def test_gradients_are_those_of_finite_differences():
    network = network_of(sizes=[3, 4, 1], design=PeriodicEmbedding(2, 0.5, 3, 2), activation="tanh")
    values = [each.detach().clone().requires_grad_() for each in network.parameters()]

    def outputs(*given):
        named = dict(zip(dict(network.named_parameters()), given, strict=True))
        return torch.func.functional_call(network, named, (X[:4, :3],))

    assert gradcheck(outputs, values)


def test_a_large_number_of_rows_is_split_into_parts(monkeypatch):
    network = network_of(seeds=[3, 8], dtype=torch.float32)
    rows = torch.randn(50, 5)
    whole = bridle.predict(network, rows)
    monkeypatch.setattr(embeddings, "_VALUES_AT_ONCE", 200)
    torch.testing.assert_close(bridle.predict(network, rows), whole)


def test_subnetworks_keep_the_embedding():
    network = network_of(**NOISES)
    twin, inputs = plain_twin(network), embedded(network)[0]
    for ours, expected in (
        (network.subnetwork(4)(X), twin.subnetwork(4)(inputs)),
        (network.with_scaling("classic")(X), twin.with_scaling("classic")(inputs)),
        (subnetwork_scores(network, X, k=3), subnetwork_scores(twin, inputs, k=3)),
    ):
        torch.testing.assert_close(ours, expected)
    for rule in (partial(bridle.predict_ensemble, k=4), bridle.predict_gaussian):
        torch.testing.assert_close(rule(network, X).std, rule(twin, inputs).std)
    some = Network([1, 2, 1], embedding=PeriodicEmbedding(1), input_noise=Dropout(keep_prob=0.5))
    shares = [share for share, _ in bridle.all_subnetworks(some)]
    assert len(shares) == 2**4
    assert sum(shares) == pytest.approx(1)


def test_what_looks_into_a_network_sees_the_embedded_inputs():
    network = network_of()
    twin, inputs = plain_twin(network), embedded(network)[0]
    y = torch.arange(9) % 3
    for layer in (0, 1):
        ours = bridle.co_adaptation(network, X, y, layer=layer)
        expected = bridle.co_adaptation(twin, inputs, y, layer=layer)
        np.testing.assert_allclose(ours.single, expected.single, atol=1e-9)
    assert layers_of_network(network, X) == layers_of_network(twin, inputs)
    squares = twin.weights[0][0].square().sum(1)
    expected = squares[:5].clone()
    expected[:2] += torch.stack([squares[5:8].sum(), squares[8:].sum()])
    torch.testing.assert_close(squares_of_inputs(network.embedding, network.weights[0]), expected)
    with pytest.raises(UsageError, match="embedding of its inputs, whose weights are no image"):
        bridle.feature_tiles(network)


def test_compaction_keeps_the_embedding():
    network = network_of()
    with torch.no_grad():
        network.weights[0][:, :, :3] = 0
        network.weights[0][:, 6] = 0
    small = bridle.compact(network, X).model
    assert small.sizes == (5, 4, 6, 3)
    torch.testing.assert_close(small(X), network(X))


def test_penalties_leave_the_embedding_out():
    network = network_of()
    optimizer = torch.optim.Adam(network.parameters())
    attached = bridle.attach(optimizer, {"*": bridle.L1(1e-2)}, model=network)
    assert "embedding" not in str(attached)
    before = {name: value.clone() for name, value in network.embedding.named_parameters()}
    for _ in range(3):
        network.zero_grad()
        sum(weight.sum() * 0 for weight in network.weights).backward()
        optimizer.step()
    for name, value in network.embedding.named_parameters():
        assert torch.equal(value, before[name])


def test_training_moves_the_embedding_with_and_without_compacted_steps(monkeypatch):
    found = []
    for compact in (True, False):
        if not compact:
            monkeypatch.setattr("bridle.networks.training.can_compact", lambda *_: False)
        network = network_of(hidden_noise=Dropout(keep_prob=0.5, shared=True))
        start = network.embedding.frequencies.clone()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for _ in range(5):
            bridle.train_step(network, (X, torch.arange(9) % 3), optimizer=optimizer)
        found.append(list(network.parameters()))
        assert not torch.equal(network.embedding.frequencies, start)
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected)
    assert shared_masks.can_compact  # what the second pass replaced is there


def test_train_learns_a_wave_that_a_plain_network_does_not():
    x = torch.linspace(-1, 1, 200)[:, None]
    y = torch.sin(20 * x[:, 0])
    losses = []
    for design in (None, PeriodicEmbedding(1, 2.0)):
        network = Network([1, 16, 1], seeds=1, embedding=design)
        data = bridle.Dataset(x, y)
        bridle.train(network, data, data, objective="squared_error", epochs=40, learning_rate=0.01)
        losses.append(float((bridle.predict(network, x)[0, :, 0] - y).square().mean()))
    assert losses[1] < 0.1 < losses[0]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PeriodicEmbedding(0), "numbers is 0; give an integer from 1 on"),
        (lambda: PeriodicEmbedding(2, waves=1.5), "waves is 1.5"),
        (lambda: PeriodicEmbedding(2, deviation=-1.0), "deviation is -1.0; give numbers from 0"),
        (lambda: PeriodicEmbedding(2, deviation=[0.1, torch.inf]), "deviation is"),
        *(
            (lambda each=each: PeriodicEmbedding(2, deviation=each), "deviation is .*give numbers")
            for each in ("a", "", [], None, True, [0.1, "b"], 10**400, SPREADS, SPREADS.numpy())
        ),
        (lambda: network_of(design=PeriodicEmbedding(6)), "of 6 numbers, but the network has 5"),
        (lambda: network_of(design=PeriodicEmbedding(2, [1.0, 2.0])), "2 deviations for 1 members"),
        (lambda: network_of(design=3), "embedding is 3; give a bridle.networks.PeriodicEmbedding"),
    ],
)
def test_bad_embeddings_are_refused(build, message):
    with pytest.raises(UsageError, match=message):
        build()
