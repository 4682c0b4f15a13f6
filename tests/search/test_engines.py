"""The engines of the search: worker processes, Dask and Ray; the result is the same."""

import gc
import os
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd
import pytest
import torch
from search_cases import FAST, a_table, configured, make_data

import bridle
from bridle.search.data import SearchData
from bridle.search.engine import runner_of
from bridle.search.job import Job, run_job

# Dask and Ray warn about their own use of other packages
CLUSTER = pytest.mark.filterwarnings("ignore")

OPTIONS = FAST | {"memory": "3MB"}  # so that there are enough jobs for two workers


@pytest.fixture(scope="module")
def scores():
    return _scores(bridle.search(a_table(), "y", **OPTIONS))


def _scores(found):
    return found.configurations.sort_values("id")["score"].to_numpy()


@CLUSTER
def test_two_workers_of_dask(scores):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1"}
    with (
        distributed.LocalCluster(dashboard_address=None, **options) as cluster,
        distributed.Client(cluster),
    ):
        found = bridle.search(a_table(), "y", engine="dask", **OPTIONS)
    assert np.allclose(_scores(found), scores, atol=1e-6)


@CLUSTER
def test_ray(scores):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        found = bridle.search(a_table(), "y", engine="ray", **OPTIONS)
    finally:
        ray.shutdown()
    assert np.allclose(_scores(found), scores, atol=1e-6)


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_find_what_one_finds_bit_for_bit(workers):
    options = FAST | {"configurations": 24}
    one = bridle.search(a_table(), "y", **options)
    many = bridle.search(a_table(), "y", workers=workers, **options)
    mine, its = (each.configurations.sort_values("id", ignore_index=True) for each in (one, many))
    pd.testing.assert_frame_equal(mine, its, check_exact=True)
    assert one.scores == many.scores
    assert one.importance == many.importance
    mine, its = (each.model.network.state_dict() for each in (one, many))
    assert mine.keys() == its.keys()
    assert all(torch.equal(value, its[name]) for name, value in mine.items())


def test_the_files_of_workers_are_deleted_when_nobody_needs_them(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run = runner_of("local", make_data(), 2)
    (folder,) = tmp_path.glob("bridle-*")
    job = Job((configured(),), (7,), None, 0, 4, 1, 0, 0, 16, "accuracy")
    ((found, _),) = run(iter([job]))
    assert {each.name for each in folder.iterdir()} == {"data", "state-0-7"}
    (one, _) = run_job(make_data(), job)
    assert all(np.array_equal(found[0].state[name], value) for name, value in one[0].state.items())
    del found
    gc.collect()
    assert {each.name for each in folder.iterdir()} == {"data"}
    del run
    gc.collect()
    assert not folder.exists()


def test_what_a_worker_imports():
    call = "import sys, bridle.search.stored_data; print([n for n in {} if n in sys.modules])"
    names = ("pandas", "scipy", "sklearn", "sympy", "torch._dynamo")
    command = [sys.executable, "-c", call.format(names)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_lost_worker_is_done_without(tmp_path, monkeypatch):
    marker = tmp_path / "lost"
    data = make_data()
    jobs = [
        Job((configured(),), (number,), None, 0, 4, 1, 0, 0, 16, "accuracy") for number in range(4)
    ]

    class Deadly(SearchData):
        """Kills the first process that looks at it."""

        def __reduce__(self):
            return _deadly, (str(marker), data)

    deadly = Deadly(data.inputs, data.y, data.fold, data.classes)
    found = list(runner_of("local", deadly, 2)(iter(jobs)))
    assert marker.exists()
    assert sorted(seen[0].id for seen, _ in found) == [0, 1, 2, 3]


def _deadly(marker, data):
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return data
    os._exit(1)
