"""``diagnose``: finds out whether a model overfits, and what to try next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from typing import Any

import pandas as pd
from torch import nn

from bridle.audit import Audit
from bridle.checks import codes_of
from bridle.diagnosis.assemble import Measurements, assemble
from bridle.diagnosis.learning_curve import learning_curve as curve_over_rows
from bridle.diagnosis.record import Diagnosis
from bridle.diagnosis.subjects.arrays import is_estimator, measure_arrays
from bridle.diagnosis.subjects.fits import measure_fit
from bridle.diagnosis.subjects.histories import measure_history
from bridle.diagnosis.subjects.models import measure_model
from bridle.diagnosis.subjects.options import Options
from bridle.diagnosis.subjects.searches import measure_search
from bridle.errors import UsageError, flag_of
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
    learning_curve: bool = False,
    folds: int | None = None,
    groups: Any = None,
    time: Any = None,
    masks: int = 64,
    worst: int = 10,
    seed: int = 0,
    audit: Audit | bool = True,
    ignore: Iterable[str] = (),
) -> Diagnosis:
    """Find out whether a model overfits, with evidence and advice on what to try next.

    The *gap* is the training score minus the true score on new rows. The latter is estimated on
    rows that were not used for training or selection. The verdict is one of four. *Overfits*: the
    gap is shown to be above 2 points (0.02 of R²). *Underfits*: it is not, and another learner is
    shown to be more than 2 points better in a paired comparison on the same new rows. *Fine*: the
    gap and every such lead are shown to be below 2 points. *Cannot tell*: none of these is shown.
    Other learners are the other network of a fit, the plain network of a search, and gradient
    boosting fitted to the same training rows. Each claim is tested one-sided at 2.5 %; see
    :func:`bridle.statistics.claims_of`. ``benchmarks/verdicts.py`` measures the error rates in
    simulations with a known truth.

    Parameters
    ----------
    subject
        One of: the result of :func:`bridle.fit` or :func:`bridle.search`, which need no data; a
        :class:`bridle.TableModel`; a :class:`bridle.History`; a fitted scikit-learn estimator; a
        :class:`bridle.Network`, or another torch module that returns logits (for regression,
        predictions); a function from inputs to classes, probabilities, logits or predictions.
    data
        New rows. For a TableModel: a table (path or DataFrame) with the target, or ``(X, y)``. If
        it is the table that the model was fitted to, it is split again into the same parts. For
        the result of a fit or a search: optionally its table, to show the values of the
        worst-predicted rows. For an estimator, a module or a function: ``(X, y)``, where ``y``
        ``[rows]`` holds class labels (strings or integers) or, for regression, floats.
    training, test
        The training rows, and further new rows, in the same form as ``data``. Without training
        rows there is no gap, unless the model file records its training score.
    member : int, optional
        The member of a history, or the network of a fit: 0 is plain, 1 (the default) regularized.
    reference : bool
        Fit scikit-learn's gradient boosting with default settings to the training rows, for
        comparison.
    shuffled_labels : bool
        Also train the model on permuted targets, if possible, on at most 10,000 rows.
    learning_curve : bool
        Also train the model on fewer rows, to find out whether more rows would help; see
        :func:`bridle.learning_curve`. This takes as long as a few dozen fits.
    folds : int, optional
        For an estimator: number of cross-validation folds of the training rows, on which clones
        are fitted to measure the gap.
    groups : str, array or mapping, optional
        The group of each row, such as its patient. The intervals are then those of new groups. For
        a TableModel: the column of its tables, or a value for each row of ``data``. Default: the
        column that the model was fitted with. For arrays: a value for each row of ``data``, or a
        mapping with the keys "data", "training" and "test"; with ``folds``, "training" is needed,
        and no group is in two folds.
    time : str or array, optional
        For a TableModel that was fitted with times: their column, or a value for each row, if
        ``data`` is the table that it was fitted to. For an estimator with ``folds``: a value for
        each training row; each fold then holds out rows that are later than those it trains on.
    masks : int
        Number of subnetworks to average, for a network with noise; 0 turns this off.
    worst : int
        Number of worst-predicted rows to list.
    seed : int
        Seed of the random numbers.
    audit : Audit or bool
        The result of :func:`bridle.audit`, for the check BR030. Default: a model that records its
        regularizers is audited. False leaves it out.
    ignore : iterable of str
        Codes of checks to silence, such as "BR012"; a beginning such as "BR01" is enough. They are
        still counted.

    Returns
    -------
    Diagnosis
        A measurement that is not available is None. ``checks`` lists what is wrong, by severity.

    Raises
    ------
    UsageError
        If the subject has another type, an argument cannot be used with it, or a code is unknown.
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
    >>> [each.code for each in found.checks]
    ['BR001', 'BR003', 'BR040']
    >>> found.evidence[0]
    'accuracy 100.0 % in training, 73.3 % on held-out rows: a gap of 26.7 points (22.0 to 31.9)'
    """
    options = Options(
        member=member,
        reference=reference,
        shuffled_labels=shuffled_labels,
        folds=folds,
        masks=masks,
        worst=worst,
        seed=seed,
        groups=groups,
        time=time,
        audit=audit,
        ignore=codes_of(ignore),
    )
    measured = _material(subject, data, training, test, options)
    if flag_of("learning_curve", learning_curve):
        rows = None if isinstance(subject, FitResult) else data
        curve = curve_over_rows(subject, rows, training=training, seed=seed)
        measured = replace(measured, learning_curve=curve)
    return assemble(replace(measured, ignore=options.ignore))


def _material(subject: Any, data: Any, training: Any, test: Any, options: Options) -> Measurements:
    own_parts = isinstance(subject, FitResult | SearchResult | History)
    given = {"training": training, "test": test, "groups": options.groups, "time": options.time}
    for name, value in given.items():
        if own_parts and value is not None:
            raise UsageError(
                f"{name} cannot be given for a {type(subject).__name__}, which has its own; "
                "leave it out"
            )
    if options.member is not None and not isinstance(subject, FitResult | History):
        raise UsageError(f"member is {options.member}; it can only be used with a fit or a history")
    if options.folds is not None and (own_parts or not is_estimator(subject)):
        raise UsageError(
            f"folds is {options.folds}; it can only be used with a scikit-learn estimator"
        )
    if isinstance(subject, FitResult):
        return measure_fit(subject, data, options)
    if isinstance(subject, SearchResult):
        return measure_search(subject, data, options)
    if isinstance(subject, History):
        if data is not None:
            raise UsageError(
                "data cannot be given for a History, which has its own scores; leave it out"
            )
        return measure_history(subject, options)
    if isinstance(subject, TableModel):
        return measure_model(subject, data, training, test, options)
    if isinstance(subject, nn.Module) or is_estimator(subject) or callable(subject):
        if isinstance(subject, type):
            raise UsageError(f"{subject.__name__} is a class; give a fitted instance")
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
            f"a {type(given).__name__} does not show which column is the target; give (X, y)"
        )
    return given
