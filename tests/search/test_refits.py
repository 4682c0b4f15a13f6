"""Configurations that are trained again on all rows."""

from dataclasses import replace

import pytest
import torch
from search_cases import FAST, a_table, configured, make_data, make_plan

import bridle
from bridle.networks.population import predict
from bridle.search.final_model import refit
from bridle.search.plan import REFITS, refits_of_each
from bridle.search.trial import Trial


def trials_of(data, *configurations, step=20):
    """Return trials whose best evaluation was at a step."""
    return [
        Trial(at, each, 2, [step], [0.5], [0.5]) for at, each in enumerate(configurations) if step
    ]


def test_each_configuration_is_trained_as_often_as_in_its_best_step():
    data = make_data(classes=0)
    trials = trials_of(data, configured(), configured(learning_rate=5e-3, keep_prob=0.8))
    trials[1].steps = [40]
    network = refit(data, trials, make_plan())
    assert network.steps.tolist() == [30] * 3 + [60] * 3  # two of three rows are in a fold
    alone = refit(data, trials[:1], make_plan())
    assert alone.members == REFITS
    for one, both in zip(alone.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(one[:3], both[:3], rtol=0, atol=0)


@pytest.mark.parametrize("count", range(1, 9))
def test_there_are_at_least_five_networks(count):
    networks = count * refits_of_each(count)
    assert REFITS <= networks < REFITS + count


def test_networks_of_other_inputs_predict_the_same_together():
    data = make_data(classes=0)
    wide = torch.cat([data.inputs[0], torch.rand(len(data.y), 4)], 1)
    data = replace(data, inputs={0: data.inputs[0], 4: wide})
    plain, binned = trials_of(data, configured(), configured(bins=4, keep_prob=0.9))
    plan = make_plan()
    first = predict(refit(data, [plain], plan), data.inputs[0])[:3]
    second = predict(refit(data, [binned, plain], plan), wide)
    assert second.shape == (6, 120, 1)
    together = predict(refit(data, [plain, binned], plan), wide)
    torch.testing.assert_close(together[:3], first, rtol=1e-4, atol=1e-5)


def test_the_configurations_of_the_average_are_trained_again(tmp_path):
    table = a_table().drop(columns="y")
    given = FAST | {"configurations": 30}
    found, again = (bridle.search(table, "a", **given, answer="refit") for _ in range(2))
    count = len(found.together)
    assert 2 <= count <= 4
    assert found.model.network.members == count * refits_of_each(count)
    assert f"average of the {count} best of 30 configurations, refitted on all" in found.verdict
    assert found.optimism is None
    for one, other in zip(
        found.model.network.parameters(), again.model.network.parameters(), strict=True
    ):
        assert torch.equal(one, other)
    averaged = bridle.search(table, "a", **given, answer="ensemble")
    assert averaged.together == found.together
    assert averaged.metrics["held out"] == found.metrics["held out"]
    bridle.save_model(found.model, tmp_path / "m.bridle")
    predicted = bridle.load(tmp_path / "m.bridle").predict(table)
    assert predicted.equals(found.model.predict(table))
    assert bridle.audit_model(found.model, table).passed
