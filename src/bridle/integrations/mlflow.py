"""MLflow: ``log_search(result)`` writes a run with a nested run for each configuration."""

from __future__ import annotations

from typing import Any

try:
    import mlflow
except ImportError as error:
    raise ImportError("MLflow is not installed: pip install 'bridle[mlflow]'") from error

from bridle.search import SearchResult

__all__ = ["log_search"]


def log_search(result: SearchResult, *, name: str = "bridle search") -> str:
    """Write a search to MLflow, where ``mlflow.set_tracking_uri`` says.

    The run has the best configuration, the test scores and the verdict; a nested run for each
    configuration has its strengths, and its held-out score and loss by training step.

    Parameters
    ----------
    result : SearchResult
    name : str
        Of the run.

    Returns
    -------
    str
        The id of the run.

    Examples
    --------
    >>> import os, tempfile, mlflow, pandas as pd, bridle
    >>> from pathlib import Path
    >>> from bridle.integrations.mlflow import log_search
    >>> os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # a folder does here; you have a server
    >>> mlflow.set_tracking_uri((Path(tempfile.mkdtemp()) / "runs").as_uri())
    >>> table = pd.DataFrame({"x": range(60), "y": ["no"] * 30 + ["yes"] * 30})
    >>> found = bridle.search(table, "y", configurations=9, epochs=2, hidden=[(8,)], folds=3)
    >>> run = log_search(found)
    >>> mlflow.get_run(run).data.tags["bridle.verdict"] == found.verdict
    True
    """
    by_id = dict(iter(result.histories.groupby("id")))
    names = list(result.configuration.to_dict())
    with mlflow.start_run(run_name=name, nested=mlflow.active_run() is not None) as run:
        mlflow.log_params(_texts(result.configuration.to_dict()))
        mlflow.log_metrics({f"test_{each}": score for each, score in result.scores.items()})
        mlflow.log_metric("validation_score", result.validation_score)
        mlflow.set_tags({"bridle.verdict": result.verdict, "bridle.scoring": result.scoring})
        for configuration in result.configurations.to_dict("records"):
            number = int(configuration["id"])
            with mlflow.start_run(run_name=f"configuration {number}", nested=True):
                mlflow.log_params(_texts({each: configuration[each] for each in names}))
                for look in by_id[number].to_dict("records"):
                    values = {"held_out_score": look["score"], "held_out_loss": look["loss"]}
                    mlflow.log_metrics(values, step=int(look["step"]))
    return str(run.info.run_id)


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {name: "none" if value is None else str(value) for name, value in values.items()}
