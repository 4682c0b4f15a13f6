"""TensorBoard: ``log_search(result, directory)``, then ``tensorboard --logdir DIRECTORY``."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError as error:
    raise ImportError("TensorBoard is not installed: pip install tensorboard") from error

from bridle.search import SearchResult

__all__ = ["log_search"]


def log_search(result: SearchResult, directory: str | PathLike[str]) -> None:
    """Log a search for TensorBoard: one run for each configuration, and one for the result.

    A configuration's run has its held-out score and loss by training step. Its strengths and its
    best score are on the page "HParams". The run "chosen" has the test scores and the verdict.

    Parameters
    ----------
    result : SearchResult
    directory : path
        The folder to create; runs have names such as ``configuration-00007``.

    Examples
    --------
    >>> import tempfile, pandas as pd, bridle
    >>> from bridle.integrations.tensorboard import log_search
    >>> table = pd.DataFrame({"x": range(60), "y": ["no"] * 30 + ["yes"] * 30})
    >>> found = bridle.search(table, "y", configurations=9, epochs=2, hidden=[(8,)], folds=3)
    >>> folder = tempfile.mkdtemp()
    >>> log_search(found, folder)
    >>> len(list(Path(folder).iterdir()))
    10
    """
    folder = Path(directory)
    by_id = dict(iter(result.histories.groupby("id")))
    for configuration in result.configurations.to_dict("records"):
        number = int(configuration["id"])
        with SummaryWriter(str(folder / f"configuration-{number:05d}")) as writer:
            for evaluation in by_id[number].itertuples():
                writer.add_scalar(f"held out/{result.scoring}", evaluation.score, evaluation.step)
                writer.add_scalar("held out/loss", evaluation.loss, evaluation.step)
            strengths = {
                name: ",".join(map(str, value)) if isinstance(value, list) else value
                for name, value in configuration.items()
                if name in result.configuration.to_dict() and value is not None
            }
            writer.add_hparams(
                strengths, {f"best {result.scoring}": configuration["score"]}, run_name="."
            )
    with SummaryWriter(str(folder / "chosen")) as writer:
        for name, score in result.scores.items():
            writer.add_scalar(f"test {result.scoring}/{name}", score)
        writer.add_text("verdict", result.verdict)
