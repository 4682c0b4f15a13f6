"""A model with a column of many values: files, new values and the exported graph."""

import numpy as np
import pandas as pd
import pytest
from untrained import untrained_model

import bridle


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    shops = [f"S{7919 * at % 10**6:06d}" for at in random.integers(0, 90, 500)]
    target = np.where(random.random(500) < 0.5, "yes", "no")
    return pd.DataFrame({"x": random.normal(size=500), "shop": shops, "y": target})


@pytest.fixture(scope="module")
def new(table):
    rows = table.drop(columns="y").head(6).copy()
    rows.loc[1:3, "shop"] = ["S999999", "another shop", None]
    return rows


def test_a_file_predicts_the_same_for_known_and_new_values(table, new, tmp_path):
    model = untrained_model(table)
    assert model.encoder.schema["shop"].categories
    bridle.save_model(model, tmp_path / "shops.bridle")
    new.to_csv(tmp_path / "new.csv", index=False)
    again = bridle.load(tmp_path / "shops.bridle")
    said, expected = again.predict(tmp_path / "new.csv"), model.predict(new)
    assert said["prediction"].tolist() == expected["prediction"].tolist()
    shares = expected.filter(like="probability_").to_numpy()
    assert np.array_equal(said.filter(like="probability_").to_numpy(), shares)
    assert np.isfinite(shares).all()


def test_the_exported_graph_gives_the_same(table, new):
    pytest.importorskip("onnxruntime")
    from onnx_helpers import check_equal

    model = untrained_model(table)
    check_equal(model, new)
