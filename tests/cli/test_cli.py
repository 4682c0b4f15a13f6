"""The commands end to end, on real files."""

import json
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


@pytest.mark.parametrize(
    ("name", "least"),
    [("digits", 0.88), ("breast_cancer", 0.9), ("diabetes", 0.25), ("credit-g", 0.65)],
)
def test_fit_then_predict(bridle, tables, tmp_path, name, least):
    path, target = tables[name]
    model, predictions = tmp_path / "model.bridle", tmp_path / "predictions.csv"
    ran = bridle("fit", path, "--target", target, "--out", model, "--json", *SHORT)
    assert ran.code == 0, ran.err
    result = json.loads(ran.out)
    assert result["regularized"]["test"]["value"] > least
    truth = pd.read_csv(path)[target]
    assert sum(result["rows"].values()) == len(truth)

    assert bridle("predict", model, path, "--out", predictions).code == 0
    predicted = pd.read_csv(predictions)
    assert len(predicted) == len(truth)
    if result["task"] == "classification":
        share = (predicted["prediction"] == truth).mean()
        probabilities = predicted.drop(columns="prediction")
        assert np.allclose(probabilities.sum(axis=1), 1)
        best = probabilities.idxmax(axis=1).str.removeprefix("probability_")
        assert (best == predicted["prediction"].astype(str)).all()
        assert share > least
    else:
        error = ((predicted["prediction"] - truth) ** 2).sum()
        assert 1 - error / ((truth - truth.mean()) ** 2).sum() > least


def test_fit_prints_the_table_and_one_sentence(bridle):
    ran = bridle("fit", CREDIT, "--target", "class", *SHORT)
    assert ran.code == 0
    for part in ("training accuracy (600 rows)", "held-out", "test", "gap", "zeros by layer"):
        assert part in ran.out
    # one sentence, whatever the width that it was wrapped to
    verdict = " ".join(ran.out[ran.out.index("The plain network") :].split())
    assert verdict.endswith("on the test set).")


def test_plain_network_overfits_and_regularization_narrows_the_gap(bridle):
    options = ("--hidden", "256,256", "--json")
    result = json.loads(bridle("fit", CREDIT, "--target", "class", *options).out)
    plain, regularized = result["plain"]["diagnosis"], result["regularized"]["diagnosis"]
    assert plain["verdict"] == "overfits"
    assert plain["training"]["value"] > 0.98
    assert regularized["gap"]["value"] < 0.6 * plain["gap"]["value"]
    assert sum(result["regularized"]["zeros"]) > 0
    assert sum(result["plain"]["zeros"]) == 0


def test_same_seed_same_bytes(bridle, tmp_path):
    files = [tmp_path / "a.bridle", tmp_path / "b.bridle", tmp_path / "c.bridle"]
    outs = [
        bridle("fit", CREDIT, "--target", "class", "--out", file, "--seed", seed, "--json", *SHORT)
        for file, seed in zip(files, (3, 3, 4), strict=True)
    ]
    assert outs[0].out == outs[1].out
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes() != files[2].read_bytes()


@pytest.mark.parametrize(
    "option",
    [
        ("--l1", "0.001"),
        ("--l2", "0.01"),
        ("--keep-prob", "0.8"),
        ("--drop-prob", "0.2"),
        ("--input-keep-prob", "0.9"),
        ("--drop-connect-keep-prob", "0.7"),
        ("--max-norm", "1.0"),
        ("--class-weight", "balanced"),
        ("--patience", "0"),
        ("--drop", "purpose"),
    ],
)
def test_every_option_acts(bridle, option):
    """Against no strength but a negligible one, each option changes the outcome."""
    base = (
        "fit",
        CREDIT,
        "--target",
        "class",
        "--json",
        "--l2",
        "1e-12",
        "--learning-rate",
        "0.01",
    )
    extra = (
        [part for part in base if part not in ("--l2", "1e-12")] if option[0] == "--l2" else base
    )
    before, after = bridle(*base, *SHORT), bridle(*extra, *option, *SHORT)
    assert after.code == 0, after.err
    results = [json.loads(ran.out) for ran in (before, after)]
    assert results[0]["regularized"] != results[1]["regularized"]


def test_demo_needs_nothing(tmp_path):
    """In another folder, as a program of its own."""
    ran = subprocess.run(
        [sys.executable, "-m", "bridle", "demo", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ran.stdout)["rows"] == {"training": 600, "held out": 200, "test": 200}


def test_predict_writes_parquet_and_json(bridle, model, tmp_path):
    out = tmp_path / "p.parquet"
    assert bridle("predict", model, CREDIT, "--out", out).code == 0
    records = json.loads(bridle("predict", model, CREDIT, "--json").out)
    assert pd.read_parquet(out).to_dict(orient="records") == records
    printed = bridle("predict", model, CREDIT).out
    assert printed.splitlines()[0] == "prediction,probability_bad,probability_good"
    assert len(printed.splitlines()) == 1001


def test_tables_of_other_kinds(bridle, tmp_path):
    frame = pd.read_csv(CREDIT)
    packed, parquet = tmp_path / "t.csv.gz", tmp_path / "t.parquet"
    frame.to_csv(packed, index=False)
    frame.to_parquet(parquet)
    outs = [
        bridle("fit", path, "--target", "class", "--json", *SHORT).out
        for path in (CREDIT, packed, parquet)
    ]
    assert outs[0] == outs[1] == outs[2]


def test_help_and_version(bridle):
    assert "fit" in bridle("--help").out
    assert bridle("--version").out.strip()
    assert "--drop-connect-keep-prob" in bridle("fit", "--help").out


def test_audit_proves_that_a_model_s_regularizers_act(bridle, tmp_path):
    model = tmp_path / "m.bridle"
    strengths = ("--l1", "1e-3", "--l2", "1e-2", "--keep-prob", "0.5", "--input-keep-prob", "0.8")
    strengths += ("--drop-connect-keep-prob", "0.7", "--max-norm", "3")
    fitted = bridle(
        "fit", CREDIT, "--target", "class", "--epochs", "2", "--quiet", "-o", model, *strengths
    )
    assert fitted.code == 0
    ran = bridle("audit", model)
    assert ran.code == 0, ran.out + ran.err
    assert ran.out.rstrip().endswith("passed")
    document = json.loads(bridle("audit", model, CREDIT, "--json").out)
    assert document["passed"] is True
    assert [e["parameter"] for e in document["effects"]] == [f"weights.{n}" for n in range(3)]
    assert {n["name"] for n in document["noises"]} == {
        "hidden_noise",
        "input_noise",
        "weight_noise",
    }
    for noise in document["noises"]:
        assert noise["kept"] == pytest.approx(noise["keep_prob"], abs=0.05)
