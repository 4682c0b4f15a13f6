"""An interrupt of any command: one sentence on what was written, and the exit code 130."""

import subprocess
import sys
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

import bridle as library

DIAGNOSE = ("diagnose", "m.bridle", "t.csv", "--no-refit")
FIT = ("fit", "t.csv", "--target", "y", "--hidden", "4", "--epochs", "2", "--l2", "1e-3")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a table and a model of it."""
    folder = tmp_path_factory.mktemp("interrupts")
    x = np.random.default_rng(0).normal(size=(40, 2))
    frame = pd.DataFrame(x, columns=["a", "b"]).assign(y=np.where(x[:, 0] > 0, "yes", "no"))
    frame.to_csv(folder / "t.csv", index=False)
    library.save_model(library.fit(frame, "y", hidden=(4,), epochs=2).model, folder / "m.bridle")
    return folder


@pytest.fixture
def interrupted(bridle, place, monkeypatch):
    """Call the command line with a function that is interrupted."""
    monkeypatch.chdir(place)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    def call(where, *arguments):
        module, _, name = where.rpartition(".")
        monkeypatch.setattr(import_module(module), name, interrupt)
        ran = bridle(*arguments)
        assert ran.code == 130, ran.err
        assert "Traceback" not in ran.err
        last = ran.err.splitlines()[-1]
        assert last.startswith("bridle: interrupted")
        return last

    return call


@pytest.fixture
def ready(monkeypatch):
    """Measure nothing for the report of a fit."""
    from bridle.report.write import report_of

    monkeypatch.setattr(
        "bridle.report.write.full_report", lambda result, *_, **__: report_of(result.history)
    )


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize(
    "where",
    [
        "bridle.report.write.full_report",
        "bridle.report.document.page_of",
        "bridle.report.document.write_atomically",
    ],
)
def test_an_interrupt_in_the_report_says_that_the_model_is_there(interrupted, where, tmp_path):
    out, page = tmp_path / "m.bridle", tmp_path / "r.html"
    page.write_text("old")
    told = interrupted(where, *FIT, "--out", out, "--report", page)
    done = f"the result was printed; model written to {out}; no report was written"
    assert told == f"bridle: interrupted: {done}"
    assert library.load(out).facts["fitted"]
    assert page.read_text() == "old"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["m.bridle", "r.html"]


@pytest.mark.usefixtures("ready")
def test_an_interrupt_in_the_figures_leaves_none(interrupted, tmp_path):
    page, figures = tmp_path / "r.html", tmp_path / "figures"
    options = ("--report", page, "--figures", figures)
    told = interrupted("bridle.report.document.files_of", *FIT, *options)
    assert told.endswith(f"report written to {page}; no figures were written")
    assert [item.name for item in tmp_path.iterdir()] == ["r.html"]


def test_an_interrupted_ablation_is_told(interrupted, tmp_path):
    page = tmp_path / "r.html"
    told = interrupted("bridle.report.write.ablate", *DIAGNOSE, "--report", page)
    assert told.endswith(f"report written to {page} without the ablation")
    written = page.read_text(encoding="utf-8")
    assert "Audit of the regularizers" in written
    assert "interrupted: without the ablation" in written


def test_an_interrupted_fit_has_no_ablation(bridle, place, monkeypatch, tmp_path):
    monkeypatch.chdir(place)
    monkeypatch.setattr("bridle.networks.training.EagerAdam", _interrupting_adam(6))
    monkeypatch.setattr("bridle.report.write.ablate", None)  # cannot be called
    out, page = tmp_path / "m.bridle", tmp_path / "r.html"
    options = ("--epochs", "40000", "--patience", "0", "--out", out, "--report", page)
    ran = bridle(*FIT, *options)
    assert ran.code == 130, ran.err
    assert "interrupted after epoch 5 of 40000" in " ".join(ran.out.split())
    last = ran.err.splitlines()[-1]
    assert last.endswith(f"model written to {out}; report written to {page} without the ablation")
    assert "the training was interrupted" in page.read_text(encoding="utf-8")
    assert bridle("predict", out, "t.csv").code == 0


def _interrupting_adam(at):
    """Return an optimizer of which one step is interrupted."""
    from bridle.networks import training

    class Adam(training.EagerAdam):
        steps = 0

        def step(self, *rest):
            Adam.steps += 1
            if Adam.steps == at:
                raise KeyboardInterrupt
            return super().step(*rest)

    return Adam


NOTHING = "bridle: interrupted before there was a result, so nothing was written; run it again"


@pytest.mark.parametrize(
    ("where", "call", "told"),
    [
        ("bridle.diagnosis.diagnose", ("diagnose", "m.bridle", "t.csv"), NOTHING),
        ("bridle.cli.reading.tell", ("predict", "m.bridle", "t.csv"), NOTHING),
        ("bridle.models.audit.audit_model", ("audit", "m.bridle"), NOTHING),
        (
            "bridle.models.export.onnx_model.to_onnx",
            ("export", "m.bridle", "--onnx", "x"),
            NOTHING,
        ),
        ("bridle.search.search.build_result", (*FIT[:-2], "--configurations", "9"), NOTHING),
        (
            "bridle.cli.printing.show_diagnosis",
            (*DIAGNOSE, "--report", "r.html"),
            "bridle: interrupted: the result was not printed to its end; no report was written",
        ),
        (
            "bridle.report.write.report_of",
            (*DIAGNOSE, "--report", "r.html"),
            "bridle: interrupted: the result was printed; no report was written",
        ),
        (
            "bridle.models.atomic_write.write_atomically",
            ("predict", "m.bridle", "t.csv", "--out", "p.csv"),
            NOTHING,
        ),
    ],
)
def test_an_interrupt_of_each_command(interrupted, place, where, call, told):
    assert interrupted(where, *call) == told
    assert sorted(item.name for item in place.iterdir()) == ["m.bridle", "t.csv"]


@pytest.mark.parametrize(
    "where", ["bridle.search.search.build_result", "bridle.search.engine.run_job"]
)
def test_an_interrupted_search_that_is_recorded_says_how_to_continue(interrupted, where, tmp_path):
    call = (*FIT[:-2], "--configurations", "9", "--folds", "2", "--run", tmp_path / "run")
    told = interrupted(where, *call)
    assert told.endswith(f"recorded in {tmp_path / 'run'}: continue it with --resume")


def test_an_interrupt_while_the_program_is_imported(tmp_path):
    """As a program of its own, interrupted in the import of its first command."""
    code = (
        "import builtins, os, signal, sys\n"
        "from bridle.__main__ import main\n"
        "real = builtins.__import__\n"
        "def slow(name, *rest):\n"
        "    if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = slow\n"
        "main()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, "--version"], capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stdout) == (130, "")
    assert ran.stderr == "bridle: interrupted; run it again\n"
