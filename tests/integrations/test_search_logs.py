"""TensorBoard and MLflow: every evaluation of a search is logged."""

import numpy as np
import pandas as pd
import pytest

import bridle

# the frameworks warn of their own use of torch and of small machines; none of it is bridle's
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def found():
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(90, 3)), columns=list("abc"))
    table["y"] = np.where(table.a + table.b > 0, "up", "down")
    return bridle.search(table, "y", configurations=9, epochs=3, hidden=[(8,)], folds=3)


def test_tensorboard_has_every_evaluation(found, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from bridle.integrations.tensorboard import log_search

    log_search(found, tmp_path)
    assert len(list(tmp_path.iterdir())) == 10
    events = EventAccumulator(str(tmp_path / "configuration-00003")).Reload()
    evaluations = found.histories[found.histories.id == 3]
    written = events.Scalars("held out/accuracy")
    assert [each.step for each in written] == evaluations.step.tolist()
    assert [each.value for each in written] == pytest.approx(evaluations.score.tolist())


def test_mlflow_has_every_evaluation(found, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow = pytest.importorskip("mlflow")
    from bridle.integrations.mlflow import log_search

    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    run = mlflow.get_run(log_search(found))
    assert run.data.metrics["test_chosen"] == pytest.approx(found.scores["chosen"])
    client = mlflow.tracking.MlflowClient()
    nested = client.search_runs(
        [run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'"
    )
    assert len(nested) == 9
    one = next(each for each in nested if each.data.tags["mlflow.runName"] == "configuration 3")
    evaluations = found.histories[found.histories.id == 3]
    written = client.get_metric_history(one.info.run_id, "held_out_loss")
    assert [each.step for each in written] == evaluations.step.tolist()
    assert [each.value for each in written] == pytest.approx(evaluations.loss.tolist())
