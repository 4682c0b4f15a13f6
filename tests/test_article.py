"""The article's scripts run, print what docs/article.md shows, and their statements hold."""

import io
import re
import runpy
import sys
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl
import pytest

from conftest import ROOT
from test_readme import NUMBER

SCRIPTS = ROOT / "examples" / "article"
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py") if path.stem != "common")
PAGE = (ROOT / "docs" / "article.md").read_text(encoding="utf-8")
LINE = re.compile(r"^(.+): (-?[\d.]+)(?: ± ([\d.]+))?(?: .*)?$", re.M)


@cache
def _run(name):
    """Run a script as a user does; return its figure and what it prints."""
    printed = io.StringIO()
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        picture = Path(folder) / "figure.png"
        patch.syspath_prepend(SCRIPTS)
        patch.setattr(sys, "argv", [f"{name}.py", str(picture)])
        with mpl.rc_context({"backend": "Agg"}), redirect_stdout(printed):
            runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
        sys.modules.pop("common")
        return picture.read_bytes(), printed.getvalue()


def said(name):
    """Return the figures that a script prints: (value, half the interval)."""
    return {
        found[1]: (float(found[2]), float(found[3] or 0)) for found in LINE.finditer(_run(name)[1])
    }


def low(measured):
    """Return the lower end of an interval."""
    return measured[0] - measured[1]


def _lines(text):
    return [NUMBER.sub("#", line) for line in text.splitlines() if not line.startswith("figure: ")]


@pytest.mark.parametrize("name", NAMES)
def test_prints_what_the_page_shows(name):
    command = f"$ python examples/article/{name}.py\n"
    shown = re.search(f"^{re.escape(command)}(.*?)^```$", PAGE, re.M | re.S)
    printed, expected = _lines(_run(name)[1]), _lines(shown[1])
    if name == "prediction_time":  # a time is nothing to assert
        printed, expected = printed[:-1], expected[:-1]
    else:
        assert printed[-1] == "the claim held: True"
    assert printed[0].startswith("claim: ")
    assert printed == expected


@pytest.mark.parametrize("name", NAMES)
def test_draws_a_small_picture(name):
    picture = _run(name)[0]
    assert picture.startswith(b"\x89PNG")
    assert 5_000 < len(picture) < 150_000
    assert (ROOT / "docs" / "images" / "article" / f"{name}.png").stat().st_size < 150_000


def test_the_page_has_every_script_and_its_links_exist():
    targets = re.findall(r"\]\(([^)#]+)\)", PAGE)
    for target in targets:
        assert "://" in target or (ROOT / "docs" / target).exists(), target
    for name in NAMES:
        assert f"images/article/{name}.png" in targets
        assert f"../examples/article/{name}.py" in targets
        assert f"({'article/' + name}.py)" in (ROOT / "examples/README.md").read_text("utf-8")


# ------------------------------------------------------------------ the mathematics


def test_training_fits_and_test_fails():
    found = said("overfitting")
    assert found["plain: training accuracy"][0] > 98
    assert found["plain: gap"][0] > 20
    assert low(found["dropout narrows the gap by"]) > 8
    assert low(found["dropout raises test accuracy by"]) > 3


def test_l2_evens_out_and_l1_zeroes():
    found = said("l2_and_l1")
    assert found["no penalty: difference between twin weights"][0] > 35
    assert found["L2: difference between twin weights"][0] < 2
    assert found["L1: difference between twin weights"][0] > 20
    assert found["L1: exact zeros in the first layer"][0] > 70
    assert found["L2: exact zeros in the first layer"] == (0, 0)
    assert found["no penalty: exact zeros in the first layer"] == (0, 0)


def test_the_elastic_net_does_both():
    found = said("elastic_net")
    apart = [found[f"l2 = {at}: difference between twin weights"][0] for at in (0.0, 0.001, 0.005)]
    assert apart[0] > 20
    assert apart[1] < apart[0] / 2
    assert apart[2] < 1
    assert found["l2 = 0.0: nonzero weights whose twin is zero"][0] > 10
    assert found["l2 = 0.005: nonzero weights whose twin is zero"][0] < 2
    assert found["l2 = 0.005: exact zeros in the first layer"][0] > 60


def test_train_step_is_the_step_by_hand():
    found = said("three_layers")
    assert found["largest difference of a weight × 10¹²"][0] < 1
    assert found["largest difference of a loss × 10¹²"][0] < 1
    assert found["test accuracy by predict"][0] > 75


def test_classic_and_inverted_are_one_network():
    found = said("scalings")
    assert found["largest relative difference of scores × 10¹²"][0] < 1
    assert found["classic: test accuracy"] == found["inverted: test accuracy"]
    assert found["classic: test accuracy"][0] > 75


def test_one_pass_and_the_ensemble():
    found = said("ensemble")
    assert found["10 units: |one pass - geometric average|, largest × 10¹²"][0] < 1
    to_geometric = found["three layers: distance of one pass from their geometric average"][0]
    to_average = found["three layers: distance of one pass from the average of 400"][0]
    assert to_geometric < to_average / 4
    assert found["three layers: rows where one pass and the average predict the same class"][0] > 95
    assert low(found["one pass is closer to the average than one subnetwork by"]) > 4
    assert (
        found["three layers: error of one pass"][0]
        < found["three layers: error of one subnetwork"][0] - 5
    )


def test_dropout_lowers_co_adaptation():
    found = said("coadaptation")
    plain, dropout, l2 = (
        found[f"units set to zero, {name}: share of pair interactions"][0]
        for name in ("plain", "dropout", "L2")
    )
    assert dropout < 0.6 * plain
    assert dropout < 0.7 * l2
    assert low(found["units set to zero: dropout lowers the share by"]) > 2
    assert found["units set to mean, plain: share of pair interactions"][0] < 0.75 * plain


def test_features_leave_their_start_by_regularization():
    found = said("features")
    likeness = [
        found[f"{name}: cosine similarity to the initial weights"][0]
        for name in ("plain", "dropout", "L2")
    ]
    assert likeness[0] > likeness[1] + 5 > likeness[2] + 20
    assert low(found["L2 lowers the roughness by"]) > 10


def test_drop_connect_beside_dropout():
    found = said("drop_connect")
    for name in ("dropout 0.7", "DropConnect 0.7"):
        assert low(found[f"{name} narrows the gap by"]) > 3
        assert low(found[f"{name} raises test accuracy by"]) > 1


def test_prediction_times_are_measured():
    found = said("prediction_time")
    medians = [value for name, (value, _) in found.items() if name.endswith("500 rounds")]
    assert len(medians) == 2
    assert min(medians) > 0
