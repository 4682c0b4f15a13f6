"""`bridle.search` from the table to the result."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from search_cases import FAST, a_table
from sklearn import metrics

import bridle
from bridle.cli.printing import show_search
from bridle.errors import DataError, UsageError
from bridle.search import Space
from bridle.search.importance import importance_and_response
from bridle.search.trial import Trial
from conftest import CREDIT


def test_search_answers_with_evidence():
    found = bridle.search(a_table(), "y", **FAST | {"epochs": 60})
    assert found.considered == 9
    assert found.failed == 0
    assert found.model.network.members == 3
    assert set(found.scores) == {"chosen", "plain", "boosting"}
    assert found.scores["chosen"] > 0.7
    assert found.rows == {"searched": 96, "test": 24}
    for each in found.comparisons.values():
        assert each.better + each.same + each.worse == pytest.approx(1)
    assert found.verdict.startswith("The best of 9 configurations is ")
    assert found.verdict.endswith("), by accuracy on the test set.")
    table = found.configurations
    assert len(table) == 9
    assert set(table["rung"]) == {0, 1, 2}
    assert found.validation_score == table["score"].iloc[0] == table["score"][table.rung == 2].max()
    json.dumps(found.to_dict(), allow_nan=False)


def test_search_twice_is_the_same():
    first, second = (bridle.search(a_table(), "y", **FAST) for _ in range(2))
    pd.testing.assert_frame_equal(first.configurations, second.configurations)
    frame = a_table(seed=1)
    pd.testing.assert_frame_equal(first.model.predict(frame), second.model.predict(frame))


def test_search_of_values_and_a_test_part_of_ones_own():
    table, test = a_table(), a_table(rows=50, seed=1)
    for frame in (table, test):
        frame["y"] = 3 * frame["a"] + (frame["town"] == "Ulm")
    unknown = test[:2].assign(y=np.nan)
    found = bridle.search(table, "y", test=pd.concat([test, unknown]), **FAST | {"epochs": 60})
    assert found.model.task == "regression"
    assert found.rows == {"searched": 120, "test": 50}
    assert any(note.startswith("test table: ") and "2 of 52 rows" in note for note in found.notes)
    assert found.scores["chosen"] > 0.8
    assert "R²" in found.verdict
    predicted = found.model.predict(test)["prediction"]
    assert metrics.r2_score(test["y"], predicted) == pytest.approx(found.scores["chosen"], abs=1e-4)


def test_the_model_is_saved_loaded_and_audited(tmp_path):
    found = bridle.search(a_table(), "y", scoring="balanced_accuracy", **FAST)
    bridle.save_model(found.model, tmp_path / "m.bridle")
    again = bridle.load(tmp_path / "m.bridle")
    assert again.predict(a_table()).equals(found.model.predict(a_table()))
    assert bridle.audit_model(again, a_table()).passed


def test_importance_finds_what_matters():
    table = a_table(rows=200)
    found = bridle.search(table, "y", **FAST | {"configurations": 40})
    assert found.importance
    assert list(found.importance.values()) == sorted(found.importance.values(), reverse=True)
    assert set(found.winners) >= {"l1", "keep_prob", "mixup"}
    assert all(0 <= share <= 1 for share in found.winners.values())


def test_the_response_says_how_the_score_moves():
    trials = []
    random = np.random.default_rng(3)
    for number in range(60):
        configuration = Space().sample(random)
        score = -abs(configuration.keep_prob - 0.7)
        trials.append(
            Trial(number, configuration, 0, [1], [score], [1.0], (score,)),
        )
    importance, response = importance_and_response(trials, 0)
    assert next(iter(importance)) == "keep_prob"
    rows = response[response.strength == "keep_prob"]
    assert abs(rows.value[rows.score.idxmax()] - 0.7) < 0.15
    assert importance_and_response(trials[:19], 0)[0] == {}


def test_a_class_of_fewer_rows_than_folds():
    table = a_table()
    table.loc[:2, "y"] = "perhaps"
    found = bridle.search(table, "y", **FAST | {"folds": 5})
    assert "probability_perhaps" in found.model.predict(table)


def test_fifty_rows_and_many_columns():
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(50, 2000))).rename(columns=str)
    table["y"] = np.where(table["0"] > 0, "a", "b")
    found = bridle.search(table, "y", **FAST)
    assert found.considered == 9


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"task": "clustering"}, UsageError, "task is 'clustering'"),
        ({"folds": 1}, UsageError, "folds is 1; it must be 2 or more"),
        ({"folds": 70}, DataError, "too few for 70 folds"),
        ({"configurations": 1}, UsageError, "configurations is 1; it must be 2 or more"),
        ({"budget": "2m"}, UsageError, "budget is '2m' and configurations is 9; give one"),
        ({"scoring": "r2"}, UsageError, "scoring is 'r2'; for classification it must be one of"),
        ({"seed": -1}, UsageError, "seed is -1"),
        ({"engine": "abacus"}, UsageError, "engine is 'abacus'; it must be one of 'local'"),
        ({"workers": 0}, UsageError, "workers is 0"),
        ({"epochs": 0}, UsageError, "epochs is 0"),
        ({"resume": True}, UsageError, "resume needs the directory"),
    ],
)
def test_wrong_arguments_are_named(change, error, match):
    with pytest.raises(error, match=match):
        bridle.search(a_table(), "y", **FAST | change)


def test_a_constant_target_is_named():
    with pytest.raises(DataError, match="y"):
        bridle.search(a_table().assign(y="always"), "y", **FAST)
    with pytest.raises(DataError, match="in every row"):
        bridle.search(a_table().assign(y=1.5), "y", task="regression", **FAST)


def test_the_ensemble_is_the_mean_of_the_finalists():
    table = a_table()
    found = bridle.search(table, "y", **FAST | {"configurations": 30})
    assert found.answer == "ensemble"
    count = len(found.together)
    assert 2 <= count <= 4
    assert found.model.network.members == count * 3
    assert found.together[0] == found.configuration
    trained = found.configurations.best_step.iloc[0]
    assert found.model.network.steps[:3].tolist() == [trained] * 3
    assert f"average of the {count} best of 30" in found.verdict
    best = bridle.search(table, "y", **FAST | {"configurations": 30}, answer="best")
    assert best.configuration == found.configuration
    assert best.model.network.members == 3
    keys = [column for column in table.columns if column != "y"]
    X = torch.from_numpy(found.model.encoder.transform(table[keys]))
    first = bridle.predict(found.model.network, X)[:3]
    own = bridle.predict(
        best.model.network, torch.from_numpy(best.model.encoder.transform(table[keys]))
    )
    torch.testing.assert_close(first, own, rtol=1e-4, atol=1e-5)
    assert bridle.audit_model(found.model, table).passed


def test_a_refit_learns_every_row(tmp_path):
    found = bridle.search(a_table(), "y", **FAST, answer="refit")
    assert found.model.network.members == 5
    least = found.configurations.best_step.iloc[0]
    assert (found.model.network.steps > least).all()  # there are more rows than in a fold
    again = bridle.search(a_table(), "y", **FAST, answer="refit")
    for a, b in zip(
        found.model.network.parameters(), again.model.network.parameters(), strict=True
    ):
        assert torch.equal(a, b)
    assert found.scores["chosen"] > 0.7
    assert found.optimism is found.to_dict()["optimism"] is None
    assert "folds, held out" in str(found)
    assert "above held out" not in str(found)
    file = io.StringIO()
    show_search(found, Console(file=file, width=120))
    assert "the networks of the folds on held-out rows: accuracy" in file.getvalue()
    assert "errors on the test set above" not in file.getvalue()
    rows = len(found.observed.y)
    assert f"held-out accuracy ({rows} rows)" in file.getvalue()
    assert f"training accuracy ({rows} rows)" in file.getvalue()
    bridle.save_model(found.model, tmp_path / "m.bridle")
    saved = bridle.load(tmp_path / "m.bridle")
    assert saved.predict(a_table()).equals(found.model.predict(a_table()))


def test_an_unknown_answer_is_refused():
    with pytest.raises(UsageError, match="answer is 'vote'; it must be one of 'ensemble'"):
        bridle.search(a_table(), "y", answer="vote")


def test_bins_are_offered_where_they_stay_few():
    random = np.random.default_rng(0)
    narrow = pd.DataFrame(random.normal(size=(80, 3)), columns=list("abc"))
    narrow["y"] = np.where(narrow.a > 0, "up", "down")
    wide = pd.DataFrame(random.normal(size=(80, 40)), columns=[f"x{i}" for i in range(40)])
    wide["y"] = narrow["y"]
    assert set(bridle.search(narrow, "y", **FAST).configurations["bins"]) == {0, 16}
    assert set(bridle.search(wide, "y", **FAST).configurations["bins"]) == {0}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_finds_a_network_too():
    here, found = (bridle.search(a_table(), "y", **FAST, device=name) for name in ("cpu", "cuda"))
    assert found.considered == here.considered
    assert found.scores["plain"] == pytest.approx(here.scores["plain"], abs=0.05)
    assert found.validation_score == pytest.approx(here.validation_score, abs=0.05)
    longer = bridle.search(a_table(), "y", **FAST | {"epochs": 30}, device="cuda")
    assert longer.scores["chosen"] > 0.7
    assert next(found.model.network.parameters()).device.type == "cpu"


def test_fit_without_a_strength_searches(bridle, tmp_path):
    model = tmp_path / "m.bridle"
    options = ("--configurations", 9, "--epochs", 2, "--hidden", "16", "--folds", 3, "--quiet")
    ran = bridle("fit", CREDIT, "--target", "class", "--out", model, *options)
    assert ran.code == 0, ran.err
    for part in (
        "best of the search",
        "test accuracy (200 rows)",
        "gap",
        "best configuration: learning_rate",
    ):
        assert part in ran.out
    assert "The best of 9 configurations" in " ".join(ran.out.split())
    assert bridle("predict", model, CREDIT, "--out", tmp_path / "p.csv").code == 0
    assert bridle("audit", model, CREDIT).code == 0
    run = ("--run", tmp_path / "run", "--json")
    first = json.loads(bridle("fit", CREDIT, "--target", "class", *options, *run).out)
    again = json.loads(bridle("fit", CREDIT, "--target", "class", *options, *run, "--resume").out)
    for each in (first, again):
        each.pop("seconds")
    assert first == again


def test_options_of_the_search_and_of_a_fit_do_not_mix(bridle):
    ran = bridle("fit", CREDIT, "--target", "class", "--budget", "5s", "--l1", "0.1")
    assert ran.code == 2
    assert "--budget starts a search, but --l1 cannot be used in a search" in ran.err


@pytest.mark.parametrize("words", [{"seed": None}, {"seed": 1.5}, {"epochs": 1.5}])
def test_numbers_that_are_not_whole_are_refused_by_name(words):
    (name, value), *_ = words.items()
    with pytest.raises(UsageError, match=f"{name} is {value!r}; it must be a whole number"):
        bridle.search([[1.0]], ["a"], **words)
