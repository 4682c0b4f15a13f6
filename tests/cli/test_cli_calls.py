"""Wrong calls, interrupts and shell completion: exit codes, and one line that says what to do."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from bridle.search.successive_halving import SuccessiveHalving

QUICK = ("--hidden", "4", "--epochs", "2")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with tables, and a model of one of them."""
    import bridle

    folder = tmp_path_factory.mktemp("calls")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    frame = pd.DataFrame(x, columns=["a", "b"]).assign(y=np.where(x[:, 0] > 0, "yes", "no"))
    frame.to_csv(folder / "t.csv", index=False)
    frame.drop(columns="a").to_csv(folder / "short.csv", index=False)
    frame.drop(columns="y").to_csv(folder / "new.csv", index=False)
    frame.assign(y="no").to_csv(folder / "one.csv", index=False)
    (folder / "odd.csv").write_text("a;y\n1,234;no\n")
    (folder / "empty.csv").write_text("")
    (folder / "t.parquet").write_bytes(b"PAR1 no")
    (folder / "folder").mkdir()
    model = bridle.fit(frame, "y", hidden=(4,), epochs=2).model
    bridle.save_model(model, folder / "m.bridle")
    return folder


FIT = ("fit", "t.csv", "--target", "y")
CALLS = {
    # what is wrong with the call: 2
    ("fit",): (2, "for example: bridle fit table.csv --target column"),
    ("fit", "--budget", "2m"): (2, "for example: bridle fit table.csv --target column"),
    ("fit", "t.csv"): (2, "'--target'"),
    ("predict", "m.bridle"): (2, "bridle predict model.bridle table.csv"),
    ("diagnose",): (2, "bridle diagnose model.bridle table.csv"),
    ("audit",): (2, "bridle audit model.bridle"),
    ("learn",): (2, "bridle --help"),
    (*FIT, "--lambda", "1"): (2, "bridle fit --help"),
    (*FIT, "--l1", "much"): (2, "--l1"),
    (*FIT, "more.csv"): (2, "more.csv"),
    (*FIT, "--seed", "-1"): (2, "seed is -1"),
    (*FIT, "--task", "both"): (2, "task is 'both'"),
    (*FIT, "--out", "no/m.bridle"): (2, "create it first"),
    (*FIT, "--report", "folder"): (2, "which is a folder"),
    (*FIT, "--figures", "t.csv"): (2, "which is a file"),
    (*FIT, "--resume"): (2, "--run"),
    (*FIT, "--budget", "soon"): (2, "soon"),
    (*FIT, "--budget", "9s", "--configurations", "9"): (2, "give one of them"),
    (*FIT, "--configurations", "1"): (2, "2 or more"),
    (*FIT, "--folds", "1"): (2, "folds is 1"),
    (*FIT, "--answer", "all"): (2, "'ensemble'"),
    (*FIT, "--engine", "abacus"): (2, "'local'"),
    (*FIT, "--workers", "0"): (2, "workers is 0"),
    (*FIT, "--device", "abacus"): (2, "abacus"),
    (*FIT, "--scoring", "taste"): (2, "taste"),
    (*FIT, "--memory", "much"): (2, "much"),
    (*FIT, "--shared-members", "40"): (2, "shared_members is 40"),
    (*FIT, "--drop", "y"): (2, "is the target"),
    (*FIT, "--dropout", "0.5"): (2, "use --drop-prob, or --keep-prob"),
    (*FIT, "--weight-decay", "0.1"): (2, "use --l2;"),
    ("fitt", "t.csv"): (2, "Did you mean 'fit'? see bridle --help"),
    ("predict", "m.bridle", "t.csv", "--out", "p.txt"): (2, ".parquet"),
    ("predict", "m.bridle", "t.csv", "--out", "folder/x/p.csv"): (2, "create it first"),
    ("predict", "m.bridle", "t.csv", "--out", "p.csv", "--json"): (2, "give one of them"),
    ("predict", "m.bridle", "t.csv", "--subnetworks", "0"): (2, "0"),
    ("predict", "m.bridle", "t.csv", "--decimal", "x"): (2, "decimal is 'x'"),
    ("diagnose", "m.bridle", "t.csv", "--report", "no/r.html"): (2, "create it first"),
    # what is wrong with the data: 1
    ("fit", "absent.csv", "--target", "y"): (1, "there is no file"),
    ("fit", "folder", "--target", "y"): (1, "folder"),
    ("fit", "empty.csv", "--target", "y"): (1, "empty"),
    ("fit", "odd.csv", "--target", "y"): (1, "--decimal"),
    ("fit", "t.parquet", "--target", "y"): (1, "Parquet"),
    ("fit", "one.csv", "--target", "y"): (1, "two or more"),
    ("fit", "t.csv", "--target", "yy", *QUICK): (1, "did you mean 'y'"),
    (*FIT, "--drop", "c", *QUICK): (1, "no column 'c' to drop"),
    (*FIT, "--test", "short.csv", "--configurations", "9"): (1, "'a'"),
    (*FIT, "--test", "absent.csv", "--configurations", "9"): (1, "absent.csv"),
    ("predict", "absent.bridle", "t.csv"): (1, "absent.bridle"),
    ("predict", "t.csv", "t.csv"): (1, "t.csv"),
    ("predict", "m.bridle", "short.csv"): (1, "lacks the column 'a'"),
    ("predict", "m.bridle", "absent.csv"): (1, "absent.csv"),
    ("diagnose", "m.bridle", "new.csv"): (1, "'y'"),
    ("diagnose", "t.csv", "t.csv"): (1, "t.csv"),
    ("audit", "absent.bridle"): (1, "absent.bridle"),
    ("audit", "m.bridle", "new.csv"): (1, "'y'"),
}


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_a_call_that_fails(bridle, place, monkeypatch, call):
    monkeypatch.chdir(place)
    before = sorted(item.name for item in place.iterdir())
    ran = bridle(*call)
    code, part = CALLS[call]
    assert ran.code == code, ran.err
    assert part in ran.err
    assert ran.out == ""
    assert len(ran.err.splitlines()) == 1
    assert ran.err.startswith("bridle: ")
    assert sorted(item.name for item in place.iterdir()) == before


SEARCH_ONLY = {
    "--answer": "best",
    "--budget": "9s",
    "--configurations": "9",
    "--device": "cpu",
    "--engine": "local",
    "--folds": "5",
    "--memory": "1GB",
    "--shared-members": "2",
    "--run": "run",
    "--scoring": "accuracy",
    "--test": "t.csv",
    "--workers": "2",
}


@pytest.mark.parametrize("option", SEARCH_ONLY)
@pytest.mark.parametrize("fixed", [("--l1", "1e-3"), ("--patience", "3", "--batch-size", "8")])
def test_options_of_the_search_are_refused_beside_those_of_a_fit(
    bridle, place, monkeypatch, option, fixed
):
    monkeypatch.chdir(place)
    ran = bridle(*FIT, option, SEARCH_ONLY[option], *fixed)
    assert ran.code == 2
    assert f"{option} starts a search, but {fixed[0]}" in ran.err
    assert "leave out one of the two" in ran.err


def test_an_option_of_the_search_beside_the_epochs_is_a_search(bridle, place, monkeypatch):
    monkeypatch.chdir(place)
    options = ("--folds", "2", "--configurations", "9", "--answer", "best", "--json")
    ran = bridle(*FIT, *QUICK, *options)
    found = json.loads(ran.out)
    assert (found["answer"], found["considered"]) == ("best", 9)


def test_doubt_is_told_even_if_quiet(bridle, place, monkeypatch, tmp_path):
    monkeypatch.chdir(place)
    table = tmp_path / "far.csv"
    pd.read_csv("t.csv").assign(a=[1e6] + [0.5] * 39).to_csv(table, index=False)
    for options in (("--quiet",), ("--json",)):
        ran = bridle("predict", "m.bridle", table, *options)
        assert ran.err.startswith("note: 'a' is far outside the training range")
        assert len(ran.err.splitlines()) == 1


# ------------------------------------------------------------------------------- interrupts


@contextmanager
def _interrupted(at):
    """A progress bar of which one report is a Ctrl-C, by a real signal."""

    def report(*progress):
        count = progress[0] if len(progress) > 1 else progress[0].configurations
        if count >= at:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)  # the signal is delivered meanwhile

    yield report


def test_an_interrupted_fit_hands_back_the_best_so_far(bridle, place, monkeypatch, tmp_path):
    monkeypatch.chdir(place)
    monkeypatch.setattr("bridle.cli.running.epoch_bar", lambda *_, **__: _interrupted(3))
    out = tmp_path / "m.bridle"
    options = ("--hidden", "4", "--epochs", "50", "--json", "--out", out)
    ran = bridle(*FIT, *options)
    found = json.loads(ran.out)
    assert (ran.code, found["interrupted"]) == (0, True)
    assert any("interrupted after epoch 3 of 50" in note for note in found["notes"])
    assert found["plain"]["epochs"] == 3
    monkeypatch.undo()
    monkeypatch.chdir(place)
    three = ("--hidden", "4", "--epochs", "3", "--json")
    assert json.loads(bridle(*FIT, *three).out)["plain"] == found["plain"]
    assert bridle("predict", out, "t.csv").code == 0


def test_an_interrupted_search_hands_back_the_best_so_far(bridle, place, monkeypatch, tmp_path):
    monkeypatch.chdir(place)
    monkeypatch.setattr("bridle.cli.running.search_bar", lambda **_: _interrupted(1))
    out = tmp_path / "m.bridle"
    options = ("--configurations", "27", "--epochs", "2", "--hidden", "4", "--folds", "2")
    ran = bridle(*FIT, *options, "--out", out)
    assert ran.code == 0
    assert "interrupted: this is the best result so far" in ran.out
    assert bridle("predict", out, "t.csv").code == 0


def test_an_interrupted_report_has_what_was_measured(bridle, place, monkeypatch, tmp_path):
    monkeypatch.chdir(place)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("bridle.report.write.diagnose", interrupt)
    page, out = tmp_path / "r.html", tmp_path / "m.bridle"
    ran = bridle(*FIT, *QUICK, "--out", out, "--report", page)
    assert ran.code == 130, ran.err
    told = " ".join(ran.err.split())
    assert "interrupted: the report is without the diagnosis and what follows it" in told
    assert f"model written to {out}; report written to {page} without the diagnosis" in told
    assert page.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["m.bridle", "r.html"]


def test_an_interrupt_leaves_no_part_of_a_file(monkeypatch, tmp_path):
    from bridle.models.file import write_atomically

    path = tmp_path / "x.csv"
    path.write_text("old")

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["x.csv"]


def test_an_interrupt_before_training_is_a_sentence_and_130(tmp_path):
    """As a program of its own, interrupted while it reads its table."""
    table = tmp_path / "t.csv"
    os.mkfifo(table)
    command = [sys.executable, "-m", "bridle", "fit", table, "--target", "y", "--l1", "1e-3"]
    with (
        subprocess.Popen(
            [*command, "--out", tmp_path / "m.bridle"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as program,
        table.open("w", encoding="utf-8"),
    ):  # opens when the program opens it too
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=60)
    assert program.returncode == 130
    assert err.startswith("bridle: interrupted before there was a result, so nothing was written")
    assert (out, len(err.splitlines())) == ("", 1)
    assert [item.name for item in tmp_path.iterdir()] == ["t.csv"]


def test_a_search_interrupted_before_its_first_result(bridle, place, monkeypatch):
    monkeypatch.chdir(place)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(SuccessiveHalving, "_run_rung", interrupt)
    ran = bridle(*FIT, "--configurations", "9", *QUICK)
    assert ran.code == 130
    assert "interrupted before any configuration was evaluated" in ran.err


# ------------------------------------------------------------------------------- completion


def _completed(words, shell="zsh"):
    """Return the names that a shell gets for a command line, and the modules imported for them."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))\n"
        "from bridle.cli import main\n"
        "sys.argv = ['bridle']\n"
        "main()\n"
    )
    words_of = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    asked = words_of if shell == "bash" else {"_TYPER_COMPLETE_ARGS": words}
    asked["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "_BRIDLE_COMPLETE": f"complete_{shell}", **asked},
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout, set(ran.stderr.split())


def test_commands_are_completed_without_importing_what_is_slow():
    found, modules = _completed("bridle ", "bash")
    assert found.split() == [
        "fit",
        "predict",
        "diagnose",
        "explain",
        "audit",
        "export",
        "convert",
        "demo",
    ]
    assert not modules & {"torch", "pandas", "numpy", "sklearn"}


def test_options_and_their_beginnings_are_completed():
    assert _completed("bridle pre", "bash")[0].split() == ["predict"]
    found = _completed("bridle fit --keep", "bash")[0].split()
    assert found == ["--keep-prob"]
    found = _completed("bridle fit t.csv --target y --l", "fish")[0]
    assert {line.split("\t")[0] for line in found.splitlines()} == {
        "--l1",
        "--l2",
        "--learning-rate",
    }


def test_the_script_of_a_shell_is_shown():
    ran = subprocess.run(
        [sys.executable, "-c", "from bridle.cli import main; main()", "--show-completion", "bash"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )
    assert ran.returncode == 0, ran.stderr
    assert "complete -o default -F" in ran.stdout
