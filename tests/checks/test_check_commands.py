"""The checks on the command line: listed, silenced, and the exit codes of --fail-on."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from bridle import Recipe, Strengths, fit, save_model

ROWS = 300


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model, its table with an identifier and groups, and new rows without a fault."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("checked")
    patient = np.repeat(np.arange(ROWS // 6), 6)
    ill = (rng.random(ROWS // 6) < 0.5)[patient]
    table = pd.DataFrame({"a": rng.normal(size=ROWS) + ill, "b": rng.normal(size=ROWS)})
    table["patient"] = [f"P{each:02}" for each in patient]
    table["number"] = np.arange(ROWS)
    table["y"] = np.where(ill, "ill", "well")
    result = fit(
        table, "y", recipe=Recipe(hidden=(8,), epochs=5), strengths=Strengths(keep_prob=0.9)
    )
    save_model(result.model, folder / "m.bridle")
    table.to_csv(folder / "t.csv", index=False)
    fresh = table.sample(60, random_state=1).assign(a=lambda rows: rows["a"] + 0.01, b=0.5)
    fresh.to_csv(folder / "new.csv", index=False)
    return result, folder / "m.bridle", folder / "t.csv", folder / "new.csv"


@pytest.fixture
def diagnose(bridle, files):
    def call(*options, table=files[2]):
        return bridle("diagnose", files[1], table, "--no-refit", "--quiet", *options)

    return call


def test_a_fit_has_the_checks_and_its_notes_have_codes(files):
    result = files[0]
    assert {"BR012", "BR013"} <= {each.code for each in result.checks}
    assert any(note.startswith("BR012 'number' is the position") for note in result.notes)
    assert any(note.startswith("BR013 the rows are grouped") for note in result.notes)
    listed = result.to_dict()["checks"]
    assert {each["outcome"] for each in listed} >= {"failed", "passed", "not run"}


def test_they_are_listed_by_severity(diagnose):
    ran = diagnose()
    assert ran.code == 0, ran.err
    printed = ran.out.partition("checks:")[2]
    assert printed.index("error BR013") < printed.index("warning BR012")
    assert "not run: BR020: needs the result of a search" in " ".join(printed.split())


@pytest.mark.parametrize(
    ("selector", "code"),
    [
        ("BR012", 3),
        ("BR01", 3),
        ("BR001,BR013", 3),
        ("error", 3),
        ("warning", 3),
        ("BR030", 0),
        ("BR010,BR011", 0),
    ],
)
def test_fail_on(diagnose, selector, code):
    ran = diagnose("--fail-on", selector)
    assert ran.code == code
    assert ("bridle: failed: " in ran.err) == (code == 3)
    assert "verdict:" in ran.out


def test_silenced_ones_do_not_fail_and_are_counted(diagnose):
    ran = diagnose("--fail-on", "BR01", "--ignore", "BR012,BR013")
    assert (ran.code, ran.err) == (0, "")
    assert "silenced: 2 (BR012, BR013)" in ran.out
    assert "warning BR012" not in ran.out


def test_a_check_that_was_not_run_is_named(diagnose):
    ran = diagnose("--fail-on", "BR020")
    assert ran.code == 0
    assert ran.err == "bridle: BR020 was not run: needs the result of a search\n"


@pytest.mark.parametrize("option", [("--fail-on", "BR9"), ("--ignore", "error")])
def test_unknown_codes_are_refused(diagnose, option):
    ran = diagnose(*option)
    assert (ran.code, ran.out) == (2, "")
    assert "is no code of a check" in ran.err


def test_json_has_them_and_the_exit_code(files):
    """As a program of its own."""
    command = [sys.executable, "-m", "bridle", "diagnose", files[1], files[2], "--json"]
    ran = subprocess.run(
        [*command, "--no-refit", "--fail-on", "BR012"], capture_output=True, text=True
    )
    assert ran.returncode == 3
    failed = [each for each in json.loads(ran.stdout)["checks"] if each["outcome"] == "failed"]
    assert {"BR012", "BR013"} <= {each["code"] for each in failed}
    assert ran.stderr == "bridle: failed: BR012\n"


def test_rows_that_were_trained_on_have_no_gap(diagnose, files, tmp_path):
    known = pd.read_csv(files[2]).sample(frac=1, random_state=0)
    known.to_csv(tmp_path / "known.csv", index=False)
    ran = diagnose("--fail-on", "BR011", table=tmp_path / "known.csv")
    assert ran.code == 3
    assert "gap, training" not in ran.out
    assert "a gap of" not in ran.out
    assert "held out" not in ran.out
    assert "these rows" in ran.out


def test_one_gap_on_a_screen(diagnose):
    printed = " ".join(diagnose().out.split())
    assert printed.count("a gap of") == 0
    assert printed.count("gap, training − test") == 1


def test_explain(bridle):
    every = bridle("explain").out.splitlines()
    assert len(every) == 14
    assert every[0] == "BR001  warning  overfits"
    ran = bridle("explain", "BR02")
    assert ran.out.count("fails if: ") == 3
    assert "--ignore BR020" in ran.out
    assert json.loads(bridle("explain", "BR001", "--json").out)[0]["severity"] == "warning"
    ran = bridle("explain", "BR005")
    assert (ran.code, ran.out) == (2, "")
    assert "did you mean" in ran.err


FIT = ("--epochs", "3", "--hidden", "8", "--l2", "1e-3", "--quiet")
SEARCH = ("--configurations", "9", "--epochs", "2", "--hidden", "8", "--folds", "3", "--quiet")


@pytest.mark.parametrize("options", [FIT, SEARCH], ids=["fit", "search"])
def test_a_fit_and_a_search_fail_as_a_diagnosis_does(bridle, files, options):
    ran = bridle("fit", files[2], "--target", "y", *options, "--fail-on", "BR01,BR030")
    assert ran.code == 3
    assert ran.err.endswith("bridle: failed: BR012, BR013\n")
    assert "BR030 was not run" not in ran.err
    listed = ran.out.partition("checks:\n")[2]
    assert listed.index("error BR013") < listed.index("warning BR012")
    assert "note: BR012" in ran.out


def test_what_a_fit_ignores_is_silenced_everywhere(bridle, files, tmp_path):
    page = tmp_path / "page.html"
    silenced = ("--ignore", "BR01", "--fail-on", "BR01", "--report", page, "--no-ablation")
    ran = bridle("fit", files[2], "--target", "y", *FIT, *silenced)
    assert ran.code == 0, ran.err
    assert "silenced: 2 (BR012, BR013)" in ran.out
    assert "note: BR01" not in ran.out
    assert "BR012" in page.read_text(encoding="utf-8").partition("silenced")[2]
    ran = bridle("fit", files[2], "--target", "y", *FIT, "--json", "--ignore", "BR012")
    of = {(each["code"], each["outcome"]) for each in json.loads(ran.out)["checks"]}
    assert {("BR012", "silenced"), ("BR013", "failed")} <= of


def test_a_fit_without_the_options_lists_no_checks(bridle, files):
    ran = bridle("fit", files[2], "--target", "y", *FIT)
    assert (ran.code, "checks:" in ran.out) == (0, False)
    ran = bridle("fit", files[2], "--target", "y", *FIT, "--fail-on", "BR9")
    assert (ran.code, ran.out) == (2, "")
