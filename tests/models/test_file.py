"""The model file: what was saved is what is loaded; nothing else is, and nothing is executed."""

import ast
import copy
import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors import safe_open

import bridle
from bridle import Recipe, Strengths
from bridle.models.file import FORMAT_VERSION
from bridle.models.stored import load_predictor
from bridle.tables import ClassTarget, TableEncoder
from bridle.tables.columns import Column
from conftest import CREDIT

RECIPE = Recipe(hidden=(8, 8), epochs=2)


@pytest.fixture(scope="module")
def model():
    return bridle.fit(CREDIT, "class", recipe=RECIPE).model


@pytest.fixture
def path(model, tmp_path):
    bridle.save_model(model, tmp_path / "m.bridle")
    return tmp_path / "m.bridle"


def _header(path):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def _rewrite(path, change):
    """Change the JSON document in the file's header, and write the file again, as if saved so."""
    header, body = _header(path)
    document = json.loads(header["__metadata__"]["bridle"])
    change(document)
    header["__metadata__"]["bridle"] = json.dumps(document | {"sha256": "0" * 64})
    packed = json.dumps(header, separators=(",", ":")).encode()
    content = struct.pack("<Q", len(packed)) + packed + body
    digest = hashlib.sha256(content).hexdigest()
    path.write_bytes(content.replace(b"0" * 64, digest.encode(), 1))


def test_loaded_model_predicts_the_same_bits(model, path):
    frame = pd.read_csv(CREDIT)
    loaded = bridle.load(path)
    pd.testing.assert_frame_equal(loaded.predict(frame), model.predict(frame), check_exact=True)
    assert loaded.facts == model.facts
    assert loaded.target_name == "class"
    assert loaded.task == "classification"
    bridle.save_model(loaded, path.with_name("again.bridle"))
    assert path.read_bytes() == path.with_name("again.bridle").read_bytes()


@pytest.mark.parametrize(
    "strengths",
    [
        Strengths(keep_prob=0.5, input_keep_prob=0.9),
        Strengths(drop_connect_keep_prob=0.5, max_norm=2.0),
        Strengths(l1=1e-3),
    ],
)
def test_noises_travel(strengths, tmp_path):
    model = bridle.fit(CREDIT, "class", recipe=RECIPE, strengths=strengths).model
    bridle.save_model(model, tmp_path / "m")
    loaded = bridle.load(tmp_path / "m")
    X = torch.randn(7, model.network.sizes[0])
    assert torch.equal(loaded.network(X, noise=True), model.network(X, noise=True))


def test_classic_scaling_travels(model, tmp_path):
    classic = replace(model, network=model.network.with_scaling("classic"))
    bridle.save_model(classic, tmp_path / "m")
    loaded = bridle.load(tmp_path / "m")
    assert loaded.network.hidden_noise.scaling == "classic"
    assert loaded.predict(CREDIT).equals(classic.predict(CREDIT))


def test_options_of_noises_travel(model, tmp_path):
    network = model.network.take([0])
    network.hidden_noise = bridle.Dropout(keep_prob=0.5, shared=True)
    network.weight_noise = bridle.DropConnect(keep_prob=0.5, per_example=True)
    bridle.save_model(replace(model, network=network), tmp_path / "m")
    loaded = bridle.load(tmp_path / "m").network
    assert loaded.hidden_noise.shared
    assert loaded.weight_noise.per_example


def test_kinds_of_noise_travel(model, tmp_path):
    other = copy.deepcopy(model)
    other.network.hidden_noise = bridle.GaussianDropout(keep_prob=0.7)
    other.network.input_noise = bridle.AlphaDropout(keep_prob=torch.tensor([0.5]))
    bridle.save_model(other, tmp_path / "kinds.bridle")
    loaded = bridle.load(tmp_path / "kinds.bridle").network
    for name in ("hidden_noise", "input_noise"):
        assert repr(getattr(loaded, name)) == repr(getattr(other.network, name))
    other.network.hidden_noise = bridle.late_dropout(bridle.Dropout(keep_prob=0.7), steps=5)
    with pytest.raises(bridle.UsageError, match="cannot store the noise Scheduled"):
        bridle.save_model(other, tmp_path / "none.bridle")


def test_it_is_plain_safetensors_with_readable_json(path):
    with safe_open(path, framework="np") as file:
        document = json.loads(file.metadata()["bridle"])
    assert document["format"] == "bridle model"
    assert document["version"] == FORMAT_VERSION
    assert document["network"]["sizes"][1:] == [8, 8, 2]


def test_no_pickle_in_the_package():
    package = Path(bridle.__file__).parent
    for source in package.rglob("*.py"):
        if "examples" in source.relative_to(package).parts:  # an installed one has them inside
            continue
        if source.name == "stored_data.py":  # what a search's processes hand each other
            continue
        for node in ast.walk(ast.parse(source.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{each.name}" for each in node.names)]
            elif isinstance(node, ast.Call) and ast.unparse(node) != "exec('')":
                names = [ast.unparse(node.func)]
            # joblib itself sends work to processes; its files are pickles
            banned = {"pickle", "dill", "marshal", "torch.load", "eval", "exec"}
            banned |= {"joblib.load", "joblib.dump"}
            assert banned.isdisjoint(names), f"{source}: {names}"


@pytest.mark.parametrize("length", [0, 4, 100, 3000, -1])
def test_truncated_at_any_place(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(bridle.ModelFileError, match="not a complete bridle model"):
        bridle.load(path)


def test_every_flipped_bit_is_found(path):
    """In the header, in each tensor, and in the checksum itself; none gives another prediction."""
    whole = path.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    marks = [b'"version', b'\\"version', b"sha256", b'"F32"', b"data_offsets", b"categories"]
    places = {*range(16), *range(8, len(whole), len(whole) // 40), length + 7, len(whole) - 1}
    for mark in marks:
        at = whole.find(mark)
        places |= set(range(at, at + 12)) if at >= 0 else set()
    at = whole.index(rb"\"sha256\": \"") + len(rb"\"sha256\": \"")
    places |= {at, at + 63, at + 64}
    for place in sorted(places):
        for bit in (0, 5):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            with pytest.raises(bridle.ModelFileError) as caught:
                bridle.load(path)
            assert str(path) in str(caught.value)
            assert "\n" not in str(caught.value)


def test_damage_that_stays_readable_is_named(path):
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 1  # in the last tensor
    path.write_bytes(whole)
    with pytest.raises(bridle.ModelFileError, match="is damaged: its checksum is not that of"):
        bridle.load(path)


def test_a_temperature_travels_and_older_files_have_none(model, path):
    warm = replace(model, temperature=0.5)
    bridle.save_model(warm, path)
    for load in (bridle.load, load_predictor):
        assert load(path).predict(CREDIT).equals(warm.predict(CREDIT))

    def as_before(document):
        document["version"] = 2
        del document["temperature"]

    _rewrite(path, as_before)
    for load in (bridle.load, load_predictor):
        assert load(path).predict(CREDIT).equals(model.predict(CREDIT))


def test_files_from_before_the_checksum_are_read(model, path):
    header, body = _header(path)
    document = json.loads(header["__metadata__"]["bridle"]) | {"version": 1}
    del document["sha256"]
    header["__metadata__"]["bridle"] = json.dumps(document)
    packed = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(packed)) + packed + body)
    assert bridle.load(path).predict(CREDIT).equals(model.predict(CREDIT))


def test_dates_of_files_from_before_the_checksum_have_no_hours(tmp_path):
    table = pd.DataFrame({"at": pd.date_range("2024-01-05 10:30", periods=40, freq="7h")})
    encoder = TableEncoder().fit(table, [Column("at", "date")])
    network = bridle.Network([len(encoder.feature_names), 2])
    model = bridle.TableModel(network, encoder, ClassTarget(("no", "yes")), "y")
    path = tmp_path / "model.bridle"
    bridle.save_model(model, path)

    def as_before(document):
        document["version"] = 1
        document["encoder"]["columns"][0]["has_time"] = True

    _rewrite(path, as_before)
    assert bridle.load(path).predict(table).equals(model.predict(table))


def test_foreign_files(path, tmp_path):
    from safetensors.torch import save_file

    foreign = tmp_path / "other.safetensors"
    save_file({"w": torch.ones(2)}, foreign)
    with pytest.raises(bridle.ModelFileError, match="not a bridle model"):
        bridle.load(foreign)
    torch.save({"w": torch.ones(2)}, tmp_path / "pickle.pt")
    with pytest.raises(bridle.ModelFileError, match="not a complete bridle model"):
        bridle.load(tmp_path / "pickle.pt")
    with pytest.raises(bridle.ModelFileError, match="not a file"):
        bridle.load(tmp_path)


def test_newer_version_says_so(path):
    _rewrite(path, lambda document: document.update(version=99))
    with pytest.raises(bridle.ModelFileError, match="format version 99"):
        bridle.load(path)


DAMAGE = {
    "no network": lambda d: d.pop("network"),
    "sizes of another network": lambda d: d["network"].update(sizes=[3, 3, 2]),
    "sizes beyond memory": lambda d: d["network"].update(sizes=[10**6, 10**6, 2]),
    "sizes of text": lambda d: d["network"].update(sizes="many"),
    "unknown activation": lambda d: d["network"].update(activation="os.system"),
    "unknown dtype": lambda d: d["network"].update(dtype="load"),
    "impossible noise": lambda d: d["network"]["hidden_noise"].update(keep_prob=7),
    "unknown task": lambda d: d.update(task="clustering"),
    "no encoder": lambda d: d.update(encoder=None),
    "no target": lambda d: d.update(target={}),
    "temperature of zero": lambda d: d.update(temperature=0),
    "temperature of text": lambda d: d.update(temperature="warm"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_document_is_one_error(path, case):
    _rewrite(path, DAMAGE[case])
    with pytest.raises(bridle.ModelFileError) as caught:
        bridle.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_writing_replaces_whole_files_only(model, tmp_path):
    path = tmp_path / "m.bridle"
    path.write_bytes(b"old")
    bridle.save_model(model, path)
    assert bridle.load(path).facts == model.facts
    assert [item.name for item in tmp_path.iterdir()] == ["m.bridle"]
    with pytest.raises(bridle.DataError, match="folder"):
        bridle.save_model(model, tmp_path)
    with pytest.raises(bridle.DataError, match="cannot write"):
        bridle.save_model(model, tmp_path / "absent" / "m.bridle")


def test_a_link_is_followed(model, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    bridle.save_model(model, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert bridle.load(tmp_path / "real").facts == model.facts
