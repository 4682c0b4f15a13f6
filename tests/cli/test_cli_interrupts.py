"""An interrupt of any command: one sentence on what was written, and the exit code 130."""

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
    for name, steps in _interrupting(6).items():  # without compiled kernels, the second
        monkeypatch.setattr(f"bridle.networks.training.{name}", steps)
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


def _interrupting(at):
    """Return steps of which one epoch is interrupted: compiled ones, or torch's."""
    from bridle.networks import training

    class Steps(training.CompiledSteps):
        epochs = 0

        def epoch(self, *rest):
            Steps.epochs += 1
            if Steps.epochs == at:
                raise KeyboardInterrupt
            super().epoch(*rest)

    class Adam(training.EagerAdam):
        steps = 0

        def step(self, *rest):
            Adam.steps += 1
            if Adam.steps == at:
                raise KeyboardInterrupt
            return super().step(*rest)

    return {"CompiledSteps": Steps, "EagerAdam": Adam}
