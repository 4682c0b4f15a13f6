"""``MLPClassifierCV`` and ``MLPRegressorCV``: they choose their regularization themselves."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from bridle.estimators.base_cv import BaseMLPCV
from bridle.estimators.scoring import SelectedScore, coded_classes, scorings
from bridle.search.configuration import HIDDEN
from bridle.tables import ClassTarget, ValueTarget

__all__ = ["MLPClassifierCV", "MLPRegressorCV"]

Array = np.ndarray[Any, np.dtype[Any]]


class MLPClassifierCV(SelectedScore, ClassifierMixin, BaseMLPCV):
    """A network that chooses its own regularization, by cross-validation: the search.

    Draws candidates with all regularizers (dropout, L1, L2, DropConnect, max-norm, label smoothing,
    mixup, weight averaging, class weights), trains each with every fold as one tensor program, and
    lets the better third go on, twice: successive halving (Li et al. 2018). The networks of the
    best candidates, one for each fold, are averaged.

    Parameters
    ----------
    hidden_layer_sizes : int, sequence of int, or several such sequences to choose from
        Units of each hidden layer.
    budget : float or str, optional
        Seconds, or a time such as "90s", "2m". Default: a minute, where ``n_candidates`` is not
        given. What fits in a time depends on the machine, so that two fits may differ.
    n_candidates : int, optional
        How many to begin with, instead of a time: the same on any machine.
    max_iter : int, optional
        Epochs of the last ones, at most. Default: 120, or what makes 900 to 12,000 steps.
    cv : int, splitter or iterable
        Folds, even in each class; or folds of your own, each row held out once.
    scoring : {"accuracy", "balanced_accuracy", "neg_log_loss", "roc_auc"}, optional
        What to select by, and what :meth:`score` returns; default "accuracy".
    answer : {"ensemble", "best", "refit"}
        What predicts: the networks of the best candidates (eight at most, all folds), averaged;
        those of the best one; or five networks of the best one, trained on all rows.
    n_jobs : int, optional
        Processes of one thread each; 1, the default, is this process with its threads. Another
        backend of joblib (Dask, Ray) is used where ``joblib.parallel_config`` says so.
    random_state : int, RandomState or None
        Of the folds, the candidates and the networks.
    memory : str, optional
        What the networks may take at once, such as "500MB". Default: 2 GB, and on a GPU 8 GB.
    device : {"auto", "cpu", "cuda"}
        Where networks train; "auto" is a GPU where there is one.
    verbose : bool
        Print how far the search is.

    Attributes
    ----------
    classes_ : array ``[classes]``
    best_params_ : dict
        Of the best candidate; None is an infinite strength, that is, none.
    best_score_ : float
        Its score on all rows, each predicted by the network that did not learn it. The best of
        many: a fresh test set scores lower.
    best_index_ : int
    cv_results_ : dict of arrays
        In the shape of scikit-learn's: ``params``, ``param_*``, ``split*_test_score`` at the last
        look, ``mean_test_score``, ``std_test_score``; ``rank_test_score`` puts those first that
        came furthest, then goes by ``pooled_test_score``, the best score over all rows.
    path_ : dict of arrays
        ``strength``, ``value``, ``score``: how the score moves with each strength, others as they
        come. Empty below 20 candidates.
    importance_ : dict
        How much each strength explains of the score.
    histories_ : dict of arrays
        ``candidate``, ``epoch``, ``score``, ``loss``: every look at every candidate.
    model_ : TableModel
        What predicts; :func:`bridle.save_model` writes it to a file.
    encoder_ : TableEncoder
    n_iter_ : int
        Epochs of the best candidate.
    n_features_in_ : int
    feature_names_in_ : array of str
        If the fit had a DataFrame.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from bridle import MLPClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifierCV((16,), n_candidates=9, max_iter=60, cv=3, random_state=0)
    >>> model.fit(X, y).best_score_ > 0.9
    True
    >>> sorted(model.best_params_)[:3]
    ['averaging', 'bins', 'class_weight']
    """

    _kind = "classification"
    _parameter_constraints = BaseMLPCV._parameter_constraints | {"scoring": scorings(_kind)}

    def __init__(
        self,
        hidden_layer_sizes: Any = HIDDEN,
        *,
        budget: float | str | None = None,
        n_candidates: int | None = None,
        max_iter: int | None = None,
        cv: Any = 5,
        scoring: str | None = None,
        answer: str = "ensemble",
        n_jobs: int | None = None,
        random_state: Any = None,
        memory: str | None = None,
        device: str = "cpu",
        verbose: Any = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.budget = budget
        self.n_candidates = n_candidates
        self.max_iter = max_iter
        self.cv = cv
        self.scoring = scoring
        self.answer = answer
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.memory = memory
        self.device = device
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, *, groups: Any = None, **params: Any) -> Self:
        """Search, and keep what predicts best.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
            Gaps are fine; a DataFrame may have texts, categories and dates. Sparse rows are made
            dense.
        y : array ``[rows]``
            Classes.
        groups : array ``[rows]``, optional
            For a splitter such as ``GroupKFold``.
        **params : dict
            What else the splitter is to have, where metadata routing is on.

        Returns
        -------
        MLPClassifierCV
            Itself.

        Raises
        ------
        ValueError
            If the data or an argument cannot be used, or the budget is too short.
        TrainingError
            If no candidate gave finite outputs.
        """
        return self._search(X, y, groups, params)

    def predict(self, X: Any) -> Array:
        """Return the class of each row, ``[rows]``."""
        codes = self.predict_proba(X).argmax(1)
        found: Array = self.classes_[codes]
        return found

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """Return the probability of each class, float64 ``[rows, classes]``.

        With ``return_std`` also its standard deviation over the networks, of the same shape: how
        far they differ, which have learned from different rows.
        """
        shares = self._member_outputs(X).softmax(-1)
        mean: Array = shares.mean(0).numpy()
        return (mean, shares.std(0, correction=0).numpy()) if return_std else mean

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of :meth:`predict_proba`."""
        with np.errstate(divide="ignore"):
            found: Array = np.log(self.predict_proba(X))
        return found

    def _coded(self, y: Array) -> tuple[ClassTarget | ValueTarget, Array]:
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        coding, self.classes_, codes = coded_classes(y)
        return coding, codes


class MLPRegressorCV(SelectedScore, RegressorMixin, BaseMLPCV):
    """A network for values that chooses its own regularization: the search.

    See :class:`MLPClassifierCV`, whose attributes these are, save ``classes_``.

    Parameters
    ----------
    hidden_layer_sizes, budget, n_candidates, max_iter, cv
        As in :class:`MLPClassifierCV`.
    scoring : {"r2", "neg_root_mean_squared_error"}, optional
        What to select by, and what :meth:`score` returns; default "r2".
    answer, n_jobs, random_state, memory, device, verbose
        As in :class:`MLPClassifierCV`.

    Attributes
    ----------
    n_features_in_ : int
    feature_names_in_ : array of str
        If the fit had a DataFrame.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from bridle import MLPRegressorCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLPRegressorCV((16,), n_candidates=9, max_iter=60, cv=3, random_state=0)
    >>> model.fit(X, y).best_score_ > 0.35
    True
    >>> value, spread = model.predict(X[:2], return_std=True)
    >>> value.shape, spread.shape
    ((2,), (2,))
    """

    _kind = "regression"
    _parameter_constraints = BaseMLPCV._parameter_constraints | {"scoring": scorings(_kind)}

    def __init__(
        self,
        hidden_layer_sizes: Any = HIDDEN,
        *,
        budget: float | str | None = None,
        n_candidates: int | None = None,
        max_iter: int | None = None,
        cv: Any = 5,
        scoring: str | None = None,
        answer: str = "ensemble",
        n_jobs: int | None = None,
        random_state: Any = None,
        memory: str | None = None,
        device: str = "cpu",
        verbose: Any = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.budget = budget
        self.n_candidates = n_candidates
        self.max_iter = max_iter
        self.cv = cv
        self.scoring = scoring
        self.answer = answer
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.memory = memory
        self.device = device
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, *, groups: Any = None, **params: Any) -> Self:
        """Search, and keep what predicts best; see :meth:`MLPClassifierCV.fit`."""
        return self._search(X, y, groups, params)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the value of each row, float64 ``[rows]``.

        With ``return_std`` also its standard deviation over the networks: how far they differ,
        which have learned from different rows. It says nothing of the noise in the target.
        """
        outputs = self._member_outputs(X)[..., 0]
        coding = self.model_.target
        value: Array = coding.inverse(outputs.mean(0).numpy()).to_numpy()
        if not return_std:
            return value
        assert isinstance(coding, ValueTarget)  # noqa: S101
        return value, outputs.std(0, correction=0).numpy() * coding.scale

    def _coded(self, y: Array) -> tuple[ClassTarget | ValueTarget, Array]:
        values = pd.Series(column_or_1d(y, warn=True), name="y")
        coding = ValueTarget.fit(values)
        return coding, coding.transform(values)
