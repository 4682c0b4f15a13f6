"""Every subject of ``bridle.diagnose``, against what is computed beside it."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.neural_network import MLPClassifier as SklearnMLP
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from torch import nn

import bridle
from bridle.diagnosis.subjects.shuffled_labels import shuffled_network
from bridle.diagnosis.subjects.subnetworks import compare_subnetworks
from bridle.diagnosis.subjects.weights import layers_of_module, layers_of_network
from bridle.errors import DataError, UsageError
from bridle.search.result import SearchResult


@pytest.fixture(scope="module")
def table():
    X, y = make_classification(
        500, n_features=6, n_informative=4, flip_y=0.15, random_state=0, class_sep=0.8
    )
    frame = pd.DataFrame(X, columns=[f"x{at}" for at in range(6)])
    frame["kind"] = np.where(X[:, 0] > 0, "high", "low")
    return frame.assign(y=np.where(y, "yes", "no"))


RECIPE = bridle.Recipe(hidden=(32, 32), epochs=60, learning_rate=5e-3)


@pytest.fixture(scope="module")
def fitted(table):
    return bridle.fit(table, "y", recipe=RECIPE)


@pytest.fixture(scope="module")
def found(table, fitted):
    return bridle.diagnose(fitted, table)


@pytest.fixture(scope="module")
def rows():
    X, y = make_classification(700, flip_y=0.2, random_state=1)
    return (X[:300], y[:300]), (X[300:], y[300:])


# ---------------------------------------------------------------------------------- a fit


def test_fit_gives_everything(found, fitted):
    for name in ("training", "held_out", "test", "gap", "curves", "calibration", "subnetworks"):
        assert getattr(found, name) is not None, name
    assert found.parameters == sum(p[1].numel() for p in fitted.population.parameters())
    assert found.parameters_per_row == found.parameters / 300
    assert [each.name for each in found.references] == ["the plain network", "gradient boosting"]
    assert found.test.score.value == fitted.regularized.test.value
    assert found.training.score.value == fitted.regularized.diagnosis.training.value
    assert found.gap.measured_on == "test"  # the held-out rows chose the epoch
    assert found.curves.kept_epoch == fitted.regularized.epochs
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_plain_network_is_member_0(fitted):
    plain = bridle.diagnose(fitted, member=0, reference=False, shuffled_labels=False)
    assert plain.verdict == "overfits"
    assert plain.gap.measured_on == "held out"
    assert plain.gap.value == fitted.plain.diagnosis.gap
    assert plain.subnetworks is None  # its noises keep everything
    assert plain.shuffled_labels is None
    assert "epoch" in plain.advice[0]
    assert [each.name for each in plain.references] == ["the regularized network"]


def test_plain_memorises_more_than_regularized(found, fitted):
    plain = bridle.diagnose(fitted, member=0, reference=False)
    assert plain.shuffled_labels.memorised > 0.3
    assert found.shuffled_labels.memorised < plain.shuffled_labels.memorised - 0.1


def test_worst_rows_show_the_table(found, table, fitted):
    predictions = fitted.model.predict(table)
    for each in found.worst:
        assert each.row in fitted.places["test"]
        assert each.values == table.iloc[each.row].to_dict()
        assert each.prediction == predictions["prediction"][each.row]
        given = predictions[f"probability_{each.truth}"][each.row]
        assert each.probability == pytest.approx(given)
    losses = [each.loss for each in found.worst]
    assert losses == sorted(losses, reverse=True)


def test_another_table_is_no_table_of_the_fit(fitted, table):
    with pytest.raises(UsageError, match="has 400 rows and what was fitted had 500"):
        bridle.diagnose(fitted, table[:400])


def test_values_are_in_the_tables_units():
    X, y = make_regression(300, 5, noise=20.0, random_state=0)
    frame = pd.DataFrame(X).add_prefix("x").assign(y=1000 + 5 * y)
    result = bridle.fit(frame, "y", recipe=RECIPE)
    said = bridle.diagnose(result, frame, reference=False, shuffled_labels=False)
    test = result.places["test"]
    values, truth = result.model.predict(frame)["prediction"][test], frame["y"][test]
    assert said.score_name == "R²"
    assert said.test.score.value == pytest.approx(r2_score(truth, values), abs=1e-5)
    assert said.test.loss.value == pytest.approx(((truth - values) ** 2).mean(), rel=1e-4)
    assert said.calibration is None
    assert said.worst[0].truth == pytest.approx(frame["y"][said.worst[0].row], rel=1e-5)


# -------------------------------------------------------------------------------- a model


def test_a_model_knows_its_own_table(found, fitted, table, tmp_path):
    path = tmp_path / "model.bridle"
    bridle.save_model(fitted.model, path)
    table.to_csv(tmp_path / "table.csv", index=False)
    again = bridle.diagnose(bridle.load(path), tmp_path / "table.csv")
    assert "is the table that the model was fitted to" in again.notes[0]
    assert again.training.rows == 300
    assert again.gap == found.gap
    assert again.test == found.test
    assert again.shuffled_labels.how == found.shuffled_labels.how


def test_a_model_beside_new_rows(fitted, table):
    fresh = table.iloc[fitted.places["test"]].assign(x0=lambda t: t["x0"] + 1e-3)
    said = bridle.diagnose(fitted.model, fresh)
    assert said.held_out.rows == 100
    assert said.training.score.value == fitted.regularized.diagnosis.training.value
    assert said.training.rows == 300
    assert said.test.score == fitted.regularized.test
    assert said.notes == ()
    assert said.references == ()  # there are no training rows to fit another learner to


def test_a_model_notices_its_training_rows(fitted, table):
    said = bridle.diagnose(fitted.model, table[::-1])
    assert "has 100 % of a sample of the rows that the model was trained on" in said.notes[0]
    assert (said.verdict, said.claims) == ("cannot tell", ())
    assert "was not trained on" in said.advice[0]


def test_a_model_with_its_training_rows_gets_a_reference(fitted, table):
    training, new = (table.iloc[fitted.places[name]] for name in ("training", "test"))
    said = bridle.diagnose(fitted.model, new, training=training)
    boosted = HistGradientBoostingClassifier(random_state=0).fit(
        fitted.data["training"].X.numpy(), fitted.data["training"].y.numpy()
    )
    wanted = boosted.score(fitted.data["test"].X.numpy(), fitted.data["test"].y.numpy())
    (reference,) = said.references
    assert reference.score.value == pytest.approx(wanted)
    assert said.gap.value.value == pytest.approx(
        said.training.score.value - fitted.regularized.test.value
    )


# ------------------------------------------------------------------------------- a search


@pytest.fixture(scope="module")
def searched(table):
    return bridle.search(table, "y", configurations=9, epochs=6, hidden=[(16,)], folds=3)


def test_a_search_has_folds_and_a_winners_curse(searched, table):
    said = bridle.diagnose(searched, table)
    assert said.gap.measured_on == "test"
    assert len(said.gap.folds) == 3
    assert said.test.score == searched.chosen.test
    assert said.held_out.score.value == pytest.approx(searched.chosen.diagnosis.held_out.value)
    assert {each.name for each in said.references} == {"no regularization", "gradient boosting"}
    assert said.selection.tried == searched.considered
    assert said.selection.optimism.value == pytest.approx(
        searched.validation_score - searched.test_score.value
    )
    assert said.curves.unit == "step"
    assert said.shuffled_labels is not None
    assert set(np.concatenate(list(searched.observed.places.values()))) == set(range(500))
    json.dumps(said.to_dict(), allow_nan=False)


def test_expected_optimism_is_tibshiranis(searched):
    table = searched.configurations
    last = table[table["rung"] == table["rung"].max()]
    folds = last[["fold_0", "fold_1", "fold_2"]].to_numpy()
    said = bridle.diagnose(searched, shuffled_labels=False, reference=False).selection
    assert isinstance(searched, SearchResult)
    if len(last) == 1:
        assert said.expected_optimism is None
    else:
        assert said.expected_optimism == pytest.approx((folds.max(0) - folds[0]).mean())


def test_a_searched_model_knows_its_own_table(searched, table):
    said = bridle.diagnose(searched.model, table, shuffled_labels=False)
    assert said.test.score == searched.chosen.test
    assert said.training.rows == 400


# ------------------------------------------------------------------------------ a history


def test_a_history_counts(fitted):
    said = bridle.diagnose(fitted.history, member=0)
    assert said.verdict == "overfits"
    assert said.gap.value == fitted.plain.diagnosis.gap
    assert said.held_out.rows == 100
    assert said.held_out.baseline is None
    assert said.held_out.loss.value == fitted.history.held_out_loss[-1, 0]
    assert said.worst == ()
    assert said.calibration is None
    json.dumps(said.to_dict(), allow_nan=False)


def test_a_history_of_values_has_a_gap_without_interval():
    X = torch.linspace(-1, 1, 40)[:, None]
    data = bridle.Dataset(X, X[:, 0])
    history = bridle.train(
        bridle.Network([1, 8, 1]), data, data, objective="squared_error", epochs=9
    )
    said = bridle.diagnose(history)
    assert said.gap.value.value == 0
    assert said.gap.standard_error is None
    assert said.verdict == "cannot tell"
    assert said.to_dict()["gap"]["value"]["low"] is None
    assert "±" not in said.evidence[0]


def test_a_history_of_several_needs_a_member(fitted):
    with pytest.raises(UsageError, match="2 members and member is None"):
        bridle.diagnose(fitted.history)


# --------------------------------------------------------------------------- scikit-learn


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
    with pytest.warns(UserWarning, match="max_iter is 20"):
        model.fit(*training)
    said = bridle.diagnose(model, new, masks=16)
    assert said.subnetworks.masks == 16
    assert said.subnetworks.scaled_score == pytest.approx(model.score(*new))


# ------------------------------------------------------------------ torch, and functions


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


def test_a_network_beside_its_subnetworks(rows):
    _, (X, y) = rows
    network = bridle.Network([20, 16, 2], hidden_noise=bridle.Dropout(keep_prob=0.5))
    inputs = torch.from_numpy(X).float()
    found = compare_subnetworks(network, inputs, y, part="test", classes=True, masks=40)
    drawn = []
    for step in range(40):
        network.steps.fill_(step)
        drawn.append(network(inputs, noise=True)[0].softmax(-1).detach().double())
    drawn = torch.stack(drawn)
    scaled = bridle.predict(network, inputs)[0].double().softmax(-1)
    wanted = (scaled - drawn.mean(0)).abs().mean()
    assert found.difference.value == pytest.approx(float(wanted), rel=1e-4)
    assert found.averaged_score == float((drawn.mean(0).argmax(-1).numpy() == y).mean())
    deviation = drawn.var(0).mean().sqrt()
    assert found.spread == pytest.approx(float(deviation), rel=1e-3)


def test_a_linear_networks_scaling_is_exact_but_for_sampling():
    torch.manual_seed(0)
    network = bridle.Network([30, 1], input_noise=bridle.Dropout(keep_prob=0.7))
    X = torch.randn(500, 30)
    found = compare_subnetworks(
        network, X, X[:, 0].double().numpy(), part="test", classes=False, masks=100
    )
    assert found.difference.value == pytest.approx(found.sampling, rel=0.1)


def test_shared_masks_of_weights_are_drawn_anew():
    network = bridle.Network([8, 16, 2], weight_noise=bridle.DropConnect(keep_prob=0.5))
    X = torch.randn(50, 8)
    found = compare_subnetworks(network, X, np.zeros(50, int), part="test", classes=True, masks=9)
    assert found.spread > 0.01
    assert network.steps.tolist() == [0]


def test_dead_and_silent_units():
    network = bridle.Network([4, 6, 6, 2])
    with torch.no_grad():
        network.weights[0][0, :, 1] = 0  # nothing enters: dead, but its bias speaks
        network.biases[0][0, 0, 1] = 1.0
        network.weights[1][0, 2, :] = 0  # nothing reads it
        network.biases[0][0, 0, 3] = -100.0  # no row switches it on
    first, second, last = layers_of_network(network, torch.randn(50, 4))
    assert first.dead_units == 2
    assert first.silent_units == 1
    assert (first.zeros, second.zeros, last.zeros) == (4, 6, 0)
    assert last.silent_units is None


def test_convolutions_count_channels():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    model[0].weight.data[1] = 0
    first, _ = layers_of_module(model)
    assert (first.inputs, first.units, first.dead_units, first.zeros) == (9, 4, 1, 9)


def test_shuffling_permutes_the_targets_of_the_same_rows():
    X = torch.randn(60, 20)
    y = torch.arange(60) % 2
    found = shuffled_network(
        X,
        y,
        outputs=2,
        strengths=bridle.Strengths(),
        recipe={"hidden": [128], "learning_rate": 0.01, "batch_size": 20},
        epochs=100,
        seed=0,
    )
    assert found.baseline == 0.5
    assert found.memorised > 0.95
    assert found.rows == 60


# ---------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("subject", "options", "message"),
    [
        ("model.bridle", {}, "is a path; load the model first"),
        (3, {}, "cannot diagnose a int"),
        (DecisionTreeClassifier, {}, "is a class; give a fitted object"),
        (len, {"masks": -1}, "masks is -1"),
        (len, {"folds": 1}, "folds is 1"),
        (len, {"folds": 3}, "for estimators of scikit-learn alone"),
        (len, {"member": 1}, "for a fit or a history alone"),
        (len, {}, "there are no rows to diagnose len on"),
        (len, {"data": pd.DataFrame({"x": [1]})}, "which column is the truth"),
        (len, {"data": np.zeros(3)}, "data|held out is a ndarray"),
        (len, {"data": (np.zeros((3, 2)), np.zeros(2))}, "3 rows of inputs"),
    ],
)
def test_wrong_calls_are_named(subject, options, message):
    with pytest.raises(UsageError, match=message):
        bridle.diagnose(subject, **options)


def test_wrong_data_are_named(rows, fitted, table):
    training, (X, _) = rows
    model = LogisticRegression().fit(*training)
    with pytest.raises(DataError, match="the class 7 in held out"):
        bridle.diagnose(model, (X[:2], np.array([0, 7])))
    with pytest.raises(DataError, match="row 1, is nan"):
        bridle.diagnose(lambda rows: rows[:, 0], (X[:2], np.array([0.0, np.nan])))
    with pytest.raises(UsageError, match="gave 1 predictions for the 2 rows"):
        bridle.diagnose(lambda rows: rows[:1, 0], (X[:2], np.array([0.0, 1.5])))
    with pytest.raises(UsageError, match=r"outputs of the shape \[2, 20\] for values"):
        bridle.diagnose(lambda rows: rows, (X[:2], np.array([0.0, 1.5])))
    with pytest.raises(DataError, match="not a number"):
        bridle.diagnose(lambda rows: rows[:, 0] * np.nan, (X[:2], np.array([0.0, 1.5])))
    with pytest.raises(UsageError, match="give a table as data"):
        bridle.diagnose(fitted.model)
    with pytest.raises(DataError, match="no column 'y', the model's target"):
        bridle.diagnose(fitted.model, table.drop(columns="y"))
    with pytest.raises(UsageError, match="has its own"):
        bridle.diagnose(fitted, training=table)
    with pytest.raises(UsageError, match="member is 2"):
        bridle.diagnose(fitted, member=2)


# ------------------------------------------------------------------------ the command line


def test_the_command_prints_and_gives_json(bridle, fitted, table, tmp_path):
    from bridle.models.file import save_model

    save_model(fitted.model, tmp_path / "m.bridle")
    table.to_csv(tmp_path / "t.csv", index=False)
    ran = bridle("diagnose", tmp_path / "m.bridle", tmp_path / "t.csv", "--no-refit")
    assert ran.code == 0, ran.err
    for text in ("training", "held out", "test", "gap", "verdict:", "what to try next", "ECE"):
        assert text in ran.out
    ran = bridle("diagnose", tmp_path / "m.bridle", tmp_path / "t.csv", "--json", "--no-refit")
    said = json.loads(ran.out)
    assert said["shuffled_labels"] is None
    assert said["training"]["rows"] == 300
    ran = bridle("diagnose", tmp_path / "m.bridle", tmp_path / "absent.csv")
    assert (ran.code, ran.out) == (1, "")
