"""``bridle.diagnose`` on fits, models, searches and histories, checked independently."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import r2_score

import bridle
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
    assert plain.gap.measured_on == fitted.plain.diagnosis.measured_on == "test"
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
    with pytest.raises(UsageError, match="has 400 rows, but the fitted table had 500"):
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


def test_rows_without_a_target_are_left_out_with_a_note(fitted, table):
    new = table.assign(y=table["y"].where(table.index >= 3), x0=table["x0"] + 1)
    found = bridle.diagnose(fitted.model, new, reference=False, shuffled_labels=False, masks=0)
    assert found.held_out.rows == 497
    assert any(note.startswith("held out rows: ") and "3 of 500" in note for note in found.notes)


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
    assert (
        "about 300 of the 500 rows of this table are rows that the model was trained on"
        in (said.notes[0])
    )
    assert "the gap cannot be judged" in said.notes[0]
    assert "trained on rows of this table" in said.reason
    assert (said.verdict, said.claims) == ("cannot tell", ())
    assert "was not trained on" in said.advice[0]


QUIET = {"reference": False, "shuffled_labels": False, "masks": 0, "audit": False}


def test_note_and_check_of_known_rows_agree(fitted, table):
    training = table.iloc[fitted.places["training"]]
    new = table.iloc[fitted.places["test"]].assign(x0=lambda t: t["x0"] + 1e-3)
    mixed = pd.concat([new, training[:60]])
    other = training.assign(x0=training["x0"] + 1e-3)
    for given, number in ((training, "60 of"), (other, "about"), (None, "about")):
        said = bridle.diagnose(fitted.model, mixed, training=given, **QUIET)
        (check,) = (each for each in said.checks if each.code == "BR011")
        assert said.notes[0].startswith(number)
        told = [
            int(word)
            for text in (said.notes[0], check.message)
            for word in text.split()
            if word.isdigit()
        ]
        assert told[0] in told[2:]
        assert said.advice[0] == "give new rows that it was not trained on"
    clean = bridle.diagnose(fitted.model, new, training=other, **QUIET)
    assert not any(
        each.code == "BR011"
        for each in bridle.diagnose(fitted.model, new, training=training, **QUIET).checks
    )
    assert clean.gap is not None


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


@pytest.fixture(scope="module")
def searched(table):
    return bridle.search(table, "y", configurations=9, epochs=6, hidden=[(16,)], folds=3)


def test_a_search_has_folds_and_a_winners_curse(searched, table):
    said = bridle.diagnose(searched, table)
    assert said.gap.measured_on == "test"
    assert len(said.gap.folds) == 3
    assert said.test.score == searched.chosen.test
    assert said.held_out.score.value == pytest.approx(searched.chosen.diagnosis.held_out.value)
    names = {each.name for each in said.references}
    assert names == {"the network without regularization", "gradient boosting"}
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


def test_a_history_counts(fitted):
    said = bridle.diagnose(fitted.history, member=0)
    assert said.verdict == "overfits"
    assert said.gap.measured_on == "held out"  # it has no test set
    training, held_out = fitted.plain.diagnosis.training, fitted.plain.diagnosis.held_out
    assert said.gap.value.value == training.value - held_out.value
    assert said.gap.value.low == training.value - held_out.high
    assert said.gap.value.high == training.value - held_out.low
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
    with pytest.raises(UsageError, match="3 members and member is None"):
        bridle.diagnose(fitted.history)


def test_wrong_tables_are_named(fitted, table):
    with pytest.raises(UsageError, match="give a table as data"):
        bridle.diagnose(fitted.model)
    with pytest.raises(DataError, match="no column 'y', the model's target"):
        bridle.diagnose(fitted.model, table.drop(columns="y"))
    with pytest.raises(UsageError, match="has its own"):
        bridle.diagnose(fitted, training=table)
    with pytest.raises(UsageError, match="member is 2"):
        bridle.diagnose(fitted, member=2)


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
