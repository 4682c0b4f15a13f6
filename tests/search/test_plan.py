"""The plan of a search: budget, memory and devices."""

import re
import time
from contextlib import nullcontext

import pytest
import torch
from search_cases import SMALL, a_table, make_data

import bridle
from bridle.errors import UsageError
from bridle.search import PLAIN, plan as planning
from bridle.search.budget import memory_for, memory_in_bytes, seconds_of
from bridle.search.data import check_device
from bridle.search.plan import plan_search
from bridle.search.reserve import evidence_seconds, measured_load
from bridle.search.step_timing import Costs


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("2m", 120), ("1.5h", 5400), (7, 7)])
def test_budgets(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "0", "-3s", "1d", "1.2.3m", "nan"])
def test_budgets_that_are_none(text):
    with pytest.raises(UsageError, match="give a time such as 90s, 2m or 1h"):
        seconds_of(text)


def plan(data, **changes):
    given = {"seconds": None, "configurations": 20, "epochs": 5, "memory": 1e9}
    given |= {"seed": 0, "scoring": "accuracy", "workers": 1}
    return plan_search(data, [PLAIN.with_shape(SMALL, 0)], **given | changes)[0]


def test_little_memory_cuts_the_search_into_smaller_jobs():
    data = make_data()
    assert plan(data).trials_per_job == 8
    small = plan(data, memory=1.5e6)
    assert small.trials_per_job < 8
    with pytest.raises(UsageError, match=r"memory is 1e-06GB, but .* one configuration"):
        plan(data, memory=memory_in_bytes("1KB"))
    with pytest.raises(UsageError, match="memory is 'much'"):
        memory_in_bytes("much")


def test_a_gpu_has_more_memory_by_default_and_half_of_it_at_most(monkeypatch):
    assert memory_for("1KB", "cuda") == 1e3
    assert memory_for(None, "cpu") == 2e9
    for free, most in ((64e9, 8e9), (6e9, 3e9)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda free=free: (free, 80e9))
        assert memory_for(None, "cuda") == most


def test_a_budget_too_short_says_how_long_it_takes():
    message = r"the smallest search takes .* on this machine: give \d+ s more"
    with pytest.raises(UsageError, match=message):
        plan(make_data(), configurations=None, seconds=1e-4)


@pytest.mark.parametrize("share", [0.94, 0.8])
def test_the_time_that_is_advised_is_enough(monkeypatch, share):
    """Also if a share of it is reserved, and gradient boosting then takes a tenth."""
    monkeypatch.setattr(planning, "measure_costs", lambda *_, **__: Costs(0.0, 0.02, 0.1))
    given = {"configurations": None, "epochs": 5, "memory": 1e9, "seed": 0, "workers": 1}
    given |= {"scoring": "accuracy", "test_rows": 500, "share": share}
    shapes = [PLAIN.with_shape(SMALL, 0)]
    budget, imports = 12.0, 5.0
    left = budget * share - imports
    with pytest.raises(UsageError) as caught:
        plan_search(make_data(), shapes, seconds=left, budget=budget, **given)
    budget += int(re.search(r"give (\d+) s more", str(caught.value))[1])
    left = budget * share - imports - budget / 10
    assert plan_search(make_data(), shapes, seconds=left, budget=budget, **given)[0]


def timed(monkeypatch):
    """Let steps, evaluations and load be those of a machine that is always the same."""
    costs = Costs(fixed=0.0, step=1e-3, evaluation=1e-4)
    monkeypatch.setattr(planning, "measure_costs", lambda *args, **options: costs)
    monkeypatch.setattr(planning, "measured_load", lambda: nullcontext(lambda: 1.0))
    return costs


def test_time_is_kept_for_the_rows_that_the_answer_predicts(monkeypatch):
    data, costs = make_data(), timed(monkeypatch)
    given = {"seconds": 1e3, "configurations": None, "epochs": 5, "memory": 1e9}
    given |= {"seed": 0, "scoring": "accuracy", "workers": 1}
    shapes = [PLAIN.with_shape(SMALL, 0)]
    few, many = (plan_search(data, shapes, **given, test_rows=n)[1] for n in (0, 10**6))
    networks = (planning.ENSEMBLE_SIZE + 1) * data.folds
    of_rows = networks * costs.evaluation * 10**6 / int(data.scored.sum())
    assert many - few == pytest.approx(of_rows)


def test_more_time_is_more_configurations(monkeypatch):
    timed(monkeypatch)
    data = make_data()
    short = plan(data, configurations=None, seconds=2.0, epochs=200)
    long = plan(data, configurations=None, seconds=200.0, epochs=200)
    assert short.configurations < long.configurations
    assert short.steps[-1] <= long.steps[-1]


def test_time_is_kept_for_refits_and_evidence(monkeypatch):
    timed(monkeypatch)
    given = {"seconds": 1e3, "configurations": None, "epochs": 50, "memory": 1e9}
    given |= {"seed": 0, "scoring": "accuracy", "workers": 1}
    shapes = [PLAIN.with_shape(SMALL, 0)]
    once, more = (plan_search(make_data(), shapes, **given, refits=n)[1] for n in (0, 100))
    assert once < more
    common = {"outputs": 2, "load": 2.0}
    idle, loaded = (
        evidence_seconds(1e3, 30, test_rows=9, scoring="accuracy", outputs=2, load=load)
        for load in (1.0, 2.0)
    )
    assert loaded == 2 * idle
    assert evidence_seconds(1e3, 30, test_rows=9, scoring="roc_auc", **common) > loaded
    assert evidence_seconds(2.0, 30, test_rows=9, scoring="roc_auc", **common) <= 0.3


def test_the_load_is_how_much_longer_work_takes():
    with measured_load() as load:
        time.sleep(0.05)
    assert 2 < load() <= 10


def test_devices(monkeypatch):
    with pytest.raises(
        UsageError, match="device is 'tpu'; it must be one of 'auto', 'cpu', 'cuda'"
    ):
        check_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert check_device("auto") == "cpu"
    with pytest.raises(UsageError, match="finds no GPU here"):
        bridle.search(a_table(), "y", device="cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert check_device("auto") == "cuda"
