"""``bridle export``: what it writes and tells, and its exit codes."""

import pandas as pd
import pytest

import bridle as library
from bridle.tables import ClassTarget, TableEncoder
from conftest import CREDIT

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "credit.bridle"
    frame = pd.read_csv(CREDIT)
    encoder, target = TableEncoder().fit(frame.drop(columns="class")), ClassTarget(("bad", "good"))
    network = library.Network([len(encoder.feature_names), 4, 2])
    library.save_model(library.TableModel(network, encoder, target, "class"), path)
    return path


def test_it_writes_the_file_and_says_so(bridle, model, tmp_path):
    file = tmp_path / "credit.onnx"
    ran = bridle("export", model, "--onnx", file)
    assert (ran.code, ran.out) == (0, "")
    told = " ".join(ran.err.split())
    assert "20 inputs, and the outputs prediction, probabilities" in told
    names = {each.name for each in onnxruntime.InferenceSession(str(file)).get_inputs()}
    assert names == set(library.load(model).encoder.columns)


def test_what_is_wrong_with_the_call_is_2(bridle, model, tmp_path):
    assert bridle("export", model).code == 2
    assert bridle("export", "--onnx", tmp_path / "x.onnx").code == 2
    ran = bridle("export", model, "--onnx", tmp_path / "absent" / "x.onnx")
    assert ran.code == 2
    assert "there is no folder" in ran.err
    ran = bridle("export", model, "--onnx", tmp_path)
    assert ran.code == 2
    assert "which is a folder; name a file" in ran.err
    ran = bridle("export", model, "--onnx", model)
    assert ran.code == 2
    assert "which is the model itself; give another file" in ran.err
    assert library.load(model)


def test_what_is_wrong_with_the_file_is_1(bridle, model, tmp_path):
    ran = bridle("export", tmp_path / "absent.bridle", "--onnx", tmp_path / "x.onnx")
    assert ran.code == 1
    assert "is not a file" in ran.err
    damaged = bytearray(model.read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "damaged.bridle").write_bytes(damaged)
    ran = bridle("export", tmp_path / "damaged.bridle", "--onnx", tmp_path / "x.onnx")
    assert ran.code == 1
    assert "is damaged: its checksum is not that of its content" in ran.err
    assert not (tmp_path / "x.onnx").exists()
