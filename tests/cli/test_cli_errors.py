"""Every kind of bad input on the command line: one line on standard error, and an exit code."""

import gzip
import os
import resource
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from conftest import CREDIT

SHORT = ("--epochs", "20", "--hidden", "64,64", "--learning-rate", "0.003", "--quiet")


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A small model of the example table."""
    from bridle import Recipe, fit, save_model

    path = tmp_path_factory.mktemp("model") / "credit.bridle"
    save_model(fit(CREDIT, "class", recipe=Recipe(hidden=(8,), epochs=2)).model, path)
    return path


def _fails(ran, code, *parts):
    assert ran.code == code, (ran.code, ran.err)
    assert ran.out == ""
    lines = ran.err.strip().splitlines()
    assert len(lines) == 1, ran.err
    assert "Traceback" not in ran.err
    for part in parts:
        assert part in ran.err


FRAME = pd.DataFrame(
    {"age": np.arange(40.0), "city": ["a", "b"] * 20, "class": ["no", "yes", "yes", "no"] * 10}
)


def _write(path, text):
    path.write_text(text)
    return path


BAD_TABLES = {
    "absent target": (FRAME.rename(columns={"class": "klass"}), ("'class'", "klass")),
    "one class": (FRAME.assign(**{"class": "no"}), ("no", "class")),
    "infinite": (FRAME.assign(age=[*np.arange(39.0), np.inf]), ("age", "inf")),
    "too few rows": (FRAME.head(6), ("6 rows", "10")),
    "target alone": (FRAME[["class"]], ("class",)),
    "missing target": (FRAME.assign(**{"class": ["no", None] * 20}), ("20", "class")),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables(bridle, tmp_path, case):
    frame, parts = BAD_TABLES[case]
    path, out = tmp_path / "t.csv", tmp_path / "m.bridle"
    frame.to_csv(path, index=False)
    _fails(bridle("fit", path, "--target", "class", "--out", out, *SHORT), 1, *parts)
    assert [item.name for item in tmp_path.iterdir()] == ["t.csv"]


BAD_FILES = {
    "empty": ("", ("t.csv", "empty")),
    "header only": ("a,class\n", ("no rows", "header")),
    "too many cells": ("a,class\n1,x\n2,y,9\n" + "3,x\n" * 20, ("t.csv", "3")),
    "too few cells": ("a,b,class\n1,1,x\n2,y\n" + "3,3,x\n" * 20, ("t.csv", "3")),
    "same name twice": ("a,a,class\n" + "1,2,x\n" * 20, ("'a'",)),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files(bridle, tmp_path, case):
    text, parts = BAD_FILES[case]
    _fails(bridle("fit", _write(tmp_path / "t.csv", text), "--target", "class"), 1, *parts)


def test_damaged_gzip_and_absent_file(bridle, tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(CREDIT.read_bytes())[:5000])
    _fails(bridle("fit", path, "--target", "class"), 1, "t.csv.gz")
    _fails(bridle("fit", tmp_path / "absent.csv", "--target", "class"), 1, "absent.csv")


BAD_OPTIONS = {
    ("--l1", "-1"): ("-1",),
    ("--l2", "nan"): ("nan",),
    ("--keep-prob", "0"): ("0.0", "above 0"),
    ("--keep-prob", "1.5"): ("1.5", "at most 1"),
    ("--drop-prob", "1"): ("1.0", "below 1"),
    ("--drop-connect-keep-prob", "-0.1"): ("-0.1",),
    ("--keep-prob", "0.5", "--drop-prob", "0.5"): ("exactly one",),
    ("--max-norm", "0"): ("0.0", "above 0"),
    ("--hidden", "8,x"): ("8,x",),
    ("--hidden", "0"): ("hidden",),
    ("--epochs", "0"): ("0",),
    ("--batch-size", "0"): ("0",),
    ("--learning-rate", "-1"): ("-1",),
    ("--task", "clustering"): ("clustering",),
    ("--class-weight", "heavy"): ("heavy",),
    ("--seed", "-1"): ("-1",),
    ("--drop", "class"): ("class",),
    ("--out", "/no/such/folder/m.bridle"): ("/no/such/folder",),
}


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_bad_options(bridle, options):
    _fails(bridle("fit", CREDIT, "--target", "class", *options), 2, *BAD_OPTIONS[options])


def test_options_that_do_not_exist_or_parse(bridle):
    assert bridle("fit", CREDIT, "--target", "class", "--lambda", "1").code == 2
    assert bridle("fit", CREDIT, "--target", "class", "--l1", "much").code == 2
    assert bridle("fit", CREDIT).code == 2
    assert bridle("train").code == 2


def test_unknown_drop_column_gets_a_hint(bridle):
    ran = bridle("fit", CREDIT, "--target", "class", "--drop", "purpos")
    _fails(ran, 1, "'purpos'", "did you mean 'purpose'?")


def test_target_gets_a_hint(bridle):
    _fails(bridle("fit", CREDIT, "--target", "clas"), 1, "'clas'", "did you mean 'class'?")


def test_divergence_is_an_error_and_leaves_nothing(bridle, tmp_path):
    out = tmp_path / "m.bridle"
    ran = bridle(
        "fit", CREDIT, "--target", "class", "--out", out, *SHORT, "--learning-rate", "1e15"
    )
    _fails(ran, 1, "1e+15")
    assert not out.exists()


def test_bad_model_files(bridle, model, tmp_path):
    cut = tmp_path / "cut.bridle"
    cut.write_bytes(model.read_bytes()[:2000])
    for path in (cut, CREDIT, tmp_path / "absent.bridle"):
        _fails(bridle("predict", path, CREDIT), 1, path.name)


def test_prediction_table_lacks_a_column(bridle, model, tmp_path):
    path, out = tmp_path / "t.csv", tmp_path / "p.csv"
    pd.read_csv(CREDIT).drop(columns="purpose").to_csv(path, index=False)
    _fails(bridle("predict", model, path, "--out", out), 1, "purpose")
    assert not out.exists()


def test_prediction_to_an_unknown_format(bridle, model):
    _fails(bridle("predict", model, CREDIT, "--out", "p.xlsx"), 2, "p.xlsx", ".csv")


def _small_files():
    """A limit on the size of files stands for a full disk: the write fails half-way."""
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


@pytest.mark.parametrize("command", ["predict", "fit"])
def test_full_disk_leaves_the_old_file(command, model, tmp_path):
    out = tmp_path / "old.csv"
    out.write_text("old")
    arguments = {
        "predict": [model, CREDIT],
        "fit": [CREDIT, "--target", "class", "--hidden", "32", "--epochs", "1", "--quiet"],
    }[command]
    ran = subprocess.run(
        [sys.executable, "-m", "bridle", command, *arguments, "--out", out],
        capture_output=True,
        text=True,
        preexec_fn=_small_files,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert ran.returncode == 1
    *before, error = ran.stderr.strip().splitlines()
    assert all(line.startswith("read ") for line in before)
    assert "old.csv" in error
    assert out.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["old.csv"]
    assert ("test accuracy" in ran.stdout) == (command == "fit"), "what was computed is not lost"


def test_audit_of_what_is_no_model(bridle):
    ran = bridle("audit", CREDIT)
    assert ran.code == 1
    assert ran.err.startswith("bridle: ")
