"""Tables, models and inputs that the tests of the export share."""

import numpy as np
import onnxruntime
import pandas as pd

from bridle import Network, TableModel
from bridle.tables import ClassTarget, TableEncoder, ValueTarget
from bridle.tables.target import infer_task

WORDS = ["alpha", "Straße", "İSTANBUL", "ÉCOLE", "日本語", "a", "I", "x_y", "z9", "😀", "foo-bar"]
WORDS += ["ΟΔΟΣ", "Σ.", "O'Neill"]


def a_table(rows, seed=0):
    """Return a table with a column of every kind."""
    random = np.random.default_rng(seed)
    start, seconds = pd.Timestamp("1890-03-01"), random.integers(0, 190 * 365 * 86400, rows)
    frame = pd.DataFrame(
        {
            "number": random.normal(size=rows) * 100,
            "gap": np.where(random.random(rows) < 0.2, np.nan, random.normal(size=rows)),
            "whole": random.integers(0, 1000, rows),
            "colour": random.choice(["red", "blue", "green lake"], rows),
            "size": random.choice(["S", "NA", "L", None], rows),
            "flag": random.random(rows) < 0.5,
            "code": random.choice(["01", "02", "none"], rows),
            "grade": random.choice(["1", "2", "13"], rows),
            "level": pd.Categorical(random.choice(["low", "high"], rows)),
            "day": (start + pd.to_timedelta(seconds, unit="s")).normalize(),
            "moment": start + pd.to_timedelta(seconds[::-1], unit="s"),
            "text": [" ".join(random.choice(WORDS, 1 + at % 8)) + str(at) for at in range(rows)],
            "words": [" ".join(random.choice(WORDS, 3)) + str(at) for at in range(rows)],
            "constant": 1.0,
            "empty": np.nan,
        }
    )
    frame["maybe"] = frame["flag"].astype(object).where(random.random(rows) < 0.8, None)
    frame["level"] = frame["level"].astype(object).where(random.random(rows) < 0.9, None)
    frame.loc[random.random(rows) < 0.1, ["moment", "text"]] = None
    return frame


def strange_rows(frame):
    """Return rows of a kind that was not in training: each of the first ones has one such cell."""
    frame = frame.copy()
    cells = [
        *(("colour", cell) for cell in ("violet", " red", "RED", "?", "NaN", "None", "(missing)")),
        *(("size", cell) for cell in ("NA", "none", "(missing)", " L ", "")),
        *(("code", cell) for cell in ("1", "NA", "none", "01 ")),
        *(("grade", cell) for cell in ("1.0", "13.0", "01", "13")),
        *(("maybe", cell) for cell in ("TRUE", "false", "tRuE", "1", "0", "0.0", "yes", "")),
        *(("text", cell) for cell in ("", "  ", "NaN", "none", "a", "Ä", "Σ", "Σίσυφος ΟΔΟΣ'")),
        *(("text", cell) for cell in ("one\u00a0two\tthree  four ", "İ", "x" * 300, "1")),
        *(("number", cell) for cell in (1e308, -1e308, 5e-324, 1e12)),
    ]
    for row, (name, cell) in enumerate(cells):
        frame.loc[row, name] = cell
    written = ["1700-02-28 23:59:59", "2000-02-29", "2100-03-01", "2260-12-31"]
    extremes = pd.to_datetime(written, format="ISO8601")
    frame.loc[frame.index[-4:], "moment"] = extremes
    frame.loc[frame.index[-4:], "day"] = extremes.normalize()
    return frame


def model_of(frame, target, *, bins=0, seeds=(0, 1, 2), hidden=(16, 16), **options):
    """Return a model whose encoders are fitted and whose networks are not trained."""
    features, truth = frame.drop(columns="target", errors="ignore"), target
    encoder = TableEncoder().fit(features).binned(features, bins)
    classes = infer_task(truth) == "classification"
    coding = ClassTarget.fit(truth) if classes else ValueTarget.fit(truth)
    outputs = len(coding.classes) if classes else 1
    sizes = [len(encoder.feature_names), *hidden, outputs]
    network = Network(sizes, seeds=list(seeds), **options).eval()
    return TableModel(network, encoder, coding, "target")


def inputs_of(frame, session):
    """Return the inputs of an exported model, without bridle."""
    made = {}
    for each in session.get_inputs():
        column = frame[each.name]
        if each.type == "tensor(string)":
            made[each.name] = column.astype(object).where(column.notna(), "").astype(str).to_numpy()
        elif column.dtype.kind == "M":
            made[each.name] = (column - pd.Timestamp(0)).dt.total_seconds().to_numpy()
        else:
            made[each.name] = column.to_numpy(dtype=np.float64)
        if made[each.name].dtype.kind not in "fO":
            made[each.name] = made[each.name].astype(object)
    return made


def session_of(model):
    return onnxruntime.InferenceSession(model.to_onnx().SerializeToString())


def check_equal(model, frame, session=None):
    """Compare an exported model with `predict`, within 1e-5 of a probability or of the target."""
    session = session_of(model) if session is None else session
    wanted = model.predict(frame)
    found = session.run(None, inputs_of(frame, session))
    if isinstance(model.target, ValueTarget):
        unit = model.target.scale
        np.testing.assert_allclose(found[0] / unit, wanted["prediction"] / unit, atol=1e-5, rtol=0)
        return
    shares = wanted.iloc[:, 1:].to_numpy()
    np.testing.assert_allclose(found[1], shares, atol=1e-5, rtol=0)
    decided = np.diff(np.sort(shares, axis=1)[:, -2:], axis=1)[:, 0] > 2e-5
    assert found[0][decided].tolist() == wanted["prediction"][decided].tolist()
    assert decided.mean() > 0.9
