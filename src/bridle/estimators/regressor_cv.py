"""``MLPRegressorCV``: a regressor that chooses its regularization by cross-validation."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils.validation import column_or_1d

from bridle.estimators.base_cv import BaseMLPCV
from bridle.estimators.scoring import ScoringMixin, scoring_constraint
from bridle.search.configuration import HIDDEN
from bridle.tables import ClassTarget, ValueTarget

__all__ = ["MLPRegressorCV"]

Array = np.ndarray[Any, np.dtype[Any]]


class MLPRegressorCV(ScoringMixin, RegressorMixin, BaseMLPCV):
    """MLP regressor that chooses its own regularization by cross-validation.

    The search is that of :class:`MLPClassifierCV`.

    Parameters
    ----------
    hidden_layer_sizes : int, sequence of int, or sequence of sequences, default=(128, 128)
        Number of units in each hidden layer. The search chooses among several sequences.
    budget : float, str or None, default=None
        Time limit of the search in seconds, or as a string such as "90s" or "2m". None is one
        minute, unless ``n_candidates`` is given. How many candidates fit depends on the machine,
        so two fits may differ.
    n_candidates : int or None, default=None
        Number of candidates to start with, instead of a time limit. The result is then the same on
        every machine.
    max_iter : int or None, default=None
        Maximum number of epochs of the candidates that are trained longest. None is 120, adjusted
        so that they take 900 to 12,000 steps.
    cv : int, splitter or iterable, default=5
        Number of folds, or folds of your own. A row must be held out at most once,
        as by ``KFold``, ``GroupKFold``, ``StratifiedGroupKFold`` and ``TimeSeriesSplit``.
    scoring : {"r2", "neg_root_mean_squared_error"} or None, default=None
        Score to select candidates by; also the score of :meth:`score`. None is "r2".
    answer : {"auto", "ensemble", "best", "refit"}, default="auto"
        Networks that predict. "ensemble" averages the fold networks of the best candidates, at
        most eight of them. "best" averages the fold networks of the best candidate. "refit"
        averages five or more networks with the best candidates' parameters, trained on all rows.
        "auto" is "ensemble", or "refit" if a fold does not train on all rows that it does not hold
        out, as with ``TimeSeriesSplit``.
    n_jobs : int or None, default=None
        Number of processes, one thread each. None or 1 trains in this process with all its
        threads. Another joblib backend (Dask, Ray) is used if ``joblib.parallel_config`` sets one.
    random_state : int, RandomState or None, default=None
        Seed of the folds, the candidates and the networks.
    memory : str or None, default=None
        Memory limit for the networks that train at the same time, such as "500MB". None is 2 GB
        on a CPU and 8 GB on a GPU.
    device : {"auto", "cpu", "cuda"}, default="cpu"
        Device for training. "auto" uses a GPU if there is one.
    verbose : bool or int, default=False
        Whether to print the progress of the search.

    Attributes
    ----------
    best_params_ : dict
        Parameters of the best candidate. None stands for an infinite value: the regularizer is off.
    best_score_ : float
        Score of the best candidate over all rows, each predicted by the network that was not
        trained on it. As the maximum over many candidates it is optimistic: expect a lower score
        on new data.
    best_index_ : int
        Index of the best candidate in ``cv_results_``.
    cv_results_ : dict of array
        In the format of scikit-learn's searches: ``params``, ``param_*``, ``split*_test_score`` at
        the last evaluation, ``mean_test_score``, ``std_test_score`` and ``rank_test_score``. The
        rank puts candidates of later rungs first and then uses ``pooled_test_score``, the best
        score over all rows.
    path_ : dict of array
        ``strength``, ``value`` and ``score``: partial dependence of the score on each strength.
        Empty below 20 candidates.
    importance_ : dict
        Importance of each strength: how much a random forest's R² drops if the strength's values
        are shuffled. Empty below 20 candidates.
    histories_ : dict of array
        ``candidate``, ``epoch``, ``score`` and ``loss`` of every evaluation of every candidate.
    model_ : TableModel
        The model that predicts. :func:`bridle.save_model` writes it to a file.
    encoder_ : TableEncoder
        Encoder from rows to the networks' inputs.
    n_iter_ : int
        Number of epochs of the best candidate.
    n_features_in_ : int
        Number of features in ``fit``.
    feature_names_in_ : array of str
        Column names, if ``X`` is a DataFrame whose column names are all strings.

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
    _parameter_constraints = BaseMLPCV._parameter_constraints | {
        "scoring": scoring_constraint(_kind)
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = HIDDEN,
        *,
        budget: float | str | None = None,
        n_candidates: int | None = None,
        max_iter: int | None = None,
        cv: Any = 5,
        scoring: str | None = None,
        answer: str = "auto",
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
        """Run the search and keep the networks that ``answer`` asks for.

        The parameters are those of :meth:`MLPClassifierCV.fit`; ``y`` has target values.

        Returns
        -------
        MLPRegressorCV
            The fitted estimator.
        """
        return self._search(X, y, groups, params)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the predicted values, averaged over the networks.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        return_std : bool, default=False
            Whether to return the standard deviation over the networks as well. The networks were
            trained on different rows. The noise in the target is not included.

        Returns
        -------
        float64 array ``[rows]``, or a tuple of two
            The predictions, and with ``return_std`` their standard deviations.
        """
        outputs = self._member_outputs(X)[..., 0]
        coding = self.model_.target
        value: Array = coding.inverse(outputs.mean(0).numpy()).to_numpy()
        if not return_std:
            return value
        assert isinstance(coding, ValueTarget)  # noqa: S101
        return value, outputs.std(0, correction=0).numpy() * coding.scale

    def _encode_target(self, y: Array) -> tuple[ClassTarget | ValueTarget, Array]:
        values = pd.Series(column_or_1d(y, warn=True), name="y")
        coding = ValueTarget.fit(values)
        return coding, coding.transform(values)
