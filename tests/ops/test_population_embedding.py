"""The compiled steps of a population with an embedding, beside the same steps in torch."""

from dataclasses import replace

import pytest
import torch
from test_population import ALL, FUSED, SOME, data_of

from bridle import Network, predict
from bridle.networks import PeriodicEmbedding
from bridle.networks.embedding import first_inputs
from bridle.search.configuration import Configuration
from bridle.search.trial_population import TrialPopulation

CONFIGURATIONS = (ALL, SOME, Configuration())
GROUPS = ("parameters", "moments", "squares", "average")

pytestmark = pytest.mark.skipif(not FUSED, reason="needs AVX2, AVX-512 or NEON")


def population_of(classes, configurations=CONFIGURATIONS, ids=None, features=21, batch_size=19):
    data = replace(data_of(classes, features=features), numbers=5)
    shaped = [
        replace(each, hidden=(40, 33), embedding=0.2 + at) for at, each in enumerate(configurations)
    ]
    ids = range(len(shaped)) if ids is None else ids
    return TrialPopulation(data, shaped, ids, seed=3, batch_size=batch_size)


def trained(steps, *arguments, **options):
    population = population_of(*arguments, **options)
    for some in steps:
        population.train(some)
    return {name: [each.detach().clone() for each in getattr(population, name)] for name in GROUPS}


# 140 features: the mask of the embedding's outputs does not begin in the first group of a row
@pytest.mark.parametrize(("features", "batch_size"), [(21, 19), (140, 16)])
@pytest.mark.parametrize("classes", [0, 3])
def test_gradients_of_a_step_are_those_of_autograd(using, classes, features, batch_size):
    using("torch")
    expected = trained((1,), classes, features=features, batch_size=batch_size)
    for name in FUSED:
        using(name)
        found = trained((1,), classes, features=features, batch_size=batch_size)
        for ours, theirs in zip(found["moments"], expected["moments"], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("classes", [0, 3])
def test_steps_are_those_of_torch(using, classes):
    quiet = replace(Configuration(), keep_prob=0.8, learning_rate=3e-3)
    using("torch")
    expected = trained((1, 10, 9), classes, configurations=[quiet])
    for name in FUSED:
        using(name)
        found = trained((1, 10, 9), classes, configurations=[quiet])
        for group in GROUPS:
            for ours, theirs in zip(found[group], expected[group], strict=True):
                torch.testing.assert_close(ours, theirs, rtol=2e-4, atol=1e-4)


def test_all_variants_give_the_same_bits(using):
    found = []
    for name in FUSED:
        using(name)
        found.append(trained((20,), 3))
    for other in found[1:]:
        for group in GROUPS:
            assert all(map(torch.equal, other[group], found[0][group]))


def test_a_member_has_the_same_bits_whatever_trains_beside_it_and_on_any_threads():
    before = torch.get_num_threads()
    together = trained((20,), 3, ids=[4, 8, 2])
    torch.set_num_threads(1)
    try:
        alone = trained((3, 17), 3, ids=[4], configurations=[ALL])
    finally:
        torch.set_num_threads(before)
    for group in GROUPS:
        for ours, expected in zip(alone[group], together[group], strict=True):
            assert torch.equal(ours, expected[:3])


def test_numbers_of_many_turns_have_the_cosine_of_the_rest(using):
    found = []
    for name in ("torch", FUSED[0]):
        using(name)
        population = population_of(0, configurations=[Configuration()])
        with torch.no_grad():
            population.network.embedding.frequencies.mul_(1000)
        population.train(1)
        found.append(population.moments)
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("rows", [1, 15, 128, 129, 300])
def test_predictions_are_those_of_float64(using, rows):
    network = Network([7, 5, 2], seeds=[1, 2, 3], embedding=PeriodicEmbedding(4, [0.1, 1.0, 9.0]))
    X = torch.randn(rows, 7, generator=torch.Generator().manual_seed(0))
    exact = predict(network.take(range(3)).double(), X.double())
    found = []
    for name in ["torch", *FUSED]:
        using(name)
        found.append(predict(network, X))
        torch.testing.assert_close(found[-1].double(), exact, rtol=1e-4, atol=2e-5)
    assert all(torch.equal(other, found[1]) for other in found[2:])
    using(FUSED[0])
    before, places = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            with torch.no_grad():
                places.append(first_inputs(network.embedding, X.expand(3, -1, -1)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*places)


def test_what_is_no_number_stays_with_its_member():
    population = population_of(3)
    with torch.no_grad():
        population.network.embedding.shifts[0, 0, 0] = torch.nan
    population.train(3)
    assert bool(population.parameters[0][0].isnan().any())
    assert all(bool(p[1:].isfinite().all()) for p in population.parameters)
