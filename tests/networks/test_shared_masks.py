"""Compact dropout: a step on the kept units is the step with the mask that the batch shares."""

import copy

import pytest
import torch

from bridle import L1, L2, Dropout, MaxNorm, Network, UsageError, train_step
from bridle.networks import shared_masks as module
from bridle.networks.shared_masks import can_compact

X = torch.randn(9, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Y = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2])


def _network(**options):
    noise = Dropout(keep_prob=0.5, shared=True, **options)
    return Network([6, 33, 40, 3], hidden_noise=noise, dtype=torch.float64)


def _sgd(network, **options):
    return torch.optim.SGD(network.parameters(), lr=0.1, **options)


@pytest.mark.parametrize("scaling", ["inverted", "classic"])
def test_a_step_equals_the_step_with_the_mask(scaling, monkeypatch):
    compact, masked = _network(scaling=scaling), _network(scaling=scaling)
    one, other = _sgd(compact), _sgd(masked)
    assert can_compact(compact, one, (), "proximal")
    for _ in range(5):
        loss = train_step(compact, (X, Y), optimizer=one)
        with monkeypatch.context() as patch:
            patch.setattr("bridle.networks.training.can_compact", lambda *_: False)
            expected = train_step(masked, (X, Y), optimizer=other)
        assert torch.allclose(loss, expected, rtol=1e-12)
        for a, b in zip(compact.parameters(), masked.parameters(), strict=True):
            assert a.shape == b.shape
            assert torch.allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam"])
def test_dropped_units_are_untouched_and_the_state_is_whole(kind):
    network = _network()
    options = {"momentum": 0.9} if kind == "SGD" else {}
    optimizer = getattr(torch.optim, kind)(network.parameters(), lr=0.01, **options)
    for _ in range(4):
        before = copy.deepcopy([p.detach() for p in network.parameters()])
        kept = module._kept_units(network, network.hidden_noise)
        train_step(network, (X, Y), optimizer=optimizer, penalties=[L1(1e-3), L2(1e-3)])
        for layer, weight in enumerate(network.weights):
            changed = (weight.detach() != before[layer])[0]
            inside = torch.zeros_like(changed)
            inside[kept[layer][:, None], kept[layer + 1]] = True
            assert not (changed & ~inside).any()
            assert changed.any()
    for parameter in network.parameters():
        for value in optimizer.state[parameter].values():
            if isinstance(value, torch.Tensor) and value.ndim:
                assert value.shape == parameter.shape


def test_penalties_keep_their_strength_on_average():
    """Steps that come more rarely are longer: over many steps weights shrink as without dropout."""
    network = _network()
    for parameter in network.parameters():
        torch.nn.init.ones_(parameter)
    optimizer = _sgd(network)
    zero = (torch.zeros(4, 6, dtype=torch.float64), torch.tensor([0, 1, 2, 0]))
    start = [weight.detach().clone() for weight in network.weights]
    weight = torch.zeros(4, dtype=torch.float64)  # a loss of nothing: only the penalty acts
    for _ in range(400):
        train_step(network, (*zero, weight), optimizer=optimizer, penalties=[L2(0.01)])
    for before, after in zip(start, network.weights, strict=True):
        rate = -(after.detach() / before).log().mean() / 400
        assert abs(rate - 0.1 * 0.01) < 0.1 * 0.1 * 0.01


def test_an_error_inside_leaves_the_network_whole():
    network = _network()
    optimizer = _sgd(network)
    shapes = [p.shape for p in network.parameters()]
    with pytest.raises(IndexError):
        train_step(network, (X, torch.tensor([7] * 9)), optimizer=optimizer)
    assert [p.shape for p in network.parameters()] == shapes


def test_a_graph_that_is_still_held_is_in_nobody_s_way():
    network, twin = _network(), _network()
    optimizer, other = _sgd(network), _sgd(twin)
    held = network(X).sum()
    loss = train_step(network, (X, Y), optimizer=optimizer)
    assert torch.equal(loss, train_step(twin, (X, Y), optimizer=other))
    assert all(map(torch.equal, network.parameters(), twin.parameters()))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        held.backward()  # the weights that it was made of are gone, as after any other step


def test_where_it_cannot_compact_it_multiplies_by_the_mask():
    network = _network()
    assert not can_compact(network, _sgd(network), [MaxNorm(1.0)], "proximal")
    assert not can_compact(network, _sgd(network), [L2(0.1)], "coupled")
    assert not can_compact(network, torch.optim.Adadelta(network.parameters()), (), "proximal")
    pair = Network([6, 8, 3], seeds=[0, 1], hidden_noise=Dropout(keep_prob=0.5, shared=True))
    adam = torch.optim.Adam(pair.parameters())
    batch = (X.float(), Y)
    train_step(pair, batch, optimizer=adam, penalties=[L1(1e-3)])
    with pytest.raises(UsageError, match="euclidean"):
        train_step(pair, batch, optimizer=adam, penalties=[L1(1e-3)], metric="adaptive")


def test_every_unit_may_be_dropped():
    network = Network([6, 3, 3, 3], hidden_noise=Dropout(keep_prob=1e-5, shared=True))
    loss = train_step(network, (X.float(), Y), optimizer=_sgd(network))
    assert loss.isfinite().all()
