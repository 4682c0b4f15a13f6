"""The main job: a table in, a plain and a regularized network out, and whether it helped."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from bridle.diagnosis import (
    Comparison,
    Diagnosis,
    Estimate,
    Judged,
    compare,
    diagnose,
    judge_classes,
    judge_values,
)
from bridle.errors import DataError, UsageError, did_you_mean
from bridle.model import TableModel
from bridle.network import Network, predict
from bridle.noise import DropConnect, Dropout
from bridle.objectives import CrossEntropy, Objective, SquaredError
from bridle.penalties import L1, L2, MaxNorm, Penalty
from bridle.table import (
    ClassTarget,
    TableEncoder,
    ValueTarget,
    infer_task,
    read_table,
    target_column,
)
from bridle.training import Dataset, History, train
from bridle.version import __version__

__all__ = ["FitResult", "Fitted", "Recipe", "Strengths", "fit"]

FEWEST_ROWS = 10
PLAIN, REGULARIZED = 0, 1
"""The two members of the population that a fit trains."""


@dataclass(frozen=True)
class Strengths:
    """How strongly each regularizer acts; the defaults are off.

    Attributes
    ----------
    l1 : float
        λ of ``λ Σ|w|``.
    l2 : float
        λ of ``½ λ Σw²``.
    keep_prob : float
        The probability that dropout keeps a hidden unit.
    input_keep_prob : float
        The probability that dropout keeps an input.
    drop_connect_keep_prob : float
        The probability that DropConnect keeps a weight.
    max_norm : float, optional
        The bound on the norm of the weights that enter a unit.
    """

    l1: float = 0.0
    l2: float = 0.0
    keep_prob: float = 1.0
    input_keep_prob: float = 1.0
    drop_connect_keep_prob: float = 1.0
    max_norm: float | None = None

    def __post_init__(self) -> None:
        self.penalties(members=1)
        for name in ("keep_prob", "input_keep_prob", "drop_connect_keep_prob"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise UsageError(f"{name} is {value}; it must be above 0 and at most 1")

    def penalties(self, members: int) -> list[Penalty]:
        """Return the penalties of a population whose last member alone is regularized."""

        def last(strength: float, others: float = 0.0) -> Tensor:
            return torch.tensor([others] * (members - 1) + [strength], dtype=torch.float64)

        chosen: list[Penalty] = []
        if self.l1:
            chosen.append(L1(last(self.l1)))
        if self.l2:
            chosen.append(L2(last(self.l2)))
        if self.max_norm is not None:
            unbounded = float(np.finfo(np.float32).max)
            chosen.append(MaxNorm(last(self.max_norm, others=unbounded)))
        return chosen

    def noises(self, members: int) -> dict[str, Dropout | DropConnect]:
        """Return the noises of a population whose last member alone is regularized."""
        given: dict[str, tuple[type[Dropout] | type[DropConnect], float]] = {
            "hidden_noise": (Dropout, self.keep_prob),
            "input_noise": (Dropout, self.input_keep_prob),
            "weight_noise": (DropConnect, self.drop_connect_keep_prob),
        }
        return {
            name: kind(keep_prob=torch.tensor([1.0] * (members - 1) + [keep], dtype=torch.float64))
            for name, (kind, keep) in given.items()
            if keep < 1
        }


DEFAULT_STRENGTHS = {
    "classification": Strengths(l1=1e-4, l2=1e-3, keep_prob=0.5),
    "regression": Strengths(l1=1e-4, l2=1e-3, keep_prob=0.95),
}
"""What acts when no strength is given; a value suffers more from dropout than a class."""


@dataclass(frozen=True)
class Recipe:
    """How to train; the same for the plain and the regularized network.

    Attributes
    ----------
    hidden : sequence of int
        Units of each hidden layer.
    epochs : int
        At most. The plain network is trained to the end.
    patience : int, optional
        The regularized network keeps its weights of the lowest held-out loss, and stops after so
        many epochs without a lower one. None turns early stopping off.
    learning_rate : float
        Of Adam.
    batch_size : int
        Rows per step.
    class_weight : {None, "balanced"}
        "balanced" weighs each class by rows / (classes × rows of the class).
    """

    hidden: Sequence[int] = (256, 256)
    epochs: int = 100
    patience: int | None = 20
    learning_rate: float = 1e-3
    batch_size: int = 128
    class_weight: str | None = None

    def __post_init__(self) -> None:
        whole = {"epochs": self.epochs, "batch_size": self.batch_size}
        whole |= {"hidden": min(self.hidden, default=1), "patience": self.patience or 1}
        for name, count in whole.items():
            if count < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if not 0 < self.learning_rate < float("inf"):
            raise UsageError(f"learning_rate is {self.learning_rate}; it must be above 0")
        if self.class_weight not in (None, "balanced"):
            raise UsageError(f"class_weight is {self.class_weight!r}; it is None or 'balanced'")


@dataclass(frozen=True)
class Fitted:
    """What became of one network.

    Attributes
    ----------
    diagnosis : Diagnosis
        From its training and held-out rows.
    test : Estimate
        The score on the test part.
    zeros : tuple of float
        The share of weights that are exactly zero, layer by layer.
    epochs : int
        The epoch whose weights it has.
    best_epoch : int
        The epoch of its lowest held-out loss.
    """

    diagnosis: Diagnosis
    test: Estimate
    zeros: tuple[float, ...]
    epochs: int
    best_epoch: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "zeros": list(self.zeros)}


@dataclass(frozen=True, eq=False)
class FitResult:
    """The outcome of :func:`fit`.

    Attributes
    ----------
    model : TableModel
        The regularized network, ready to predict.
    plain, regularized : Fitted
    comparison : Comparison
        Of the regularized against the plain network, in pairs on the test part.
    history : History
        Members 0 (plain) and 1 (regularized).
    strengths : Strengths
    rows : dict
        How many rows each part has.
    notes : tuple of str
        What the table's columns were taken for, where that is worth a remark.
    """

    model: TableModel
    plain: Fitted
    regularized: Fitted
    comparison: Comparison
    history: History
    strengths: Strengths
    rows: dict[str, int]
    notes: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> str:
        """One sentence: whether the plain network overfits, and whether regularizing helped."""
        share = self.plain.diagnosis.score_name == "accuracy"
        before, after = self.plain.diagnosis, self.regularized.diagnosis
        opening = {
            "overfits": "The plain network overfits",
            "underfits": "The plain network underfits",
            "fine": "The plain network is fine",
            "cannot tell": "Whether the plain network overfits, these rows cannot tell",
        }[before.verdict]
        answer = {
            "better": "and it predicts new rows better",
            "same": "and it predicts new rows as well as before",
            "worse": "but it predicts new rows worse: try weaker strengths",
            "cannot tell": "and whether it predicts new rows better, the test part cannot tell",
        }[self.comparison.answer]
        now = f"{100 * after.gap.value:.1f} points" if share else f"{after.gap.value:.3f}"
        difference = _signed(self.comparison.difference, share)
        return (
            f"{opening} ({before.evidence}); "
            f"regularized, the gap is {now}, {answer} ({difference})."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: everything but the model and the history."""
        return {
            "target": self.model.target_name,
            "task": self.model.task,
            "rows": self.rows,
            "plain": self.plain.to_dict(),
            "regularized": self.regularized.to_dict(),
            "comparison": {**asdict(self.comparison), "answer": self.comparison.answer},
            "verdict": self.verdict,
            "notes": list(self.notes),
            "facts": self.model.facts,
        }


def _signed(estimate: Estimate, share: bool) -> str:
    if share:
        return f"{100 * estimate.value:+.1f} ± {100 * estimate.margin:.1f} points on the test part"
    return f"{estimate.value:+.3f} ± {estimate.margin:.3f} R² on the test part"


def fit(
    table: str | PathLike[str] | pd.DataFrame,
    target: str,
    *,
    task: str = "auto",
    strengths: Strengths | None = None,
    recipe: Recipe | None = None,
    drop: Sequence[str] = (),
    seed: int = 0,
    on_epoch: Callable[[int, int], None] | None = None,
) -> FitResult:
    """Fit a plain and a regularized network to a table, and say whether regularizing helped.

    A fifth of the rows is the test part, which is opened once, at the end; another fifth is held
    out to measure the gap and to stop early; the rest is trained on. Both networks are one
    population: they start from the same weights and see the same batches, so that the
    regularizers are all that differs.

    Parameters
    ----------
    table : path or DataFrame
        CSV, CSV.gz or Parquet; columns may be numeric, categorical, boolean, dates or text, with
        missing values.
    target : str
        The column to predict.
    task : {"auto", "classification", "regression"}
        "auto" takes text, booleans and few whole numbers for classes.
    strengths : Strengths, optional
        Default: L1 1e-4, L2 1e-3 and dropout that keeps half of the hidden units for classes, 95 %
        for values.
    recipe : Recipe, optional
        How to train.
    drop : sequence of str
        Columns to leave out.
    seed : int
        Of the split, the weights, the batches and the masks; 0 or more.
    on_epoch : callable, optional
        Called with (epoch, epochs) after each epoch.

    Returns
    -------
    FitResult

    Raises
    ------
    UsageError
        If an argument is out of range.
    DataError
        If the table cannot be used; the message says why and what to do.
    TrainingError
        If the loss is no longer a number.

    Examples
    --------
    >>> import pandas as pd, bridle
    >>> table = pd.DataFrame({"x": range(100), "y": ["no"] * 50 + ["yes"] * 50})
    >>> result = bridle.fit(table, target="y", recipe=bridle.Recipe(epochs=20))
    >>> result.rows
    {'training': 60, 'held out': 20, 'test': 20}
    >>> result.regularized.test.value > 0.8
    True
    """
    recipe = Recipe() if recipe is None else recipe
    if task not in ("auto", "classification", "regression"):
        raise UsageError(f"task is {task!r}; it is 'auto', 'classification' or 'regression'")
    if not 0 <= seed < 2**32:
        raise UsageError(f"seed is {seed}; it must be 0 or more and below 2**32")
    frame, truth = target_column(_without(read_table(table), drop, target), target)
    task = infer_task(truth) if task == "auto" else task
    strengths = DEFAULT_STRENGTHS[task] if strengths is None else strengths
    codec = ClassTarget.fit(truth) if task == "classification" else None
    parts = _split(len(truth), codec.transform(truth) if codec else None, seed)
    encoder = TableEncoder().fit(frame.iloc[parts["training"]])
    coding = codec or ValueTarget.fit(truth.iloc[parts["training"]])
    X = torch.from_numpy(encoder.transform(frame))
    y = torch.from_numpy(coding.transform(truth))
    data = {name: Dataset(X[rows], y[rows]) for name, rows in parts.items()}
    objective: Objective = CrossEntropy() if codec else SquaredError()
    population = Network(
        [X.shape[1], *recipe.hidden, len(codec.classes) if codec else 1],
        seeds=[seed, seed],
        **strengths.noises(members=2),  # type: ignore[arg-type]
    )
    history = train(
        population,
        _weighted(data["training"], data["training"], codec, recipe),
        _weighted(data["held out"], data["training"], codec, recipe),
        objective=objective,
        learning_rate=recipe.learning_rate,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        penalties=strengths.penalties(members=2),
        patience=[None, recipe.patience],
        seed=seed,
        on_epoch=on_epoch,
    )
    judged = {name: _judge(population, part, coding) for name, part in data.items()}
    fitted = [_describe(population, history, judged, member) for member in (PLAIN, REGULARIZED)]
    result_facts = _facts(strengths, recipe, seed, fitted[REGULARIZED])
    return FitResult(
        model=TableModel(population.take([REGULARIZED]), encoder, coding, target, result_facts),
        plain=fitted[PLAIN],
        regularized=fitted[REGULARIZED],
        comparison=compare(judged["test"][PLAIN], judged["test"][REGULARIZED]),
        history=history,
        strengths=strengths,
        rows={name: len(rows) for name, rows in parts.items()},
        notes=encoder.notes,
    )


def _without(frame: pd.DataFrame, drop: Sequence[str], target: str) -> pd.DataFrame:
    for name in drop:
        if name not in frame.columns:
            raise DataError(f"no column {name!r} to drop; {did_you_mean(name, frame.columns)}")
        if name == target:
            raise UsageError(f"{name!r} is the target and cannot be dropped")
    return frame.drop(columns=list(drop))


def _split(rows: int, codes: Any, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return the rows of each part, stratified by class where classes are large enough."""
    if rows < FEWEST_ROWS:
        raise DataError(f"{rows} rows are too few for three parts; give {FEWEST_ROWS} or more")
    everything = np.arange(rows)
    rest, test = _two_parts(everything, codes, rows // 5, seed)
    training, held_out = _two_parts(rest, codes, rows // 5, seed)
    return {"training": np.sort(training), "held out": np.sort(held_out), "test": np.sort(test)}


def _two_parts(
    rows: np.ndarray[Any, Any], codes: Any, second: int, seed: int
) -> list[np.ndarray[Any, Any]]:
    groups = None
    if codes is not None:
        # a class of one row cannot be in both parts; it goes with the largest
        counts = np.bincount(codes[rows], minlength=codes.max() + 1)
        groups = np.where(counts[codes[rows]] < 2, counts.argmax(), codes[rows])
        if len(np.unique(groups)) > second:
            groups = None
    return train_test_split(rows, test_size=second, random_state=seed, stratify=groups)


def _weighted(
    data: Dataset, training: Dataset, codec: ClassTarget | None, recipe: Recipe
) -> Dataset:
    """Return a part with class weights, which come from the training part for all parts."""
    if recipe.class_weight is None:
        return data
    if codec is None:
        raise UsageError("class_weight is 'balanced' and the task regression; leave it out")
    counts = torch.bincount(training.y, minlength=len(codec.classes)).clamp(min=1)
    weights = len(training.y) / (counts.count_nonzero() * counts)
    return Dataset(data.X, data.y, weights[data.y].float())


def _judge(network: Network, data: Dataset, coding: ClassTarget | ValueTarget) -> list[Judged]:
    """Judge each member on one part, noise off."""
    outputs = predict(network, data.X)
    truth = data.y.numpy()
    if isinstance(coding, ClassTarget):
        return [judge_classes(codes, truth) for codes in outputs.argmax(-1).numpy()]
    return [judge_values(values, truth) for values in outputs[..., 0].double().numpy()]


def _describe(
    network: Network, history: History, judged: dict[str, list[Judged]], member: int
) -> Fitted:
    return Fitted(
        diagnosis=diagnose(judged["training"][member], judged["held out"][member]),
        test=judged["test"][member].interval(),
        zeros=tuple(float((w[member] == 0).double().mean()) for w in network.weights),
        epochs=int(history.epochs_kept[member]),
        best_epoch=int(history.best_epochs[member]),
    )


def _facts(strengths: Strengths, recipe: Recipe, seed: int, fitted: Fitted) -> dict[str, Any]:
    return {
        "strengths": {item.name: getattr(strengths, item.name) for item in fields(strengths)},
        "recipe": {**asdict(recipe), "hidden": list(recipe.hidden)},
        "seed": seed,
        "fitted": fitted.to_dict(),
        "versions": {
            "bridle": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
