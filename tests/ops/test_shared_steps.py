"""The compiled steps of networks that share weights, beside the same steps in torch."""

from dataclasses import replace

import pytest
import torch
from test_population import ALL, CONFIGURATIONS, FUSED, SOME, data_of, state_of

from bridle import Network
from bridle.errors import UsageError
from bridle.networks import PeriodicEmbedding
from bridle.search.configuration import Configuration
from bridle.search.trial_population import TrialPopulation

pytestmark = pytest.mark.skipif(not FUSED, reason="needs AVX2, AVX-512 or NEON")


def trained(data, steps, configurations=CONFIGURATIONS, hidden=(40, 33), k=3):
    shaped = [each.with_shape(hidden, 0, shared_members=k) for each in configurations]
    population = TrialPopulation(data, shaped, range(len(shaped)), seed=3, batch_size=19)
    for some in steps:
        population.train(some)
    return population


@pytest.mark.parametrize("hidden", [(40, 33), (), (7,), (130, 64, 5)])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_steps_are_those_of_torch(using, classes, hidden):
    data = data_of(classes)
    using("torch")
    expected = state_of(trained(data, (1, 4), hidden=hidden))
    for name in FUSED:
        using(name)
        found = state_of(trained(data, (1, 4), hidden=hidden))
        assert found.keys() == expected.keys()
        for what, value in expected.items():
            torch.testing.assert_close(
                found[what], value, rtol=2e-4, atol=1e-4, msg=lambda m, said=what: f"{said}: {m}"
            )


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("configuration", [ALL, SOME, Configuration()], ids=["all", "some", "none"])
def test_the_gradient_is_autograds(using, classes, configuration):
    """After one step Adam's first moment is a tenth of the gradient."""
    data, moments = data_of(classes), {}
    for name in ("torch", FUSED[0]):
        using(name)
        moments[name] = trained(data, (1,), [configuration]).moments
    for found, expected in zip(moments[FUSED[0]], moments["torch"], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)
        assert bool(found.any())


def test_a_member_has_the_same_bits_whatever_trains_beside_it_and_on_any_threads():
    data, threads = data_of(3), torch.get_num_threads()
    together = state_of(trained(data, (6,)))
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            alone = state_of(trained(data, (2, 4), CONFIGURATIONS[:1]))
            for what, value in alone.items():
                assert torch.equal(value, together[what][:3]), what
    finally:
        torch.set_num_threads(threads)


def test_an_embedding_is_refused(monkeypatch):
    population = trained(data_of(0), (1,))
    embedded = Network([21, 4, 1], seeds=[0], embedding=PeriodicEmbedding(2, [0.1]))
    monkeypatch.setattr(type(population.network), "embedding", embedded.embedding)
    with pytest.raises(UsageError, match="3 networks share weights and have an embedding"):
        population.train(1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("classes", [0, 3])
def test_a_gpu_takes_the_same_steps(using, classes):
    data = data_of(classes)
    using("torch")
    expected = state_of(trained(data, (5,)))
    found = state_of(trained(replace(data, device="cuda"), (5,)))
    for what, value in expected.items():
        torch.testing.assert_close(found[what].cpu(), value, rtol=2e-4, atol=1e-4, msg=what)
