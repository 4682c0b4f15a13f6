"""Subnetworks of what predicts tables: of a model file, on the command line, of an estimator."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import bridle as library
from bridle import MLPClassifier, MLPRegressor, Network, Recipe, Strengths
from bridle.errors import UsageError
from conftest import CREDIT

RECIPE = Recipe(hidden=(12, 10), epochs=2)


@pytest.fixture(scope="module")
def values():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(90, 3)), columns=list("abc"))
    return frame.assign(y=1e3 + 50 * (frame["a"] + random.normal(size=90)))


def with_members(model, count):
    """The model with networks of several seeds, as a search's answer has."""
    one = model.network
    several = Network(
        one.sizes,
        seeds=range(count),
        hidden_noise=one.hidden_noise
        and one.hidden_noise.take(torch.zeros(count, dtype=torch.int64)),
    )
    return replace(model, network=several.eval())


@pytest.fixture(scope="module")
def classes_model():
    return with_members(library.fit(CREDIT, "class", recipe=RECIPE).model, 2)


def scores(model, table, k):
    """Of each member's subnetworks, ``[members * k, rows, outputs]``, one after the other."""
    from bridle.tables import read_table

    X = torch.from_numpy(model.encoder.transform(read_table(table)))
    found = []
    for member in range(model.network.members):
        for small in model.subnetworks(range(k), member=member):
            assert small.network.members == 1
            assert not small.network.has_noise
            found.append(small.network(X)[0].detach().double())
    return torch.stack(found)


def test_of_classes(classes_model):
    table = classes_model.predict(CREDIT, subnetworks=12)
    p = scores(classes_model, CREDIT, 12).softmax(-1)
    mean = p.mean(0)
    for code, name in enumerate(("bad", "good")):
        np.testing.assert_allclose(table[f"probability_{name}"], mean[:, code], atol=1e-6)
        np.testing.assert_allclose(table[f"std_{name}"], p.std(0, correction=0)[:, code], atol=1e-5)
    own = -torch.xlogy(p, p).sum(-1).mean(0)
    doubt = -torch.xlogy(mean, mean).sum(-1) - own
    np.testing.assert_allclose(table["mutual_information"], doubt, atol=1e-5)
    assert (table["prediction"] == np.where(mean[:, 0] >= 0.5, "bad", "good")).all()


def test_of_values_in_their_units(values):
    strengths = Strengths(keep_prob=0.8, input_keep_prob=0.9)
    model = library.fit(values, "y", recipe=RECIPE, strengths=strengths).model
    table = model.predict(values, subnetworks=15)
    found = scores(model, values, 15)[..., 0] * model.target.scale + model.target.mean
    np.testing.assert_allclose(table["prediction"], found.mean(0), rtol=1e-5)
    np.testing.assert_allclose(table["std"], found.std(0, correction=0), rtol=1e-3)
    assert list(table) == ["prediction", "std"]


def test_a_models_subnetwork_is_a_model(classes_model, tmp_path):
    small = classes_model.subnetwork(4, member=1)
    assert small.facts["subnetwork"] == {"k": 4, "member": 1}
    path = tmp_path / "small.bridle"
    library.save_model(small, path)
    pd.testing.assert_frame_equal(library.load(path).predict(CREDIT), small.predict(CREDIT))
    with pytest.raises(UsageError, match=r"member is 2; the model has 2 networks"):
        classes_model.subnetwork(0, member=2)
    with pytest.raises(UsageError, match=r"no subnetworks: fit with keep_prob"):
        small.subnetwork(0)


def test_on_the_command_line(bridle, classes_model, tmp_path):
    path = tmp_path / "model.bridle"
    library.save_model(classes_model, path)
    ran = bridle("predict", path, CREDIT, "--subnetworks", 8)
    assert ran.code == 0
    head = "prediction,probability_bad,probability_good,std_bad,std_good,mutual_information"
    assert ran.out.splitlines()[0] == head
    for value, words in ((0, "k is 0"), (None, "has no noise, so it has no subnetworks")):
        if value is None:
            library.save_model(classes_model.subnetwork(0), path)
        ran = bridle("predict", path, CREDIT, "--subnetworks", 3 if value is None else value)
        assert ran.code == 2
        assert words in ran.err
        assert len(ran.err.strip().splitlines()) == 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_an_estimators_spread_is_of_its_networks_subnetworks(kind):
    random = np.random.default_rng(0)
    X = random.normal(size=(80, 5)).astype(np.float32)
    y = np.arange(80) % 3 if kind is MLPClassifier else X[:, 0] + random.normal(size=80)
    fitted = kind(
        hidden_layer_sizes=(9, 7),
        keep_prob=0.6,
        input_keep_prob=0.9,
        max_iter=3,
        random_state=0,
        drop_connect_keep_prob=0.9,
    )
    fitted.fit(X, y)
    read = fitted.predict_proba if kind is MLPClassifier else fitted.predict
    _, spread = read(X, return_std=True)
    network = fitted.to_network()
    names = range(int(network.steps), int(network.steps) + 50)  # which training has not drawn
    outputs = torch.stack([small(torch.from_numpy(X))[0] for small in network.subnetworks(names)])
    outputs = outputs.detach().double()
    outputs = outputs.softmax(-1) if kind is MLPClassifier else outputs[..., 0]
    np.testing.assert_allclose(spread, outputs.std(0), rtol=1e-4, atol=1e-6)
    _, alone = read(X[40:], return_std=True)  # a row's spread does not depend on other rows
    np.testing.assert_allclose(alone, spread[40:], rtol=1e-5, atol=1e-7)
