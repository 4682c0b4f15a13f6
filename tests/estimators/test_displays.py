"""The displays plot the values of the estimators."""

import builtins

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import bridle
from bridle import GapDisplay, PathDisplay, WeightDisplay
from bridle.errors import UsageError
from bridle.estimators.displays.path import PathPanel

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_digits(return_X_y=True)
X, Y = X[:500] / 16, Y[:500]
HELD, TARGET = X[300:], Y[300:]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def stopped():
    options = {"early_stopping": True, "keep_stages": True, "random_state": 0, "l1": 1e-3}
    model = bridle.MLPClassifier((20, 8), max_iter=12, learning_rate_init=0.01, **options)
    return model.fit(X[:300], Y[:300])


@pytest.fixture(scope="module")
def searched():
    model = bridle.MLPClassifierCV((8,), n_candidates=24, max_iter=10, cv=2, random_state=0)
    return model.fit(*load_iris(return_X_y=True))


# ------------------------------------------------------------------------------------------ gap


def test_the_gap_of_what_early_stopping_held_out(stopped):
    display = GapDisplay.from_estimator(stopped)
    history = stopped.history_
    np.testing.assert_array_equal(display.training_line_.get_ydata(), history["training_loss"])
    np.testing.assert_array_equal(display.held_out_line_.get_ydata(), history["validation_loss"])
    np.testing.assert_array_equal(display.held_out_line_.get_xdata(), history["epoch"])
    kept = int(display.kept_line_.get_xdata()[0])
    assert history["validation_score"][kept - 1] == stopped.best_validation_score_
    assert display.ax_.get_ylabel() == "cross-entropy, noise off"
    assert display.ax_.get_title(loc="left") == "MLPClassifier"
    low, high = display.gap_.get_datalim(display.ax_.transData).intervaly
    assert low == pytest.approx(
        min(history["training_loss"].min(), history["validation_loss"].min())
    )
    assert high == pytest.approx(
        max(history["training_loss"].max(), history["validation_loss"].max())
    )
    scores = GapDisplay.from_estimator(stopped, metric="score", name="digits")
    np.testing.assert_array_equal(scores.held_out_line_.get_ydata(), stopped.validation_scores_)
    assert (scores.ax_.get_ylabel(), scores.ax_.get_title(loc="left")) == ("accuracy", "digits")


def test_the_gap_of_rows_that_are_given(stopped):
    figure, ax = plt.subplots()
    rows = (X[:300], Y[:300], HELD, TARGET)
    display = GapDisplay.from_estimator(stopped, *rows, ax=ax, gap_kwargs={"alpha": 0.5})
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display.gap_.get_alpha() == 0.5
    expected = list(stopped.staged_loss(HELD, TARGET))
    np.testing.assert_allclose(display.held_out_line_.get_ydata(), expected)
    scaled = make_pipeline(StandardScaler(), bridle.MLPRegressor(max_iter=3, keep_stages=True))
    scaled.fit(X[:300], Y[:300])
    scores = GapDisplay.from_estimator(scaled, *rows, metric="score")
    assert scores.training_line_.get_ydata()[-1] == pytest.approx(scaled.score(X[:300], Y[:300]))
    assert scores.held_out_line_.get_ydata()[-1] == pytest.approx(scaled.score(HELD, TARGET))
    assert scores.kept == 3
    assert scores.ax_.get_ylabel() == "R²"


def test_the_gap_of_a_history():
    torch.manual_seed(0)
    network = bridle.Network([64, 16, 10], seeds=[0, 1])
    parts = [
        bridle.Dataset(torch.tensor(rows, dtype=torch.float32), torch.tensor(target))
        for rows, target in ((X[:300], Y[:300]), (HELD, TARGET))
    ]
    history = bridle.train(network, *parts, epochs=4)
    display = GapDisplay.from_history(history, member=1, metric="score")
    np.testing.assert_array_equal(display.held_out_line_.get_ydata(), history.held_out_score[:, 1])
    assert display.kept == history.epochs_kept[1]
    with pytest.raises(UsageError, match="member is 2; the history has 2 members, counted from 0"):
        GapDisplay.from_history(history, member=2)
    with pytest.raises(UsageError, match="metric is 'both'; use 'loss' or 'score'"):
        GapDisplay.from_history(history, metric="both")


def test_what_the_gap_is_not_drawn_of(stopped, searched):
    plain = bridle.MLPClassifier(max_iter=2).fit(X, Y)
    with pytest.raises(
        UsageError, match="the estimator has no held-out rows: fit with early_stopping=True"
    ):
        GapDisplay.from_estimator(plain)
    with pytest.raises(UsageError, match="the weights of each epoch were not kept"):
        GapDisplay.from_estimator(plain, X, Y, HELD, TARGET)
    with pytest.raises(UsageError, match="pass X, y, X_held_out and y_held_out together"):
        GapDisplay.from_estimator(stopped, X, Y)
    with pytest.raises(UsageError, match="metric is 'gap'; use 'loss' or 'score'"):
        GapDisplay.from_estimator(stopped, metric="gap")
    with pytest.raises(UsageError, match="the estimator is a MLPClassifierCV; pass a fitted"):
        GapDisplay.from_estimator(searched)
    with pytest.raises(UsageError, match=r"training has the shape \[3\] and held_out \[2\]"):
        GapDisplay(training=[1, 2, 3], held_out=[1, 2])


# ----------------------------------------------------------------------------------------- path


def test_the_path_of_a_search(searched):
    display = PathDisplay.from_estimator(searched)
    assert [ax.get_xlabel() for ax in display.axes_] == list(searched.importance_)
    assert len({ax.get_ylim() for ax in display.axes_}) == 1
    path = searched.path_
    for name, lines, mark in zip(searched.importance_, display.lines_, display.marks_, strict=True):
        own = path["strength"] == name
        np.testing.assert_array_equal(lines["score"].get_ydata(), path["score"][own])
        finite = np.isfinite(path["value"][own]) & (path["value"][own] > 0)
        places = np.asarray(lines["score"].get_xdata())
        np.testing.assert_array_equal(places[finite], path["value"][own][finite])
        chosen = searched.best_params_[name]
        if chosen:
            assert mark.get_xdata()[0] == chosen
    (axis,) = PathDisplay.from_estimator(searched, strengths=["l2"]).axes_
    assert axis.get_xscale() == "log"
    with pytest.raises(UsageError, match=r"no strength 'keep_pob'; did you mean 'keep_prob'"):
        PathDisplay.from_estimator(searched, strengths=["keep_pob"])


@pytest.mark.parametrize(
    ("values", "marked", "scale", "order"),
    [
        ([0.0, 1e-5, 1e-2], 0.0, "log", [0, 1, 2]),  # off: a band before the smallest
        ([0.5, 2.0, np.inf], np.inf, "linear", [0, 1, 2]),  # off: a band after the largest
        ([0.001, 2.0, np.inf], 0.001, "log", [0, 1, 2]),
        ([0.0, 0.5, 1.0], 0.0, "linear", [0, 1, 2]),  # 0 lies on the axis
        ([np.inf], np.inf, "linear", [0]),
    ],
    ids=str,
)
def test_none_of_a_regularizer_has_a_place(values, marked, scale, order):
    panel = PathPanel("s", values, {"score": range(len(values))}, "score", marked)
    display = PathDisplay([panel]).plot()
    places = np.asarray(display.lines_[0]["score"].get_xdata())
    assert np.isfinite(places).all()
    assert np.argsort(places).tolist() == order
    assert display.ax_.get_xscale() == scale
    assert display.marks_[0].get_xdata()[0] == places[values.index(marked)]
    said = [text.get_text() for text in display.ax_.texts]
    beyond = scale == "log" or np.inf in values
    assert said == (["none"] if beyond else [])


def test_the_path_of_a_lambda():
    model = nn.Linear(64, 10)
    rows = [torch.tensor(part, dtype=torch.float32) for part in (X[:300], HELD)]
    targets = [torch.tensor(part) for part in (Y[:300], TARGET)]
    path = bridle.lambda_path(
        model,
        *zip(rows, targets, strict=True),
        loss=lambda model, batch: nn.functional.cross_entropy(model(batch[0]), batch[1]),
        epochs=5,
        count=4,
    )
    display = PathDisplay.from_path(path)
    assert len(display.axes_) == 2
    np.testing.assert_array_equal(display.lines_[0]["held out"].get_ydata(), path.held_out_loss)
    zeros = [100 * each["weight"] for each in path.zeros]
    np.testing.assert_array_equal(display.lines_[1]["weight"].get_ydata(), zeros)
    assert display.marks_[0].get_xdata()[0] == path.strengths[path.best]


def test_what_a_path_is_not_drawn_of(stopped):
    with pytest.raises(UsageError, match="the estimator is a MLPClassifier; pass a fitted"):
        PathDisplay.from_estimator(stopped)
    few = bridle.MLPRegressorCV((4,), n_candidates=3, max_iter=5, cv=2, random_state=0)
    with pytest.raises(UsageError, match="the search had 3 candidates, too few"):
        PathDisplay.from_estimator(few.fit(X[:60], Y[:60]))
    with pytest.raises(UsageError, match="there are no panels"):
        PathDisplay([])


# -------------------------------------------------------------------------------------- weights


def test_the_weights_of_an_estimator(stopped):
    display = WeightDisplay.from_estimator(stopped)
    assert len(display.axes_) == 3
    for axis, weights, zeros in zip(display.axes_, stopped.coefs_, display.zeros_, strict=True):
        assert zeros == np.mean(weights == 0)
        assert sum(bar.get_height() for bar in axis.patches) == np.count_nonzero(weights)
        size = f"{weights.shape[0]} × {weights.shape[1]}"
        assert f"{size}, {100 * zeros:.0f} % zero" in axis.get_title(loc="left")
    assert max(display.zeros_) > 0
    matrix = WeightDisplay.from_estimator(make_pipeline(stopped), kind="matrix")
    np.testing.assert_array_equal(matrix.axes_[0].images[0].get_array(), stopped.coefs_[0])
    low, high = matrix.axes_[0].images[0].get_clim()
    assert low == -high == -np.abs(stopped.coefs_[0]).max()  # so that zero is white
    again = WeightDisplay.from_estimator(bridle.from_sklearn(bridle.to_sklearn(plain(stopped))))
    assert again.zeros_ == display.zeros_


def plain(model):
    """Return an estimator with the same weights and only parameters that scikit-learn has."""
    made = bridle.MLPClassifier((20, 8))
    made.__dict__.update({k: v for k, v in model.__dict__.items() if k.endswith("_")})
    made._label_binarizer = model._label_binarizer
    return made


def test_the_weights_of_a_population(searched):
    network = searched.model_.network
    display = WeightDisplay.from_estimator(searched, member=1, kind="matrix")
    drawn = display.axes_[1].images[0].get_array()
    np.testing.assert_array_equal(drawn, network.weights[1][1].detach())
    with pytest.raises(
        UsageError, match=f"member is 99; the network has {network.members} members"
    ):
        WeightDisplay.from_network(network, member=99)


def test_what_weights_are_not_drawn_of(stopped):
    with pytest.raises(UsageError, match="the estimator is a StandardScaler; pass a fitted bridle"):
        WeightDisplay.from_estimator(StandardScaler())
    with pytest.raises(UsageError, match="kind is 'pie'; use 'histogram' or 'matrix'"):
        WeightDisplay.from_estimator(stopped, kind="pie")
    with pytest.raises(UsageError, match=r"the weights have the shapes \[\[3\]\]"):
        WeightDisplay([np.zeros(3)])


# ----------------------------------------------------------------------------------------- axes


def test_axes_are_divided_or_taken(stopped):
    figure, ax = plt.subplots(1, 2)
    display = WeightDisplay.from_estimator(stopped, ax=ax[0])
    assert display.figure_ is figure
    assert len(display.axes_) == 3
    place = ax[0].get_position()
    assert all(each.get_position().x1 <= place.x1 + 1e-6 for each in display.axes_)
    _, three = plt.subplots(3, 1)
    assert WeightDisplay.from_estimator(stopped, ax=three).axes_ == list(three)
    with pytest.raises(UsageError, match="ax has 2 axes, but there are 3 panels; pass"):
        WeightDisplay.from_estimator(stopped, ax=ax)
    with pytest.raises(UsageError, match="ax is a str; pass one or several matplotlib Axes"):
        WeightDisplay.from_estimator(stopped, ax="here")
    by_hand = plt.figure().add_axes((0, 0, 1, 1))
    with pytest.raises(
        UsageError, match="ax was placed by hand and cannot be divided into 3 panels"
    ):
        WeightDisplay.from_estimator(stopped, ax=by_hand)


def test_without_matplotlib_it_says_what_to_install(stopped, monkeypatch):
    real = builtins.__import__

    def absent(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match="which is not installed: pip install matplotlib"):
        GapDisplay.from_estimator(stopped)
