"""Evaluations by the compiled pass against those by torch, and what falls back to it."""

import pytest
import torch

from bridle import L1, L2, Dataset, DropConnect, Dropout, ElasticNet, Network, predict
from bridle.networks import PeriodicEmbedding, evaluation
from bridle.networks.noise_off import compiled_fits, outputs_of
from bridle.networks.objectives import CrossEntropy, SquaredError
from bridle.networks.stopping import BestWeights
from bridle.networks.training import train, train_keeping
from bridle.ops.cpu import multiplies

needs_kernels = pytest.mark.skipif(not multiplies(), reason="no kernels for products")
NOISES = {
    "hidden_noise": Dropout(keep_prob=torch.tensor([0.5, 1.0])),
    "input_noise": Dropout(keep_prob=0.8, shared=True),
    "weight_noise": DropConnect(keep_prob=0.7),
}


@needs_kernels
@pytest.mark.parametrize("rows", [1, 513, 600])
@pytest.mark.parametrize("more", [{}, NOISES, {"embedding": PeriodicEmbedding(2, 3, 4)}])
def test_outputs_are_those_of_torch_to_rounding(rows, more):
    network = Network([6, 33, 17, 3], seeds=[1, 2], **more)
    X = torch.randn(rows, 6, generator=torch.Generator().manual_seed(0))
    assert compiled_fits(network, X)
    found, expected = outputs_of(network, X), predict(network, X)
    torch.testing.assert_close(found, expected.detach(), atol=2e-6, rtol=2e-6)
    assert not found.requires_grad


@needs_kernels
@pytest.mark.parametrize("task", ["classes", "values"])
def test_losses_scores_and_penalties_are_those_of_torch_to_rounding(monkeypatch, rng, task):
    X = torch.from_numpy(rng.normal(size=(90, 6))).float()
    data = Dataset(X, (X[:, 0] > 0).long(), torch.rand(90)) if task == "classes" else None
    data = data or Dataset(X, X[:, 0] ** 2)
    objective = CrossEntropy() if task == "classes" else SquaredError()
    network = Network([6, 20, 2 if task == "classes" else 1], seeds=[1, 2], **NOISES)
    penalties = [
        L1(torch.tensor([1e-3, 0.0], dtype=torch.float64)),
        L2(1e-2),
        ElasticNet(1e-4, 0.0),
    ]
    arguments = network, data, data, objective
    found = evaluation.evaluate_epoch(*arguments, penalties)
    monkeypatch.setattr(evaluation, "outputs_of", lambda network, X: predict(network, X).detach())
    expected = evaluation.evaluate_epoch(*arguments, penalties)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
    by_value = [
        sum(p.value(w[m].double()) for w in network.weights for p in parts)
        for m, parts in enumerate([[L1(1e-3), *penalties[1:]], penalties[1:]])
    ]
    torch.testing.assert_close(found[5], torch.stack(by_value).detach(), atol=0, rtol=1e-9)


def test_other_networks_are_evaluated_by_torch():
    X = torch.randn(5, 6)
    hooked = Network([6, 9, 3])
    hooked.register_forward_hook(lambda *_: torch.zeros(1, 5, 3))
    others = {
        "tanh": (Network([6, 9, 3], activation="tanh"), X),
        "double": (Network([6, 9, 3], dtype=torch.float64), X.double()),
        "classic": (Network([6, 9, 3], hidden_noise=Dropout(keep_prob=0.5, scaling="classic")), X),
        "rows of each member": (Network([6, 9, 3], seeds=[1, 2]), X.expand(2, -1, -1)),
        "columns": (Network([6, 9, 3]), X.T.contiguous().T),
        "hooks": (hooked, X),
    }
    for name, (network, rows) in others.items():
        assert not compiled_fits(network, rows), name
        assert torch.equal(outputs_of(network, rows), predict(network, rows)), name


@needs_kernels
def test_members_that_differ_in_their_patience_alone_are_trained_once(rng):
    X = torch.from_numpy(rng.normal(size=(80, 6))).float()
    y = (X[:, 0] + torch.from_numpy(rng.normal(size=80)) > 0).long()
    parts = Dataset(X[:40], y[:40]), Dataset(X[40:], y[40:])
    options = {"epochs": 25, "batch_size": 8, "learning_rate": 1e-2, "seed": 3}
    keep, patience = torch.tensor([1.0, 0.5, 1.0]), [None, 4, 4]
    networks = [
        Network([6, 30, 2], seeds=[7, 7, 7], hidden_noise=Dropout(keep_prob=keep)) for _ in range(2)
    ]
    expected = train(
        networks[0],
        *parts,
        penalties=[L1(torch.tensor([0.0, 1e-3, 0.0]))],
        patience=patience,
        **options,
    )
    best = BestWeights(networks[1], patience, trained=networks[1].take([0, 1]), source=[0, 1, 0])
    found = train_keeping(
        best,
        *parts,
        objective="cross_entropy",
        penalties=[L1(torch.tensor([0.0, 1e-3]))],
        on_epoch=None,
        **options,
    )
    for name in ("train_loss", "held_out_loss", "noise", "penalty", "epochs_kept"):
        assert (getattr(found, name) == getattr(expected, name)).all(), name
    assert found.epochs_kept[0] == 25 > found.epochs_kept[2]
    for ours, theirs in zip(
        networks[1].state_dict().items(), networks[0].state_dict().items(), strict=True
    ):
        assert torch.equal(ours[1], theirs[1]), ours[0]
    assert not networks[1].training
