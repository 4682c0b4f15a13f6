"""Interrupted searches, and searches that are resumed from their run directory."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pandas as pd
import pytest
import torch
from search_cases import FAST, a_table, configured, make_plan

import bridle
from bridle.errors import DataError, UsageError
from bridle.search import encoding
from bridle.search.job import Job, TrialResult
from bridle.search.run_directory import RunDirectory


def test_ctrl_c_ends_with_the_best_so_far():
    def stop(progress):
        if progress.rung == 1:
            raise KeyboardInterrupt

    found = bridle.search(a_table(), "y", on_progress=stop, **FAST)
    assert found.interrupted
    assert found.configurations["rung"].max() == 1
    assert found.model.predict(a_table()).shape == (120, 3)


SCRIPT = """
    import sys, pandas as pd, torch, bridle
    torch.set_num_threads(1)
    bridle.search(pd.read_csv(sys.argv[1]), "y", directory=sys.argv[2], configurations=30,
                  epochs=600, hidden=[(32, 32)], folds=3,
                  on_progress=lambda progress: print(progress.done, flush=True))
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_a_killed_search_goes_on_to_the_same_result(tmp_path):
    table = tmp_path / "table.csv"
    a_table().to_csv(table, index=False)
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(table), str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        for _ in range(2):  # so that something is done, and something not
            assert running.stdout.readline()
        time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
    assert not (tmp_path / "run" / "result.json").exists()
    done = len(list((tmp_path / "run").glob("job-*.json")))
    assert done >= 2
    options = {"configurations": 30, "epochs": 600, "hidden": [(32, 32)], "folds": 3}
    frame = pd.read_csv(table)
    resumed = bridle.search(frame, "y", directory=tmp_path / "run", resume=True, **options)
    whole = bridle.search(frame, "y", directory=tmp_path / "other", **options)
    pd.testing.assert_frame_equal(resumed.configurations, whole.configurations)
    for one, other in zip(
        resumed.model.network.parameters(), whole.model.network.parameters(), strict=True
    ):
        assert torch.equal(one, other)
    for name in ("run", "other"):
        files = {path.name.split("-")[0] for path in (tmp_path / name).iterdir()}
        assert files == {"plan.json", "result.json", "job", "state"}
    # a search that is done gives its answer again
    again = bridle.search(frame, "y", directory=tmp_path / "run", resume=True, **options)
    assert again.scores == whole.scores


@pytest.mark.parametrize("rung", [0, 1])
@pytest.mark.parametrize("seed", [0, 3])
def test_a_search_after_ctrl_c_is_resumed_to_the_same_result(rung, seed, tmp_path):
    def stop(progress):
        if progress.rung == rung:
            raise KeyboardInterrupt

    options = {"seed": seed, **FAST}
    stopped = bridle.search(a_table(), "y", directory=tmp_path / "run", on_progress=stop, **options)
    assert stopped.interrupted
    resumed = bridle.search(a_table(), "y", directory=tmp_path / "run", resume=True, **options)
    whole = bridle.search(a_table(), "y", **options)
    assert not resumed.interrupted
    pd.testing.assert_frame_equal(resumed.configurations, whole.configurations)
    assert resumed.scores == whole.scores


def test_a_run_directory_is_not_overwritten_and_must_fit(tmp_path):
    run = tmp_path / "run"
    bridle.search(a_table(), "y", directory=run, **FAST)
    with pytest.raises(UsageError, match="already holds a search: resume it"):
        bridle.search(a_table(), "y", directory=run, **FAST)
    with pytest.raises(UsageError, match="holds a search on other data"):
        bridle.search(a_table(seed=5), "y", directory=run, resume=True, **FAST)
    other = {"configurations": 99, "epochs": 77, "scoring": "roc_auc"}
    for name, value in other.items():
        with pytest.raises(UsageError, match=f"{name} is {value!r}, but the search in .* keeps it"):
            bridle.search(a_table(), "y", directory=run, resume=True, **FAST | {name: value})
    with pytest.raises(UsageError, match=r"budget is 7\.0, but the search in .* has None"):
        bridle.search(a_table(), "y", directory=run, resume=True, budget="7s")
    with pytest.raises(DataError, match=r"no search to resume in .*: it has no plan\.json"):
        bridle.search(a_table(), "y", directory=tmp_path / "none", resume=True, **FAST)


def test_the_format_of_the_plan_stays(tmp_path):
    plan = make_plan(trials_per_job=3, evaluations=5, job_cost=0.5, evaluation_cost=2.0)
    RunDirectory(tmp_path, resume=False).start(plan, "data", None, {"seed": 0})
    stored = json.loads((tmp_path / "plan.json").read_text())
    assert stored["format"] == 1
    keys = {"together": 3, "looks": 5, "fixed": 0.5, "looking": 2.0}
    assert {name: stored["plan"][name] for name in keys} == keys
    assert RunDirectory(tmp_path, resume=True).resume("data") == (plan, None)


def test_a_state_of_strided_arrays_is_read_as_it_was(tmp_path):
    """safetensors 0.8.0 writes wrong values for arrays that are not contiguous."""
    wide = np.arange(12, dtype=np.float32).reshape(3, 4)
    state = {"transposed": wide.T, "every second": wide[:, ::2], "reversed": wide[::-1]}
    result = TrialResult(0, (4,), (0.5,), (0.7,), (0.5, 0.5), state)
    job = Job((configured(),), (0,), None, 0, 4, 1, 0, 0, 16, "accuracy")
    directory = RunDirectory(tmp_path, resume=False)
    list(directory.caching(lambda jobs: (([result], 1.0) for _ in jobs))(iter([job])))
    ((read, _),) = list(directory.caching(lambda jobs: iter(list(jobs)))(iter([job])))
    assert read[0].state is not None
    for name, value in state.items():
        assert np.array_equal(read[0].state[name], value), name


@pytest.mark.parametrize("began_with", [25, None, 0])
def test_a_search_is_resumed_with_the_bins_that_it_began_with(began_with, tmp_path, monkeypatch):
    """They depend on the device and the version; runs of earlier versions do not say them."""
    monkeypatch.setattr(encoding, "LARGE", 90)
    at_first = encoding.EARLIER_BINS if began_with is None else began_with
    options = {"directory": tmp_path / "run", **FAST}
    with monkeypatch.context() as patch:
        patch.setattr(encoding, "_bins_for", lambda *_: at_first)
        first = bridle.search(a_table(), "y", **options)
    path = tmp_path / "run" / "plan.json"
    stored = json.loads(path.read_text())
    assert stored["bins"] == at_first != encoding.MANY_BINS
    if began_with is None:
        del stored["bins"]
        path.write_text(json.dumps(stored))
    resumed = bridle.search(a_table(), "y", resume=True, **options)
    pd.testing.assert_frame_equal(resumed.configurations, first.configurations)
