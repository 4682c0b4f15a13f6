"""An exported model predicts what the model predicts, in onnxruntime and nothing else."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import bridle
from bridle import AlphaDropout, DropConnect, Dropout, GaussianDropout
from bridle.errors import UsageError

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx_helpers import (  # noqa: E402
    a_table,
    check_equal,
    inputs_of,
    model_of,
    session_of,
    strange_rows,
)

from bridle.models.export import columns, graph  # noqa: E402
from bridle.tables import TableEncoder  # noqa: E402

TABLE = a_table(120)
PLAIN = TABLE[["number", "gap", "colour"]]
TARGETS = {
    "two classes": np.where(TABLE["number"] > 0, "yes", "no"),
    "numbers as classes": TABLE["whole"] % 3,
    "booleans as classes": TABLE["whole"] % 2 == 0,
    "fractions as classes": pd.Categorical(TABLE["whole"] % 2 + 0.5),
    "values": TABLE["number"] * 1e6 + 1e9,
}
TARGETS = {name: pd.Series(values, name="target") for name, values in TARGETS.items()}


@pytest.fixture(scope="module")
def exported():
    model = model_of(TABLE, TARGETS["two classes"], bins=4)
    return model, session_of(model)


def _features(encoder, frame):
    """Return the features that a graph makes of a frame."""
    made = graph.Graph(encoder.columns)
    features, _ = columns.add_features(made, encoder)
    made.output(features, "features", np.float32, len(encoder.feature_names))
    session = onnxruntime.InferenceSession(made.model("0", {}).SerializeToString())
    return session.run(None, inputs_of(frame, session))[0]


def test_every_kind_of_column_is_there(exported):
    kinds = set(exported[0].encoder.summary())
    assert kinds == {"number", "category", "date", "text", "constant"}


def test_features_are_those_of_the_encoder(exported):
    encoder = exported[0].encoder
    for frame in (TABLE, a_table(60, seed=1)):
        np.testing.assert_allclose(
            _features(encoder, frame), encoder.transform(frame), atol=2e-6, rtol=1e-6
        )


def test_every_day_has_its_parts():
    """Around leap years and centuries, to the ends of what pandas can hold in nanoseconds."""
    years = [(1690, 1705), (1895, 1905), (1967, 1972), (1999, 2001), (2095, 2105), (2255, 2260)]
    ranges = [pd.date_range(f"{first}-01-01", f"{last}-12-31") for first, last in years]
    days = pd.DataFrame({"day": ranges[0].append(ranges[1:])})
    encoder = TableEncoder().fit(days)
    assert np.array_equal(_features(encoder, days), encoder.transform(days))


def test_predictions_are_equal(exported):
    model, session = exported
    check_equal(model, TABLE, session)


def test_strange_rows_are_read_alike(exported):
    model, session = exported
    check_equal(model, strange_rows(a_table(120, seed=2)), session)


@pytest.mark.parametrize("target", TARGETS)
def test_predictions_of_every_target_are_equal(target):
    check_equal(model_of(PLAIN, TARGETS[target]), PLAIN)


NETWORKS = {
    "one network": {"seeds": [0]},
    "a linear model": {"hidden": ()},
    "tanh": {"activation": "tanh"},
    "logistic": {"activation": "logistic"},
    "identity": {"activation": "identity"},
    "dropout": {"hidden_noise": Dropout(keep_prob=0.5), "input_noise": Dropout(keep_prob=0.8)},
    "classic dropout": {
        "hidden_noise": Dropout(keep_prob=0.5, scaling="classic"),
        "input_noise": Dropout(keep_prob=torch.tensor([0.5, 0.7, 0.9]), scaling="classic"),
    },
    "classic DropConnect": {"weight_noise": DropConnect(keep_prob=0.5, scaling="classic")},
    "DropConnect": {"weight_noise": DropConnect(keep_prob=torch.tensor([0.5, 0.7, 0.9]))},
    "other noises": {
        "hidden_noise": GaussianDropout(keep_prob=0.7),
        "input_noise": AlphaDropout(keep_prob=0.9),
    },
}


@pytest.mark.parametrize("case", NETWORKS)
def test_every_network_is_exported(case):
    check_equal(model_of(PLAIN, TARGETS["numbers as classes"], **NETWORKS[case]), PLAIN)


@pytest.mark.parametrize("temperature", [0.1, 3.0])
@pytest.mark.parametrize("target", ["two classes", "numbers as classes"])
def test_the_temperature_is_exported(target, temperature):
    model = replace(model_of(PLAIN, TARGETS[target]), temperature=temperature)
    check_equal(model, PLAIN)


def test_the_ensemble_of_a_search_is_exported():
    frame = PLAIN.assign(target=TARGETS["two classes"])
    fast = {"configurations": 6, "epochs": 3, "hidden": [(8,)], "folds": 3}
    model = bridle.search(frame, "target", **fast).model
    assert model.network.members > 1
    check_equal(model, frame)


def test_one_row_and_no_row(exported):
    model, session = exported
    check_equal(model, TABLE.iloc[:1], session)
    assert [len(each) for each in session.run(None, inputs_of(TABLE.iloc[:0], session))] == [0, 0]


def test_an_infinite_number_gives_no_prediction(exported):
    """`predict` refuses it; a graph cannot, so it says nothing of that row."""
    model, session = exported
    rows = TABLE.iloc[:3].copy()
    rows.loc[1, "gap"] = np.inf
    with pytest.raises(bridle.DataError, match="replace infinite values"):
        model.predict(rows)
    classes, shares = session.run(None, inputs_of(rows, session))
    assert np.isnan(shares).all(axis=1).tolist() == [False, True, False]
    assert [bool(each) for each in classes] == [True, False, True]
    for target, value in (("numbers as classes", np.iinfo(np.int64).min), ("values", None)):
        other = session_of(model_of(PLAIN, TARGETS[target]))
        found = other.run(None, inputs_of(rows, other))[0]
        assert np.isnan(found[1]) if value is None else found[1] == value
        assert np.isfinite(found[[0, 2]]).all()


def test_dates_in_milliseconds_give_no_prediction(exported):
    session = exported[1]
    inputs = inputs_of(TABLE.iloc[:2].assign(moment=pd.Timestamp("2024-01-05")), session)
    assert np.isfinite(session.run(None, inputs)[1]).all()
    inputs["moment"] = inputs["moment"] * [1, 1000]
    assert np.isnan(session.run(None, inputs)[1]).any(axis=1).tolist() == [False, True]


def test_columns_may_have_any_name():
    names = ["prediction", "constant", "probabilities"]
    frame = PLAIN.set_axis(names, axis=1).assign(**{"gather_2": PLAIN["number"], "ä b/…": 1.0})
    frame["ä b/…"] = PLAIN["number"] ** 2
    model = model_of(frame, TARGETS["two classes"])
    session = session_of(model)
    check_equal(model, frame, session)
    assert [each.name for each in session.get_outputs()] == ["prediction_2", "probabilities_2"]
    assert {each.name for each in session.get_inputs()} == set(frame)


def test_the_file_says_what_it_is(exported):
    model, session = exported
    told = session.get_modelmeta().custom_metadata_map
    assert told["bridle_version"] == bridle.__version__
    assert (told["task"], told["target"]) == ("classification", "target")
    assert json.loads(told["classes"]) == ["no", "yes"]
    kinds = {each["name"]: each["kind"] for each in json.loads(told["columns"])}
    assert kinds == {each: model.encoder.schema[each].kind for each in model.encoder.columns}
    onnx.checker.check_model(model.to_onnx(), full_check=False)


def test_the_same_model_gives_the_same_file(tmp_path):
    model = model_of(PLAIN, TARGETS["values"])
    made = [tmp_path / name for name in ("a.onnx", "b.onnx")]
    for path in made:
        model.to_onnx(path)
    assert made[0].read_bytes() == made[1].read_bytes()
    assert onnx.load(made[0]) == model.to_onnx()


PROGRAM = """
import sys
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
inputs = {"number": np.array([1.5, np.nan]), "gap": np.array([np.nan, 2.0])}
inputs["colour"] = np.array(["red", ""], dtype=object)
classes, shares = session.run(None, inputs)
print(list(classes), *shares.ravel())
assert not {"bridle", "torch", "pandas", "sklearn", "onnx"} & set(sys.modules)
"""


def test_a_fresh_process_needs_onnxruntime_only(tmp_path):
    model = model_of(PLAIN, TARGETS["two classes"])
    model.to_onnx(tmp_path / "model.onnx")
    (tmp_path / "run.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, tmp_path / "run.py", tmp_path / "model.onnx"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    rows = pd.DataFrame({"number": [1.5, None], "gap": [None, 2.0], "colour": ["red", None]})
    wanted = model.predict(rows)
    classes, _, shares = ran.stdout.partition("] ")
    assert classes == str(wanted["prediction"].tolist())[:-1]
    found = [float(each) for each in shares.split()]
    np.testing.assert_allclose(found, wanted.iloc[:, 1:].to_numpy().ravel(), atol=1e-5)


def test_without_onnx_the_command_to_install_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r"needs the package onnx; .* 'bridle\[onnx\]'"):
        model_of(PLAIN, TARGETS["values"]).to_onnx()


def test_what_cannot_be_exported_is_named(monkeypatch):
    with pytest.raises(UsageError, match="a column has no name, and an input needs one"):
        model_of(PLAIN.rename(columns={"gap": ""}), TARGETS["values"]).to_onnx()
    monkeypatch.setattr(graph, "_MAX_BYTES", 1000)
    with pytest.raises(UsageError, match="GiB of weights, and an ONNX file at most 2"):
        model_of(PLAIN, TARGETS["values"]).to_onnx()


TABLES = sorted(Path(os.environ.get("BRIDLE_TABLES", "/nowhere")).glob("*.csv.gz"))


@pytest.mark.skipif(not TABLES, reason="BRIDLE_TABLES is no folder of NAME.csv.gz")
@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name.partition(".")[0])
def test_predictions_of_real_tables_are_equal(path):
    """All tables of a folder; the column to predict is `target`."""
    frame = bridle.tables.read_table(path)
    model = model_of(frame, frame["target"], bins=16 if len(frame.columns) < 32 else 0)
    check_equal(model, frame)
