"""The ablation of a report, checked against fits with the same strengths."""

import pandas as pd
import pytest
import torch

import bridle as library
from conftest import CREDIT


@pytest.fixture(scope="module")
def fitted():
    recipe = library.Recipe(hidden=(16, 16), epochs=8, learning_rate=0.01, patience=3)
    return library.fit(CREDIT, "class", recipe=recipe)


@pytest.fixture(scope="module")
def ablation(fitted):
    return library.ablate(fitted.model, CREDIT, factors=(1, 100))


def test_ablation_has_the_networks_of_the_fit(fitted, ablation):
    for label, member in (("plain", 0), ("all together, as fitted", 1)):
        for ours, theirs in zip(ablation.weights(label), fitted.population.weights, strict=True):
            # to rounding: a product's sums may be in another order in a larger population
            assert torch.allclose(ours, theirs[member].detach(), atol=1e-4)
    for role, network in (("plain", fitted.plain), ("together", fitted.regularized)):
        ours = ablation.of(role)[0].judgement
        theirs = network.diagnosis
        gap = theirs.training.value - theirs.held_out.value
        assert ours.gap.value == pytest.approx(gap, abs=0.011)


def test_each_alone_is_what_fit_gives_with_that_strength_alone(fitted, ablation):
    recipe = library.Recipe(hidden=(16, 16), epochs=8, learning_rate=0.01, patience=None)
    for at, strengths in enumerate(({"l1": 1e-4}, {"l2": 1e-3}, {"keep_prob": 0.5})):
        alone = library.fit(
            CREDIT, "class", recipe=recipe, strengths=library.Strengths(**strengths)
        )
        ours = ablation.of("alone")[at]
        theirs = alone.regularized.diagnosis.held_out.value
        assert ours.judgement.held_out.value == pytest.approx(theirs, abs=0.011)
        weights = torch.cat([w.detach().flatten() for w in alone.model.network.weights])
        assert ours.zeros == pytest.approx(float((weights == 0).double().mean()), abs=0.002)


def test_paths_reach_a_network_of_zeros(ablation):
    weak, strong = ablation.of("L1 path")
    assert weak.strengths.l1 < strong.strengths.l1
    assert weak.zeros < strong.zeros
    assert strong.judgement.training.value <= weak.judgement.training.value


def test_ablation_refuses(fitted):
    with pytest.raises(library.UsageError, match="factors above 0"):
        library.ablate(fitted.model, CREDIT, factors=(0.0,))
    bare = library.TableModel(
        fitted.model.network, fitted.model.encoder, fitted.model.target, "class"
    )
    with pytest.raises(library.UsageError, match="has no record of its regularizers"):
        library.ablate(bare, CREDIT)
    with pytest.raises(library.UsageError, match="no network has the label 'L3'"):
        library.ablate(fitted.model, CREDIT, factors=(1,), steps=1).weights("L3")


def test_rows_to_ablate_are_spread_over_a_sorted_table():
    frame = pd.read_csv(CREDIT).sort_values("class")
    recipe = library.Recipe(hidden=(4,), epochs=1)
    model = library.fit(frame, "class", recipe=recipe).model
    found = library.ablate(model, frame, rows=100, factors=(1,))
    assert found.rows == {"training": 100, "held out": 50}
    assert 0.6 < found.networks[0].judgement.baseline < 0.8  # of 50 rows; 0.7 of the table
