"""Booleans, forms of Unicode, codes of missing values and infinite numbers in an exported model."""

import itertools
import unicodedata

import numpy as np
import pandas as pd
import pytest

from bridle.errors import DataError
from bridle.models.fit import fit
from bridle.tables import ReadOptions

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx_helpers import check_equal, inputs_of, model_of, session_of  # noqa: E402

ROWS = 60
TARGET = pd.Series(np.arange(ROWS) % 3 == 0, name="target").map({True: "a", False: "b"})
PAIRS = (("yes", "no"), ("Y", "N"), ("true", "false"), ("on", "off"), ("T", "F"), ("1.0", "0.0"))


def _words(frame, name, words):
    return pd.DataFrame({**frame.iloc[: len(words)], name: words})


@pytest.mark.parametrize("pair", PAIRS)
def test_a_boolean_is_the_same_in_every_spelling(pair):
    values = [pair[each % 2] for each in range(ROWS)]
    frame = pd.DataFrame({"smoker": pd.Categorical(values), "age": np.arange(ROWS) * 1.5})
    model = model_of(frame, TARGET)
    kinds = {"".join(each) for word in ("yes", "false") for each in _cases(word)}
    words = [*kinds, "Y", "n", "ON", "Off", "t", "F", "1", "0", "1.0", "", "NA", "perhaps", " yes "]
    words = [word for word in words if pair[0] != "true" or word != "perhaps"]
    check_equal(model, pd.DataFrame({"smoker": words, "age": 3.0}))


def _cases(word):
    return itertools.product(*((letter, letter.upper()) for letter in word))


@pytest.mark.parametrize("gaps", [False, True])
def test_what_is_no_boolean_is_a_new_category_or_missing(gaps):
    values = [None if gaps and not each % 7 else not each % 2 for each in range(ROWS)]
    frame = pd.DataFrame({"smoker": pd.Series(values, dtype=object), "town": ["Ulm", "Bonn"] * 30})
    model = model_of(frame, TARGET)
    words = ["True", "perhaps", "unknown", "no", "-", " - ", "--", "…", "n/a", "NAN", "#N/A", "_"]
    words += ["2", "", "k.a.", "Missing", "+-+-", "_", "-1", "é", "0.5", "?"]
    check_equal(model, pd.DataFrame({"smoker": words, "town": "Ulm"}))


PLACES = ["Zürich", "Málaga", "Łódź", "Ångström", "Huế", "서울", "Ωmega", "ΐ", "Nội", "plain"]


def test_categories_are_the_same_in_both_forms_of_unicode():
    frame = pd.DataFrame({"town": [PLACES[each % 10] for each in range(ROWS)]})
    model = model_of(frame, TARGET)
    for form in ("NFC", "NFD"):
        check_equal(model, frame.map(lambda cell, form=form: unicodedata.normalize(form, cell)))


def test_texts_are_the_same_in_both_forms_of_unicode():
    """Also characters with two and three marks, and those that are others when composed."""
    random = np.random.default_rng(0)
    often = ["Huế Đà Nẵng"] * 3
    texts = [" ".join(random.choice(PLACES, 3)) + f" {at}" for at in range(ROWS - 3)] + often
    frame = pd.DataFrame({"text": texts})
    model = model_of(frame, TARGET)
    assert model.encoder.schema["text"].categories == tuple(often[:1])
    session = session_of(model)
    kept = model.predict(frame)
    for form in ("NFC", "NFD"):
        other = frame.map(lambda cell, form=form: unicodedata.normalize(form, cell))
        pd.testing.assert_frame_equal(model.predict(other), kept)
        check_equal(model, other, session)
    cells = ["\u212bngstr\u00f6m", "\u2126mega", "\u1fa7", "\u03c9\u0314\u0342\u0345", "e\u0301"]
    cells += ["\u00ea\u0301", "\u1112\u1161\u11ab", "\u0301alone", "İ", "I\u0307", "\ufb2c"]
    check_equal(
        model, pd.DataFrame({"text": [f"Zürich {cell} plain {cell}" for cell in cells]}), session
    )


def test_codes_of_missing_values_act_on_numbers(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": np.where(random.random(ROWS) < 0.2, -999, random.integers(0, 50, ROWS)),
            "b": np.where(random.random(ROWS) < 0.2, 99.5, random.normal(size=ROWS)),
            "kind": random.choice(["x", "y", "-999"], ROWS),
            "target": TARGET,
        }
    )
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    reading = ReadOptions(missing=("-999", "99.5"))
    model = fit(path, "target", reading=reading, epochs=2).model
    assert {c.name: c.has_missing for c in model.encoder.schema.values()} == dict.fromkeys(
        ("a", "b", "kind"), True
    )
    check_equal(model, frame.drop(columns="target"))


def test_an_infinite_number_is_refused():
    frame = pd.DataFrame({"a": np.arange(ROWS) * 1.0, "b": np.arange(ROWS)[::-1] * 2.0})
    model = model_of(frame, TARGET)
    session = session_of(model)
    strange = frame.iloc[:3].assign(b=[1.0, np.inf, -np.inf])
    with pytest.raises(DataError, match="infinite"):
        model.predict(strange)
    shares = session.run(None, inputs_of(strange, session))[1]
    assert np.isnan(shares).all(axis=1).tolist() == [False, True, True]
