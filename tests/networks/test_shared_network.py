"""Networks that share weights: their masks, the fold into plain ones, and the arithmetic."""

import numpy as np
import pytest
import torch

import bridle
from bridle.errors import UsageError
from bridle.networks.shared_members import SharedNetwork, average_shared, shared_seeds
from bridle.ops.masks import keep_mask

K, STEP, HALF = 3, 5, torch.tensor([32768])
NOISES = {
    "hidden_noise": bridle.Dropout(keep_prob=0.5),
    "input_noise": bridle.Dropout(keep_prob=0.5),
    "weight_noise": bridle.DropConnect(keep_prob=0.5),
}


def shared_network(sizes=(6, 9, 8, 3), members=2, k=K, **noises):
    network = SharedNetwork(sizes, seeds=list(range(7, 7 + members)), shared_members=k, **noises)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for each in (*network.input_scales, *network.output_scales, *network.offsets):
            each += 0.3 * torch.randn(each.shape, generator=generator)
    network.steps.fill_(STEP)
    return network


def kept(seed, stream, rows, units):
    """Return the mask of an address, with the factor of inverted scaling."""
    address = torch.tensor([[seed, stream, STEP]])
    return 2.0 * keep_mask(address, torch.arange(rows)[None], units, HALF)[0]


def written_out(network, X, member, j, *, noise):
    """Return the outputs of a network, ``((x ⊙ r) W) ⊙ s + b`` layer by layer."""
    seed = shared_seeds(7 + member, network.shared_members)[j]
    hidden, last = X, len(network.shared) - 1
    for layer, shared in enumerate(network.shared):
        weight = shared[member, j] if layer == last else shared[member]
        if noise:
            hidden = hidden * kept(seed, 2 * layer, *hidden.shape)
            weight = weight * kept(seed, 2 * layer + 1, 1, weight.numel()).view_as(weight)
        if layer == last:
            return hidden @ weight + network.offsets[layer][member, j]
        hidden = (hidden * network.input_scales[layer][member, j]) @ weight
        hidden = hidden * network.output_scales[layer][member, j]
        hidden = torch.relu(hidden + network.offsets[layer][member, j])
    raise AssertionError


@pytest.mark.parametrize("sizes", [(6, 9, 8, 3), (6, 3)])
@pytest.mark.parametrize("noise", [True, False])
def test_each_network_has_its_adapters_and_the_masks_of_its_address(sizes, noise):
    network = shared_network(sizes, **NOISES)
    X = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    found = network(X, noise=noise)
    assert found.shape == (2 * K, 5, 3)
    for at, outputs in enumerate(found):
        expected = written_out(network, X, *divmod(at, K), noise=noise)
        torch.testing.assert_close(outputs, expected)


def test_gradients_are_those_of_the_formula_written_out():
    network = shared_network(**NOISES)
    X = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    parameters = list(network.parameters())
    found = torch.autograd.grad(network(X, noise=True).square().sum(), parameters)
    outputs = [written_out(network, X, *divmod(at, K), noise=True) for at in range(2 * K)]
    expected = torch.autograd.grad(torch.stack(outputs).square().sum(), parameters)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_the_first_networks_seed_is_the_members_and_the_others_differ():
    seeds = shared_seeds(7, 32)
    assert seeds[0] == 7
    assert len(set(seeds)) == 32
    assert seeds[1] == int(np.random.SeedSequence([7, 1]).generate_state(1)[0])
    assert shared_network().seeds.tolist() == [*shared_seeds(7, K), *shared_seeds(8, K)]
    network = shared_network(hidden_noise=NOISES["hidden_noise"])
    masks = [kept(seed, 2, 4, 64) for seed in network.seeds[:K].tolist()]
    assert not torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[1], masks[2])


def test_networks_start_from_signs_of_the_inputs_and_their_own_outputs():
    network = SharedNetwork([40, 9, 8, 3], seeds=[7], shared_members=K)
    first, second = network.input_scales
    assert set(first.unique().tolist()) == {-1.0, 1.0}
    assert not torch.equal(first[0, 0], first[0, 1])
    assert bool((second == 1).all())
    assert all(bool((each == 1).all()) for each in network.output_scales)
    assert not torch.equal(network.shared[2][0, 0], network.shared[2][0, 1])
    plain = bridle.Network([40, 9, 8, 3], seeds=[7])
    assert torch.equal(network.shared[1], plain.weights[1])


@pytest.mark.parametrize("noise", [True, False])
def test_folded_networks_give_the_same_outputs_and_keep_zeros(noise):
    network = shared_network(**NOISES)
    with torch.no_grad():
        network.shared[0][:, ::2] = 0.0
    folded = network.folded()
    X = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(folded(X, noise=noise), network(X, noise=noise))
    assert bool((folded.weights[0][:, ::2] == 0).all())
    assert folded.steps.tolist() == [STEP] * 2 * K


def test_the_average_is_of_probabilities_or_of_values():
    outputs = torch.randn(2 * K, 5, 3, generator=torch.Generator().manual_seed(0))
    groups = outputs.view(2, K, 5, 3)
    found = average_shared(outputs, K, classes=True).exp()
    torch.testing.assert_close(found, groups.softmax(-1).mean(1))
    torch.testing.assert_close(average_shared(outputs, K, classes=False), groups.mean(1))


def test_too_many_networks_and_a_wrong_number_of_keep_probabilities_are_refused():
    for k in (0, 33, 2.0, None, "3", True):
        with pytest.raises(UsageError, match=f"shared_members is {k!r}; it must be 1 to 32"):
            SharedNetwork([4, 3], seeds=[0], shared_members=k)
    two = bridle.Dropout(keep_prob=torch.tensor([0.5, 0.6]))
    with pytest.raises(UsageError, match="2 keep probabilities for 6 members"):
        SharedNetwork([4, 5, 3], seeds=[0, 1], shared_members=3, hidden_noise=two)


def test_what_only_the_search_trains_is_refused_and_its_plain_networks_are_trained():
    network = shared_network()
    X, y = torch.randn(12, 6), torch.arange(12) % 3
    data, optimizer = bridle.Dataset(X, y), torch.optim.SGD(network.parameters(), lr=0.1)
    with pytest.raises(UsageError, match=r"train the plain population that network\.folded"):
        bridle.train(network, data, data, epochs=1)
    with pytest.raises(UsageError, match=r"train the plain population that network\.folded"):
        bridle.train_step(network, (X, y), optimizer=optimizer)
    assert bridle.train(network.folded(), data, data, epochs=1).train_loss.shape == (1, 2 * K)
