"""MLflow: ``log_search(result)`` writes a run with a nested run for each configuration."""

from __future__ import annotations

from typing import Any

try:
    import mlflow
except ImportError as error:
    raise ImportError("MLflow is not installed: pip install mlflow-skinny") from error

from bridle.search import SearchResult

__all__ = ["log_search"]


def log_search(result: SearchResult, *, name: str = "bridle search") -> str:
    """Log a search to MLflow, at the URI of ``mlflow.set_tracking_uri``.

    The run has the best configuration, the test scores and the verdict. Each configuration has a
    nested run with its strengths, and with its held-out score and loss by training step.

    Parameters
    ----------
    result : SearchResult
    name : str
        The name of the run.

    Returns
    -------
    str
        The run's ID.

    Examples
    --------
    >>> import os, tempfile, mlflow, pandas as pd, bridle
    >>> from pathlib import Path
    >>> from bridle.integrations.mlflow import log_search
    >>> os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # a local folder instead of a server
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
        mlflow.log_params(_as_text(result.configuration.to_dict()))
        mlflow.log_metrics({f"test_{each}": score for each, score in result.scores.items()})
        mlflow.log_metric("validation_score", result.validation_score)
        mlflow.set_tags({"bridle.verdict": result.verdict, "bridle.scoring": result.scoring})
        for configuration in result.configurations.to_dict("records"):
            number = int(configuration["id"])
            with mlflow.start_run(run_name=f"configuration {number}", nested=True):
                mlflow.log_params(_as_text({each: configuration[each] for each in names}))
                for evaluation in by_id[number].to_dict("records"):
                    values = {
                        "held_out_score": evaluation["score"],
                        "held_out_loss": evaluation["loss"],
                    }
                    mlflow.log_metrics(values, step=int(evaluation["step"]))
    return str(run.info.run_id)


def _as_text(values: dict[str, Any]) -> dict[str, str]:
    return {name: "none" if value is None else str(value) for name, value in values.items()}
