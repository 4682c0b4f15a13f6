"""A search whose networks share weights: its model, its scores, and how it is resumed."""

import numpy as np
import pandas as pd
import pytest
import torch
from search_cases import FAST, SMALL, a_table, configured, make_data, make_population

import bridle
from bridle.errors import UsageError
from bridle.networks.population import Network
from bridle.search import Space
from bridle.search.final_model import held_out_outputs, network_of, refit
from bridle.search.job import Job, run_job
from bridle.search.plan import batch_size_for, plan_search
from bridle.search.trial import Trial

K = 3


def a_trial(data, **changes):
    """Return a trial that a job has trained."""
    configuration = configured(keep_prob=0.8, l1=1e-3, **changes)
    job = Job((configuration,), (4,), None, 0, 30, 2, 0, 0, 16, "accuracy")
    results, _ = run_job(data, job)
    trial = Trial(4, configuration)
    trial.record(results[0], 0)
    return trial


@pytest.mark.parametrize("classes", [0, 3])
def test_the_model_has_plain_networks_that_predict_the_same(classes):
    data = make_data(classes=classes)
    configurations = [configured(shared_members=K), configured(shared_members=K, keep_prob=0.5)]
    population = make_population(data, configurations)
    population.train(20)
    population.keep_best([0, 1])
    trials = []
    for at, configuration in enumerate(configurations):
        rows = slice(at * data.folds, (at + 1) * data.folds)
        state = {f"best.{i}": each[rows].numpy() for i, each in enumerate(population.best)}
        trials.append(Trial(at, configuration, 0, [20], [0.5], [0.5], (), state))
    network = network_of(data, trials, 0)
    assert type(network) is Network
    assert network.members == 2 * data.folds * K
    X = data.inputs[0]
    with population.averaged_weights() as shared:
        torch.testing.assert_close(network(X), shared(X, noise=False))
    held_out = held_out_outputs(data, network, 0, K)
    assert held_out.shape == (2 * K, len(data.y), data.outputs)
    groups = held_out.unflatten(0, (2, K))
    mean = groups.softmax(-1).mean(1).log() if classes else groups.mean(1)
    torch.testing.assert_close(mean, population.held_out_outputs(), rtol=1e-4, atol=1e-5)


def test_zeros_of_shared_weights_are_zeros_of_the_model():
    data = make_data()
    trial = a_trial(data, shared_members=K)
    first = trial.state["best.0"]
    first[:, ::2] = 0.0
    weights = network_of(data, [trial], 0).weights[0]
    assert weights.shape == (3 * K, 6, 16)
    assert bool((weights[:, ::2] == 0).all())


def test_a_refit_shares_weights_too():
    data = make_data()
    plan, _ = plan_search(
        data,
        [configured(shared_members=K)],
        seconds=None,
        configurations=9,
        epochs=2,
        memory=1e9,
        seed=0,
        scoring="accuracy",
        workers=1,
    )
    network = refit(data, [a_trial(data, shared_members=K)], plan)
    assert type(network) is Network
    assert network.members == 5 * K


def test_a_job_in_two_parts_is_the_job_in_one():
    data, configuration = make_data(), configured(shared_members=K, drop_connect_keep_prob=0.9)
    whole, _ = run_job(data, Job((configuration,), (1,), None, 0, 20, 2, 0, 0, 16, "accuracy"))
    half, _ = run_job(data, Job((configuration,), (1,), None, 0, 10, 1, 0, 0, 16, "accuracy"))
    states = (half[0].state,)
    rest, _ = run_job(data, Job((configuration,), (1,), states, 10, 20, 1, 1, 0, 16, "accuracy"))
    for name, value in whole[0].state.items():
        assert torch.equal(torch.from_numpy(rest[0].state[name]), torch.from_numpy(value)), name


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_search_answers_with_plain_networks(task):
    table = a_table()
    target = "y" if task == "classification" else "a"
    found = bridle.search(table, target, shared_members=2, **FAST)
    assert found.configuration.shared_members in (1, 2)
    assert set(found.configurations["shared_members"]) == {1, 2}
    shared = found.configurations[found.configurations["shared_members"] == 1]
    assert shared["id"].tolist() == [0]  # the network without regularization
    each = 3 * found.configuration.shared_members
    assert found.model.network.members == each * len(found.together)
    assert len(found.model.predict(table)) == len(table)


def test_a_model_of_shared_networks_is_saved_and_audited(tmp_path):
    found = bridle.search(a_table(), "y", shared_members=2, answer="refit", **FAST)
    bridle.save_model(found.model, tmp_path / "m.bridle")
    loaded = bridle.load(tmp_path / "m.bridle")
    pd.testing.assert_frame_equal(loaded.predict(a_table()), found.model.predict(a_table()))
    assert bridle.audit_model(loaded, a_table()).passed


def test_a_search_is_resumed_with_its_shared_members(tmp_path):
    def stop(progress):
        if progress.rung == 1:
            raise KeyboardInterrupt

    options = {"directory": tmp_path / "run", **FAST}
    bridle.search(a_table(), "y", shared_members=2, on_progress=stop, **options)
    with pytest.raises(UsageError, match=r"shared_members is 3, but the search in .* has 2"):
        bridle.search(a_table(), "y", shared_members=3, resume=True, **options)
    resumed = bridle.search(a_table(), "y", resume=True, **options)
    whole = bridle.search(a_table(), "y", shared_members=2, **FAST)
    pd.testing.assert_frame_equal(resumed.configurations, whole.configurations)
    assert resumed.scores == whole.scores


def test_a_search_of_single_networks_is_not_resumed_with_more(tmp_path):
    options = {"directory": tmp_path / "run", **FAST}
    bridle.search(a_table(), "y", **options)
    with pytest.raises(UsageError, match=r"shared_members is 2, but the search in .* has 1"):
        bridle.search(a_table(), "y", shared_members=2, resume=True, **options)


def test_the_number_of_shared_members_is_checked_before_the_table_is_read():
    for wrong in (0, 33):
        with pytest.raises(UsageError, match=f"shared_members is {wrong}; it must be 1 to 32"):
            bridle.search("no.csv", "y", shared_members=wrong)


def test_what_is_sampled_does_not_depend_on_shared_members():
    one, two = (Space((SMALL,), shared_members=k).sample(np.random.default_rng(0)) for k in (1, 2))
    assert one.with_shape(*two.shape) == two


def test_memory_counts_every_network_that_shares_weights():
    data = make_data(rows=2000)

    def trials_per_job(k):
        shape = configured(hidden=(64, 64), shared_members=k)
        plan, _ = plan_search(
            data,
            [shape],
            seconds=None,
            configurations=9,
            epochs=2,
            memory=60e6,
            seed=0,
            scoring="accuracy",
            workers=1,
        )
        assert plan.batch_size == batch_size_for(1333)
        return plan.trials_per_job

    assert trials_per_job(1) > trials_per_job(4) > trials_per_job(16)
