"""``learning_curve``: finds out whether more training rows would help."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from torch import nn

from bridle.diagnosis.row_curve import LearningCurve, curve_of
from bridle.diagnosis.subjects.model_tables import model_tables
from bridle.diagnosis.subjects.models import coded_rows
from bridle.diagnosis.subjects.networks import network_name
from bridle.diagnosis.subjects.options import Options
from bridle.diagnosis.subjects.subsets import Scores, estimator_scores, network_scores
from bridle.errors import DataError, UsageError
from bridle.models.ablation import recipe_of
from bridle.models.recipe import Strengths
from bridle.models.result import FitResult
from bridle.models.split import split_rows
from bridle.models.table_model import TableModel
from bridle.networks.history import Dataset
from bridle.search import SearchResult
from bridle.tables import ClassTarget

__all__ = ["learning_curve"]

_MOST_HELD_OUT = 2000


def learning_curve(
    subject: Any,
    data: Any = None,
    *,
    training: Any = None,
    repeats: int = 8,
    steps: int = 2000,
    seed: int = 0,
) -> LearningCurve:
    """Find out whether more training rows would help.

    The model is trained again on an eighth, a quarter, a half and all of its training rows, several
    times each, and scored on the same test rows. The answer is that of the last doubling: if the
    score still rose from half to all rows, more rows would help. This is an extrapolation. It
    assumes that the curve does not turn up later.

    Parameters
    ----------
    subject
        The result of :func:`bridle.fit`, which needs no data; a :class:`bridle.TableModel` or the
        result of :func:`bridle.search`; or a scikit-learn estimator, of which clones are fitted.
        Of a search's best configuration the six strengths of :class:`bridle.Strengths`, the
        learning rate, the batch size and the embedding of numbers are used.
    data
        The test rows. For a model: a table (path or DataFrame) with the target. If it is the table
        that the model was fitted to, it is split into the same parts again. For an estimator:
        ``(X, y)``.
    training
        The training rows in the same form, unless ``data`` is the table of the fit.
    repeats : int
        Number of times that each number of rows is used, with other rows; 2 or more.
    steps : int
        Maximum number of steps of a network. The recipe's number of epochs is never exceeded. All
        networks take equally many steps.
    seed : int
        Seed of the subsets, the weights and the batches.

    Returns
    -------
    LearningCurve

    Raises
    ------
    UsageError
        If the subject cannot be trained again, or an argument is out of range.
    DataError
        If there are too few training rows, or a table cannot be used.

    Examples
    --------
    >>> import bridle
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> X, y = make_classification(2000, n_classes=4, n_informative=6, random_state=0)
    >>> found = bridle.learning_curve(
    ...     KNeighborsClassifier(), (X[400:], y[400:]), training=(X[:400], y[:400])
    ... )
    >>> [each.rows for each in found.points], found.answer
    ([50, 100, 200, 400], 'would help')
    >>> found.sentence[:70]
    'More rows would help: from 200 to 400 training rows the test accuracy '
    """
    for name, value, least in (("repeats", repeats, 2), ("steps", steps, 1), ("seed", seed, 0)):
        if value < least:
            raise UsageError(f"{name} is {value}; it must be {least} or more")
    if isinstance(subject, SearchResult):
        subject = subject.model
    if isinstance(subject, TableModel):
        parts = _parts(subject, data, training, seed)
        return _of_network(subject, parts, repeats, steps, seed)
    if isinstance(subject, FitResult):
        if training is not None:
            raise UsageError(
                "training cannot be given for a FitResult, which has its own; leave it out"
            )
        _check_plain(subject.grouping)
        return _of_network(subject.model, dict(subject.data), repeats, steps, seed)
    fits = all(hasattr(subject, name) for name in ("fit", "predict", "get_params"))
    if not fits or isinstance(subject, nn.Module | type):
        raise UsageError(
            f"a {type(subject).__name__} cannot be trained again, which a learning curve needs; "
            "give a model, the result of a fit or a search, or a scikit-learn estimator"
        )
    return _of_estimator(subject, data, training, repeats, seed)


def _of_network(
    model: TableModel, data: dict[str, Dataset], repeats: int, steps: int, seed: int
) -> LearningCurve:
    facts = model.facts
    if "strengths" not in facts:
        raise UsageError(
            "the model has no record of its regularizers; fit it with bridle.fit or bridle.search"
        )
    held_out = data["held out"]
    if len(held_out.y) > _MOST_HELD_OUT:
        at = np.linspace(0, len(held_out.y) - 1, _MOST_HELD_OUT).astype(np.int64)
        data = {**data, "held out": Dataset(held_out.X[at], held_out.y[at])}
    recipe = recipe_of(facts)
    scores = network_scores(
        model,
        data,
        strengths=Strengths.among(facts["strengths"]),
        recipe=recipe,
        repeats=repeats,
        steps=steps,
        seed=seed,
    )
    per_epoch = -(-len(data["training"].y) // recipe.batch_size)
    notes = []
    if recipe.epochs * per_epoch > steps:
        notes.append(
            f"each network was trained for at most {steps:,} steps, and the recipe has "
            f"{recipe.epochs * per_epoch:,}"
        )
    return curve_of(network_name(model.network.take([0])), scores, notes)


def _check_plain(*groupings: Any) -> None:
    if any(grouping is not None for grouping in groupings):
        raise UsageError(
            "a learning curve draws rows at random, and this model was fitted with groups or time; "
            "fit it to a sample of the groups, or to later rows only, and compare the scores"
        )


def _parts(model: TableModel, data: Any, training: Any, seed: int) -> dict[str, Dataset]:
    """Return the encoded training, held-out and test rows of a model."""
    if data is None:
        raise UsageError("a model needs rows for a learning curve; give a table as data")
    tables = model_tables(model, data, training, None, Options(seed=seed))
    _check_plain(*(part.grouping for part in tables.parts.values()))
    if tables.contaminated:
        raise DataError("; ".join(tables.notes))
    if "training" not in tables.parts:
        raise UsageError(
            "a learning curve needs the rows that the model was trained on: give the table that it "
            "was fitted to, or its training rows (training=)"
        )
    parts = {
        name: Dataset(*coded_rows(model, each.frame, each.truth))
        for name, each in tables.parts.items()
    }
    if training is not None:
        parts["test"] = parts.pop("held out")
    if "test" not in parts:
        raise UsageError(
            "the model was trained on all rows of its table, so there are no test rows; give new "
            "rows as data and its table as training"
        )
    if "held out" not in parts:  # rows for early stopping
        known = parts["training"]
        codes = known.y.numpy() if isinstance(model.target, ClassTarget) else None
        for name, at in zip(
            ("training", "held out"), split_rows(len(known.y), codes, seed), strict=True
        ):
            parts[name] = Dataset(known.X[at], known.y[at])
    return parts


def _of_estimator(
    estimator: Any, data: Any, training: Any, repeats: int, seed: int
) -> LearningCurve:
    pairs = []
    for name, given in (("data", data), ("training", training)):
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise UsageError(
                f"{name} is a {type(given).__name__}; a learning curve of an estimator needs "
                "(X, y) as data, the test rows, and as training"
            )
        X, y = given
        X, y = np.asarray(X) if isinstance(X, list) else X, np.asarray(y)
        if y.ndim != 1 or len(y) != X.shape[0] or not len(y):
            raise UsageError(
                f"{name} has {X.shape[0]} rows of inputs and a target of shape {list(y.shape)}; "
                "give one value or class for each row, and at least one row"
            )
        pairs.append((X, y))
    test, known = pairs
    labels = None
    if is_classifier(estimator):
        labels = tuple(np.unique(np.concatenate([test[1], known[1]])).tolist())
    scores: Scores = estimator_scores(estimator, known, test, labels, repeats=repeats, seed=seed)
    return curve_of(type(estimator).__name__, scores)
