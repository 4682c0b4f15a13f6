"""``bridle.diagnose`` on estimators, modules and functions, checked against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.neural_network import MLPClassifier as SklearnMLP
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from torch import nn

import bridle
from bridle.errors import DataError, UsageError


@pytest.fixture(scope="module")
def rows():
    X, y = make_classification(700, flip_y=0.2, random_state=1)
    return (X[:300], y[:300]), (X[300:], y[300:])


def test_an_estimator(rows):
    training, new = rows
    tree = DecisionTreeClassifier(random_state=0).fit(*training)
    said = bridle.diagnose(tree, new, training=training, folds=4)
    assert said.verdict == "overfits"
    assert said.training.score.value == 1.0
    assert said.held_out.score.value == accuracy_score(new[1], tree.predict(new[0]))
    assert said.held_out.loss.value == pytest.approx(
        log_loss(new[1], np.clip(tree.predict_proba(new[0]), 1e-12, 1))
    )
    assert said.shuffled_labels.memorised == 1.0
    assert said.parameters is None
    kind = StratifiedKFold(4, shuffle=True, random_state=0)
    scores = cross_validate(tree, *training, cv=kind, return_train_score=True)
    assert said.gap.folds == pytest.approx(scores["train_score"] - scores["test_score"])


def test_an_estimator_with_text_for_classes(rows):
    (X, y), (X_new, y_new) = rows
    names = np.array(["bad", "good"])
    model = LogisticRegression().fit(X, names[y])
    said = bridle.diagnose(model, (X_new, names[y_new]), training=(X, names[y]))
    assert said.held_out.score.value == model.score(X_new, names[y_new])
    assert said.worst[0].truth in ("bad", "good")
    assert said.parameters == 21


def test_an_estimator_without_probabilities(rows):
    training, new = rows
    model = LinearSVC(random_state=0).fit(*training)
    said = bridle.diagnose(model, new, training=training, shuffled_labels=False)
    assert said.held_out.score.value == model.score(*new)
    assert said.held_out.loss is None
    assert said.calibration is None


def test_an_estimator_of_values():
    X, y = make_regression(300, 5, noise=10.0, random_state=0)
    model = LinearRegression().fit(X[:150], y[:150])
    said = bridle.diagnose(model, (X[150:], y[150:]), training=(X[:150], y[:150]))
    assert said.task == "regression"
    assert said.held_out.score.value == pytest.approx(model.score(X[150:], y[150:]))
    assert said.shuffled_labels.memorised < 0.2


def test_networks_of_scikit_learn_show_their_layers(rows):
    training, new = rows
    model = SklearnMLP((8,), max_iter=300, random_state=0, tol=1e-2).fit(*training)
    model.coefs_[0][:, 2] = 0
    said = bridle.diagnose(model, new, shuffled_labels=False)
    assert [each.units for each in said.layers] == [8, 1]
    assert said.layers[0].zeros == 20
    assert said.layers[0].dead_units == 1
    assert said.parameters == 20 * 8 + 8 + 8 + 1
    assert said.gap is None


def test_bridles_estimators_draw_subnetworks(rows):
    training, new = rows
    model = bridle.MLPClassifier((16,), keep_prob=0.5, max_iter=20, tol=0, n_iter_no_change=99)
    model.set_params(random_state=0)
    with pytest.warns(UserWarning, match="not converged after max_iter=20 epochs"):
        model.fit(*training)
    said = bridle.diagnose(model, new, masks=16)
    assert said.subnetworks.masks == 16
    assert said.subnetworks.scaled_score == pytest.approx(model.score(*new))


def test_a_module_gives_scores(rows):
    training, (X, y) = rows
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    model.train()
    model[0].weight.data[3] = 0
    tensors = torch.from_numpy(X), torch.from_numpy(y)
    said = bridle.diagnose(model, tensors, training=training)
    assert model.training
    with torch.no_grad():
        outputs = model.eval()(tensors[0].float())
    assert said.held_out.score.value == float((outputs.argmax(1) == tensors[1]).double().mean())
    wanted = nn.functional.cross_entropy(outputs, tensors[1])
    assert said.held_out.loss.value == pytest.approx(float(wanted), rel=1e-5)
    assert said.parameters == 20 * 8 + 8 + 16 + 18
    assert said.layers[0].dead_units == 1
    assert said.layers[0].zeros == 20
    assert said.shuffled_labels is None


def test_functions_give_classes_probabilities_scores_or_values(rows):
    training, (X, y) = rows
    model = LogisticRegression().fit(*training)
    wanted = model.score(X, y)
    for function in (
        model.predict,
        model.predict_proba,
        model.decision_function,
        model.predict_log_proba,
        lambda rows: model.predict_proba(rows)[:, 1],
    ):
        said = bridle.diagnose(function, (X, y))
        assert said.held_out.score.value == pytest.approx(wanted)
    for function in (model.predict_log_proba, model.decision_function):
        loss = bridle.diagnose(function, (X, y)).held_out.loss.value
        assert loss == pytest.approx(log_loss(y, model.predict_proba(X)))
    values = bridle.diagnose(lambda rows: rows[:, 0], (X, X[:, 0] + X[:, 1]))
    assert values.task == "regression"


@pytest.mark.parametrize(
    ("subject", "options", "message"),
    [
        ("model.bridle", {}, "is a path; load the model first"),
        (3, {}, "cannot diagnose a int"),
        (DecisionTreeClassifier, {}, "is a class; give a fitted instance"),
        (len, {"masks": -1}, "masks is -1"),
        (len, {"folds": 1}, "folds is 1"),
        (len, {"folds": 3}, "only be used with a scikit-learn estimator"),
        (len, {"member": 1}, "only be used with a fit or a history"),
        (len, {}, "there are no rows to diagnose len on"),
        (len, {"data": pd.DataFrame({"x": [1]})}, "which column is the target"),
        (len, {"data": np.zeros(3)}, "data|held out is a ndarray"),
        (len, {"data": (np.zeros((3, 2)), np.zeros(2))}, "3 rows of inputs"),
    ],
)
def test_wrong_calls_are_named(subject, options, message):
    with pytest.raises(UsageError, match=message):
        bridle.diagnose(subject, **options)


def test_wrong_arrays_are_named(rows):
    training, (X, _) = rows
    model = LogisticRegression().fit(*training)
    with pytest.raises(DataError, match="the class 7 in held out"):
        bridle.diagnose(model, (X[:2], np.array([0, 7])))
    with pytest.raises(DataError, match="row 1, is nan"):
        bridle.diagnose(lambda rows: rows[:, 0], (X[:2], np.array([0.0, np.nan])))
    with pytest.raises(UsageError, match="gave 1 predictions for the 2 rows"):
        bridle.diagnose(lambda rows: rows[:1, 0], (X[:2], np.array([0.0, 1.5])))
    with pytest.raises(UsageError, match=r"outputs of shape \[2, 20\] for regression"):
        bridle.diagnose(lambda rows: rows, (X[:2], np.array([0.0, 1.5])))
    with pytest.raises(DataError, match="not a finite number"):
        bridle.diagnose(lambda rows: rows[:, 0] * np.nan, (X[:2], np.array([0.0, 1.5])))
