"""Would more rows help? On synthetic truths, and with one rule for every subject."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import bridle
from bridle.cli.printing import show_diagnosis
from bridle.diagnosis.row_curve import curve_of
from bridle.diagnosis.subjects.subsets import nested_orders, subset_sizes
from bridle.errors import DataError, UsageError
from bridle.statistics import judge_classes, judge_values

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3000, 3))
SIGNAL = np.where(X[:, 0] * X[:, 1] > 0, "yes", "no")
WAVES = np.where(np.sin(2.5 * X[:, 0]) * X[:, 1] > 0, "yes", "no")
NOISE = np.where(RANDOM.random(3000) < 0.7, "yes", "no")


def _judged(right, rows=1000):
    truth = np.arange(rows) % 2
    return judge_classes(np.where(np.arange(rows) < right, truth, 1 - truth), truth)


def _split(y, rows=400):
    return (X[rows:], y[rows:]), (X[:rows], y[:rows])


# ------------------------------------------------------------------------------------- the rule


def test_the_answer_depends_on_the_interval_of_the_last_doubling():
    def answer(half, full, rows=1000):
        scores = [(50, [1.0] * len(half), [_judged(each, rows) for each in half])]
        scores += [(100, [1.0] * len(full), [_judged(each, rows) for each in full])]
        return curve_of("network", scores)

    rose = answer([600] * 4, [700] * 4)
    assert (rose.answer, round(rose.change.value, 3)) == ("would help", 0.1)
    assert rose.sentence.startswith("More rows would help: from 50 to 100 training rows the test ")
    same = answer([700] * 4, [702] * 4)
    assert same.answer == "would hardly help"
    assert same.sentence.endswith(", which is less than 2 points")
    little = answer([14_000] * 4, [14_100] * 4, 20_000)  # shown to be above 0, and below 2 points
    assert little.change.low > 0
    assert little.answer == "would hardly help"
    few = answer([30] * 4, [32] * 4, 40)
    assert few.answer == "cannot tell"
    assert "there are 40 test rows, and a change of this size needs about " in few.sentence
    scattered = answer([600, 700, 650, 720], [700, 600, 710, 690])
    assert scattered.answer == "cannot tell"
    assert scattered.sentence.endswith("use more repeats")
    fell = answer([800] * 4, [700] * 4)
    assert fell.answer == "would hardly help"


def test_undefined_scores_and_a_constant_prediction_cannot_tell():
    truth = np.arange(3.0)
    three = [(n, [1.0] * 2, [judge_values(truth + 0.1 * n, truth)] * 2) for n in (1, 2)]
    found = curve_of("network", three)
    assert found.answer == "cannot tell"
    assert found.sentence.endswith("there are too few test rows, so that R² has no interval")
    assert found.to_dict()["change"]["low"] is None
    rows = RANDOM.normal(size=500)
    worse, bad = (judge_values(size * RANDOM.normal(size=500), rows) for size in (1.0, 0.3))
    found = curve_of("network", [(50, [1.0] * 4, [worse] * 4), (100, [1.0] * 4, [bad] * 4)])
    assert found.change.low > 0
    assert found.answer == "cannot tell"
    assert found.sentence.endswith("it is not shown to predict better than a constant")


def test_subsets_are_nested_complementary_and_stratified():
    codes = (np.arange(400) % 10 == 0).astype(int)
    orders = nested_orders(400, codes, 4, seed=1)
    for order in orders:
        assert sorted(order) == list(range(400))
        for size in (50, 100, 200):
            assert abs(codes[order[:size]].sum() - size / 10) <= 1
    assert not set(orders[0][:200]) & set(orders[1][:200])
    assert orders[0].tolist() != orders[2].tolist()
    assert subset_sizes(400) == [50, 100, 200, 400]
    assert subset_sizes(50) == [12, 25, 50]
    with pytest.raises(DataError, match="19 training rows are too few for a learning curve"):
        subset_sizes(19)


# ------------------------------------------------------------------------------------ estimators


def test_more_rows_help_where_the_target_can_be_learned():
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(1))
    found = bridle.learning_curve(model, _split(SIGNAL)[0], training=_split(SIGNAL)[1])
    assert found.answer == "would help"
    assert [each.rows for each in found.points] == [50, 100, 200, 400]
    scores = [each.test.value for each in found.points]
    assert scores == sorted(scores)
    assert found.change.value == pytest.approx(scores[-1] - scores[-2])
    assert found.points[-1].training == 1  # one neighbor is the row itself
    assert all(e.test.low < np.mean(e.scores) < e.test.high for e in found.points)


def test_more_rows_cannot_help_where_the_target_is_noise():
    answers = []
    for seed in range(6):
        parts = _split(RANDOM.permutation(NOISE))
        found = bridle.learning_curve(
            KNeighborsClassifier(9), parts[0], training=parts[1], repeats=4, seed=seed
        )
        answers.append(found.answer)
    assert "would help" not in answers
    constant = bridle.learning_curve(DummyClassifier(), *_split(NOISE)[:1], training=parts[1])
    assert constant.answer == "would hardly help"


def test_regression_and_its_undefined_score():
    y = X[:, 0] ** 2 + 0.1 * RANDOM.normal(size=3000)
    found = bridle.learning_curve(
        KNeighborsRegressor(3), (X[400:900], y[400:900]), training=(X[:400], y[:400])
    )
    assert (found.score_name, found.answer) == ("R²", "would help")
    linear = bridle.learning_curve(
        LinearRegression(), (X[400:900], X[400:900, 0]), training=(X[:400], X[:400, 0])
    )
    assert linear.answer == "would hardly help"
    flat = bridle.learning_curve(
        LinearRegression(), (X[400:900], np.ones(500)), training=(X[:400], y[:400])
    )
    assert flat.answer == "cannot tell"
    assert math.isnan(flat.change.value)
    json.dumps(flat.to_dict(), allow_nan=False)


# -------------------------------------------------------------------------------------- networks


@pytest.fixture(scope="module")
def table():
    return pd.DataFrame(X[:300], columns=list("abc")).assign(y=WAVES[:300])


@pytest.fixture(scope="module")
def fitted(table):
    recipe = bridle.Recipe(hidden=(32, 32), epochs=40, learning_rate=0.01, class_weight="balanced")
    return bridle.fit(table, "y", recipe=recipe, strengths=bridle.Strengths(l2=1e-4))


@pytest.fixture(scope="module")
def new():
    return pd.DataFrame(X[300:1300], columns=list("abc")).assign(y=WAVES[300:1300])


def test_a_fit_and_its_model_have_the_same_curve(fitted, table, tmp_path):
    curve = bridle.learning_curve(fitted, repeats=2)
    assert [each.rows for each in curve.points] == [22, 45, 90, 180]
    assert curve.points[-1].test.value > curve.points[0].test.value
    bridle.save_model(fitted.model, tmp_path / "m.bridle")
    assert bridle.learning_curve(bridle.load(tmp_path / "m.bridle"), table, repeats=2) == curve
    short = bridle.learning_curve(fitted, repeats=2, steps=3)
    assert short.notes == ("each network was trained for at most 3 steps, and the recipe has 80",)


def test_a_diagnosis_has_the_curve_and_its_advice_agrees(fitted, table, new):
    options = {"training": table, "reference": False, "shuffled_labels": False, "masks": 0}
    found = bridle.diagnose(fitted.model, new, learning_curve=True, **options)
    curve = found.learning_curve
    assert curve == bridle.learning_curve(fitted.model, new, training=table)
    assert (curve.test_rows, curve.answer) == (1000, "would help")
    assert [each.rows for each in curve.points] == [30, 60, 120, 240]  # a fifth stops early
    assert any(each.startswith("more rows would help: from 120 to 240") for each in found.evidence)
    rows = [each for each in found.advice if "collect more training rows" in each]
    assert len(rows) == 1
    assert rows[0].startswith("collect more training rows: from 120 to 240 training rows the test")
    console = Console(width=120)
    with console.capture() as shown:
        show_diagnosis(found, console)
    assert "scores by training rows" in shown.get()
    assert "more rows would help: from 120 to 240 training rows" in shown.get()
    json.dumps(found.to_dict(), allow_nan=False)
    assert bridle.diagnose(fitted, reference=False, shuffled_labels=False).learning_curve is None


def test_what_cannot_be_trained_again_is_refused(fitted, table):
    for subject, data, training, message in (
        (nn.Linear(3, 2), None, None, "a Linear cannot be trained again"),
        (KNeighborsClassifier, None, None, "a ABCMeta cannot be trained again"),
        (KNeighborsClassifier(), (X, SIGNAL), None, r"training is a NoneType; .* needs \(X, y\)"),
        (KNeighborsClassifier(), (X, SIGNAL[:5]), (X, SIGNAL), r"data has 3000 rows of inputs"),
        (fitted, None, table, "training cannot be given for a FitResult"),
        (fitted.model, None, None, "needs rows for a learning curve"),
        (fitted.model, table[:200].assign(a=1.0), None, "needs the rows that the model was train"),
    ):
        with pytest.raises(UsageError, match=message):
            bridle.learning_curve(subject, data, training=training)
    for name, value in (("repeats", 1), ("steps", 0), ("seed", -1)):
        with pytest.raises(UsageError, match=f"{name} is {value}"):
            bridle.learning_curve(fitted, **{name: value})
    one = np.array(["a"] * 39 + ["b"])
    with pytest.raises(DataError, match="half of the training rows have one class only"):
        bridle.learning_curve(KNeighborsClassifier(1), (X[:40], one), training=(X[:40], one))


def test_the_command_prints_the_curve_and_gives_json(bridle, fitted, table, tmp_path):
    from bridle.models.file import save_model

    save_model(fitted.model, tmp_path / "m.bridle")
    table.to_csv(tmp_path / "t.csv", index=False)
    call = ("diagnose", tmp_path / "m.bridle", tmp_path / "t.csv", "--no-refit", "--learning-curve")
    ran = bridle(*call)
    assert ran.code == 0, ran.err
    for text in ("scores by training rows", "│           180 │", "from 90 to 180 training rows"):
        assert text in ran.out
    said = json.loads(bridle(*call, "--json").out)["learning_curve"]
    assert [each["rows"] for each in said["points"]] == [22, 45, 90, 180]
    assert said["test_rows"] == 60
