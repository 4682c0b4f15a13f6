"""``diagnose``: whatever was trained, does it overfit, and what is to be done."""

from __future__ import annotations

from os import PathLike
from typing import Any

import pandas as pd
from torch import nn

from bridle.diagnosis import Diagnosis
from bridle.diagnosis.assemble import Measurements, assemble
from bridle.diagnosis.subjects.arrays import is_estimator, measure_arrays
from bridle.diagnosis.subjects.histories import measure_history
from bridle.diagnosis.subjects.options import Options
from bridle.diagnosis.subjects.tables import measure_fit, measure_model, measure_search
from bridle.errors import UsageError
from bridle.models.result import FitResult
from bridle.models.table_model import TableModel
from bridle.networks.history import Dataset, History
from bridle.search import SearchResult

__all__ = ["diagnose"]


def diagnose(
    subject: Any,
    data: Any = None,
    *,
    training: Any = None,
    test: Any = None,
    member: int | None = None,
    reference: bool = True,
    shuffled_labels: bool = True,
    folds: int | None = None,
    masks: int = 64,
    worst: int = 10,
    seed: int = 0,
) -> Diagnosis:
    """Say whether a model overfits, with all the evidence, and what to try next.

    The *gap* is the training score, a fact about known rows, less the score on all new rows that
    there could be, estimated on rows that had no part in training or selection. *Overfits*: the
    gap is shown to be above 2 points (0.02 of R²). *Underfits*: it is not, and another learner
    (the other network of a fit, the search's plain network, gradient boosting fitted to the same
    training rows) is shown to be more than 2 points better on the same new rows, in pairs. *Fine*:
    the gap and every lead are shown to be below 2 points. Otherwise the rows *cannot tell*. Each is
    tested one-sided at 2.5 %: see :func:`bridle.diagnosis.claims_of`, and
    ``benchmarks/verdicts.py`` for how often it errs on truths that are known.

    Parameters
    ----------
    subject
        One of: the result of :func:`bridle.fit` or :func:`bridle.search`, which need no data; a
        :class:`bridle.TableModel`; a :class:`bridle.History`; a fitted estimator of scikit-learn;
        a torch module that gives scores (logits) or values, or a :class:`bridle.Network`; a
        function from inputs to classes, probabilities, scores or values.
    data
        New rows. For a model: a table (path or DataFrame) with the target; the very table that it
        was fitted to is known again and taken apart as it was then. For a result: the table that
        it was fitted to, to name the worst-predicted rows. For the last three kinds: ``(X, y)``,
        where ``y`` ``[rows]`` holds classes (texts, whole numbers) or values (floats).
    training, test
        Rows that it was trained on, and more new rows, as ``data``. Without training rows there is
        no gap, unless the subject states its training score.
    member : int, optional
        Of a history, or of a fit: 0 is the plain, 1 (the default) the regularized network.
    reference : bool
        Fit gradient boosting (scikit-learn's, default settings) to the training rows, for
        comparison.
    shuffled_labels : bool
        Train the subject again on permuted targets, where it can be; at most 10,000 rows.
    folds : int, optional
        For an estimator: fit clones on so many folds of the training rows, for the gap over folds.
    masks : int
        Subnetworks to average, where the subject has noise; 0 draws none.
    worst : int
        How many of the worst-predicted rows to name.
    seed : int
        Of what is drawn.

    Returns
    -------
    Diagnosis
        What the subject cannot give is None.

    Raises
    ------
    UsageError
        If the subject is none of these, or an argument does not go with it.
    DataError
        If a table or its target cannot be used.

    Examples
    --------
    >>> import bridle
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> X, y = make_classification(600, flip_y=0.3, random_state=0)
    >>> tree = DecisionTreeClassifier(random_state=0).fit(X[:300], y[:300])
    >>> found = bridle.diagnose(tree, (X[300:], y[300:]), training=(X[:300], y[:300]))
    >>> found.verdict
    'overfits'
    >>> found.evidence[0]
    'accuracy 100.0 % in training, 73.3 % on held-out rows: a gap of 26.7 ± 5.0 points'
    """
    options = Options(
        member=member,
        reference=reference,
        shuffled_labels=shuffled_labels,
        folds=folds,
        masks=masks,
        worst=worst,
        seed=seed,
    )
    return assemble(_material(subject, data, training, test, options))


def _material(subject: Any, data: Any, training: Any, test: Any, options: Options) -> Measurements:
    own_parts = isinstance(subject, FitResult | SearchResult | History)
    for name, value in (("training", training), ("test", test)):
        if own_parts and value is not None:
            raise UsageError(
                f"{name} was given, and a {type(subject).__name__} has its own; leave it out"
            )
    if options.member is not None and not isinstance(subject, FitResult | History):
        raise UsageError(f"member is {options.member}; it is for a fit or a history alone")
    if options.folds is not None and (own_parts or not is_estimator(subject)):
        raise UsageError(f"folds is {options.folds}; it is for estimators of scikit-learn alone")
    if isinstance(subject, FitResult):
        return measure_fit(subject, data, options)
    if isinstance(subject, SearchResult):
        return measure_search(subject, data, options)
    if isinstance(subject, History):
        if data is not None:
            raise UsageError("data were given, and a History has its own scores; leave them out")
        return measure_history(subject, options)
    if isinstance(subject, TableModel):
        return measure_model(subject, data, training, test, options)
    if isinstance(subject, nn.Module) or is_estimator(subject) or callable(subject):
        if isinstance(subject, type):
            raise UsageError(f"{subject.__name__} is a class; give a fitted object of it")
        new, known, last = (_pair_of(each) for each in (data, training, test))
        return measure_arrays(subject, new, known, last, options)
    if isinstance(subject, str | PathLike):
        raise UsageError(f"{str(subject)!r} is a path; load the model first: bridle.load(path)")
    raise UsageError(
        f"cannot diagnose a {type(subject).__name__}; give a model, a history, the result of a "
        "fit or a search, an estimator, a module or a function"
    )


def _pair_of(given: Any) -> Any:
    if isinstance(given, Dataset):
        return given.X, given.y
    if isinstance(given, pd.DataFrame | str | PathLike):
        raise UsageError(
            f"a {type(given).__name__} says nothing of which column is the truth; give (X, y)"
        )
    return given
