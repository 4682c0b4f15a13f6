"""The options of ``bridle fit``, grouped as its help shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "L1",
    "L2",
    "Answer",
    "BatchSize",
    "Budget",
    "ClassWeight",
    "Configurations",
    "Device",
    "Drop",
    "DropConnectKeepProb",
    "DropProb",
    "Engine",
    "Epochs",
    "Folds",
    "Groups",
    "Hidden",
    "InputKeepProb",
    "KeepProb",
    "LearningRate",
    "MaxNorm",
    "Memory",
    "Patience",
    "Resume",
    "Run",
    "Scoring",
    "Seed",
    "Target",
    "Task",
    "TestTable",
    "Time",
    "Workers",
]


def _strength(help_text: str) -> Any:
    """Return an option for a regularizer's strength."""
    return typer.Option(help=help_text, show_default=False, rich_help_panel="Strengths")


def _training(help_text: str) -> Any:
    """Return an option for the network or its training."""
    return typer.Option(help=help_text, show_default=False, rich_help_panel="Training")


def _search(help_text: str, *names: str) -> Any:
    """Return an option for the search."""
    return typer.Option(*names, help=help_text, rich_help_panel="Search (without strengths)")


Target = Annotated[str, typer.Option(help="Column to predict.", show_default=False)]
Task = Annotated[str, typer.Option(help="auto, classification or regression.")]
Seed = Annotated[int, typer.Option(help="Seed for the split, initial weights, batches and masks.")]
Drop = Annotated[
    list[str] | None, typer.Option(help="Column to ignore; can be given several times.")
]
Groups = Annotated[
    str | None,
    typer.Option(
        help="Column that says which rows belong together, such as a patient. No group is in two "
        "parts or folds, and intervals are those of new groups. It is no feature.",
        show_default=False,
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        help="Column of dates or numbers by which the rows are split: training rows come before "
        "held-out rows, and these before test rows. It is no feature.",
        show_default=False,
    ),
]

L1 = Annotated[float | None, _strength("L1 penalty: λ in λ Σ|w|.")]
L2 = Annotated[float | None, _strength("L2 penalty: λ in ½ λ Σw².")]
KeepProb = Annotated[float | None, _strength("Dropout: probability of keeping a hidden unit.")]
DropProb = Annotated[
    float | None,
    _strength("Dropout: probability of dropping a hidden unit, instead of --keep-prob."),
]
InputKeepProb = Annotated[
    float | None, _strength("Dropout of the inputs: probability of keeping an input.")
]
DropConnectKeepProb = Annotated[
    float | None, _strength("DropConnect: probability of keeping a weight.")
]
MaxNorm = Annotated[
    float | None, _strength("Max-norm: upper bound of the norm of a unit's incoming weights.")
]

Hidden = Annotated[
    str | None,
    _training(
        "Units in each hidden layer, separated by commas. Default: 256,256; in a search, 128,128."
    ),
]
Epochs = Annotated[
    int | None, _training("Maximum number of epochs. Default: 100; in a search, 120.")
]
Patience = Annotated[
    int | None,
    _training(
        "Early stopping: stop after this many epochs without a lower held-out loss; 0 turns it "
        "off. Default: 20."
    ),
]
LearningRate = Annotated[float | None, _training("Learning rate of Adam. Default: 0.001.")]
BatchSize = Annotated[int | None, _training("Rows per training step. Default: 128.")]
ClassWeight = Annotated[
    str | None,
    _training("'balanced' weights each class by the inverse of its frequency."),
]

Budget = Annotated[str | None, _search("Time limit, for example 90s, 2m or 1h. Default: 1m.")]
Configurations = Annotated[
    int | None, _search("Number of configurations to start with, instead of a time limit.")
]
Scoring = Annotated[
    str | None,
    _search("Score to select by. Default: auto, accuracy for classification, else r2."),
]
Answer = Annotated[
    str | None,
    _search(
        "Final model: ensemble (of the best configurations), best (the best configuration), or "
        "refit (the best configurations, trained on all rows). Default: ensemble; by --time refit."
    ),
]
Folds = Annotated[
    int | None,
    _search("Number of cross-validation folds. Default: 5, or fewer for a table of many rows."),
]
TestTable = Annotated[Path | None, _search("Table with your own test rows.", "--test")]
Run = Annotated[Path | None, _search("Directory in which to record the search.")]
Resume = Annotated[bool, _search("Continue the search recorded in --run.")]
Engine = Annotated[str | None, _search("Where to run: local, dask, ray or joblib. Default: local.")]
Workers = Annotated[int | None, _search("Number of processes, for the local engine. Default: 1.")]
Device = Annotated[str | None, _search("auto, cpu or cuda. Default: auto.")]
Memory = Annotated[
    str | None,
    _search("Memory limit for the networks trained at once. Default: 2GB, on a GPU 8GB."),
]
SharedMembers = Annotated[
    int | None,
    _search("Networks that share their weights, in place of each network, up to 32. Default: 1."),
]
Embeddings = Annotated[
    bool | None,
    _search(
        "Embed numerical features, of which a date has several, if there are at most 32. Default: "
        "from 10,000 searched rows on."
    ),
]
