"""The training of the papers' benchmarks: it resumes bit for bit, and columns do not interact."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch

from bridle.errors import DataError, UsageError
from conftest import ROOT

PAPERS = ROOT / "benchmarks" / "papers"
if not PAPERS.exists():
    pytest.skip("the benchmarks are not in this copy", allow_module_level=True)
sys.path.insert(0, str(PAPERS))

import populations  # noqa: E402
import srivastava_recipe  # noqa: E402
import wan2013  # noqa: E402

Column, Plan = populations.Column, populations.Plan


def test_orders_are_functions_of_the_step_and_see_each_row_once():
    order = populations.Orders(30, seed=3)
    seen = torch.cat([order.at(step, 12) for step in range(5)])
    for epoch in range(2):
        assert sorted(seen[30 * epoch : 30 * (epoch + 1)].tolist()) == list(range(30))
    assert torch.equal(populations.Orders(30, seed=3).at(4, 12), seen[48:])
    assert not torch.equal(seen[:30], seen[30:])


COLUMNS = (
    Column("none"),
    Column("many", keep_prob=0.5, input_keep_prob=0.8, l1=1e-3, l2=1e-2, max_norm=1.0),
    Column("DropConnect", drop_connect_keep_prob=0.5),
)
PLANS = {
    "sgd": Plan((4, 6, 3), populations.crossed(COLUMNS, (0, 1)), ((4, 0.1), (4, 0.01))),
    "adam": Plan((4, 6, 3), populations.crossed(COLUMNS, (0, 1)), ((8, 0.01),), adam=True),
    "examples": Plan(
        (4, 6, 3),
        populations.crossed(COLUMNS, (0,)),
        ((8, 0.1),),
        per_example=True,
        scaling="classic",
    ),
}


def batches(step):
    generator = torch.Generator().manual_seed(step)
    return torch.randn(5, 4, generator=generator), torch.randint(3, (5,), generator=generator)


@pytest.mark.parametrize("name", PLANS)
def test_an_interrupted_run_ends_with_the_same_bits(name, tmp_path):
    plan = PLANS[name]
    whole = populations.train(plan, batches, data="x")

    def interrupted(step):
        if step == 5:
            raise KeyboardInterrupt
        return batches(step)

    path = tmp_path / "folder" / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        populations.train(plan, interrupted, data="x", checkpoint=path, save_every=0)
    resumed = populations.Population(plan)
    resumed.load(path, plan.fingerprint("x"))
    assert resumed.step == 5
    finished = populations.train(plan, batches, data="x", checkpoint=path, save_every=0)
    for key, value in whole.network.state_dict().items():
        assert torch.equal(value, finished.network.state_dict()[key]), key
    # what is finished is not trained again
    populations.train(plan, interrupted, data="x", checkpoint=path)


CHILD = """
import sys, time
from pathlib import Path
import torch
sys.path.insert(0, {papers!r})
from populations import Column, Plan, crossed, train
def batches(step):
    if step == 5:
        print("waiting", flush=True)
        time.sleep(60)
    generator = torch.Generator().manual_seed(step)
    return torch.randn(5, 4, generator=generator), torch.randint(3, (5,), generator=generator)
plan = Plan((4, 6, 3), crossed((Column("dropout", keep_prob=0.5),), (0, 1)), ((8, 0.1),))
train(plan, batches, data="x", checkpoint=Path({path!r}), save_every=0)
"""


def test_a_killed_run_ends_with_the_same_bits(tmp_path):
    path = tmp_path / "run.safetensors"
    code = CHILD.format(papers=str(PAPERS), path=str(path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"waiting\n"
        child.kill()  # SIGKILL
    members = populations.crossed((Column("dropout", keep_prob=0.5),), (0, 1))
    plan = Plan((4, 6, 3), members, ((8, 0.1),))
    finished = populations.train(plan, batches, data="x", checkpoint=path, save_every=0)
    whole = populations.train(plan, batches, data="x")
    for key, value in whole.network.state_dict().items():
        assert torch.equal(value, finished.network.state_dict()[key]), key


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    populations.train(PLANS["sgd"], batches, data="x", checkpoint=path)
    with pytest.raises(UsageError, match="is of another run"):
        populations.train(PLANS["sgd"], batches, data="y", checkpoint=path)
    with pytest.raises(UsageError, match="is of another run"):
        populations.train(PLANS["adam"], batches, data="x", checkpoint=path)
    path.write_bytes(b"no")
    with pytest.raises(DataError, match="is no checkpoint"):
        populations.train(PLANS["sgd"], batches, data="x", checkpoint=path)


@pytest.mark.parametrize("place", range(3))
def test_a_column_is_the_same_alone_and_beside_others(place):
    together = populations.train(PLANS["sgd"], batches, data="x")
    alone = Plan(
        (4, 6, 3), populations.crossed(COLUMNS[place : place + 1], (0, 1)), ((4, 0.1), (4, 0.01))
    )
    single = populations.train(alone, batches, data="x")
    taken = together.network.take([2 * place, 2 * place + 1])
    for mine, theirs in zip(single.network.weights, taken.weights, strict=True):
        torch.testing.assert_close(mine, theirs)
    if COLUMNS[place].max_norm < math.inf:
        norms = torch.cat([weight.norm(dim=1).flatten() for weight in taken.weights])
        assert norms.max() <= 1 + 1e-6


def test_schedules():
    assert wan2013.FULL.epochs == 600 + 400 + 400 + 4 * 20
    assert [rate for _, rate in wan2013.FULL.stages] == [1, 0.5, 0.1, 0.05, 0.01, 0.005, 0.001]
    rates = srivastava_recipe.rates_of(1003)
    assert sum(steps for steps, _ in rates) == 1003
    plan = PLANS["sgd"]
    assert [plan.rate(step) for step in (0, 3, 4, 7)] == [0.1, 0.1, 0.01, 0.01]
    with pytest.raises(UsageError, match="step 8"):
        plan.rate(8)
