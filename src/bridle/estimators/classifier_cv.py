"""``MLPClassifierCV``: a classifier that chooses its regularization by cross-validation."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from bridle.estimators.base_cv import BaseMLPCV
from bridle.estimators.scoring import ScoringMixin, encode_classes, scoring_constraint
from bridle.search.configuration import HIDDEN
from bridle.statistics.temperature import tempered
from bridle.tables import ClassTarget, ValueTarget

__all__ = ["MLPClassifierCV"]

Array = np.ndarray[Any, np.dtype[Any]]


class MLPClassifierCV(ScoringMixin, ClassifierMixin, BaseMLPCV):
    """MLP classifier that chooses its own regularization by cross-validation.

    The search samples candidates over all regularizers: dropout, L1, L2, DropConnect, max-norm,
    label smoothing, mixup, weight averaging and class weights. It trains all candidates on all
    folds as one tensor program, and continues with the better third twice: successive halving
    (Li et al. 2018). By default, the fold networks of the best candidates are averaged.

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
        Number of stratified folds, or folds of your own. A row must be held out at most once,
        as by ``KFold``, ``GroupKFold``, ``StratifiedGroupKFold`` and ``TimeSeriesSplit``.
    scoring : {"accuracy", "balanced_accuracy", "neg_log_loss", "roc_auc"} or None, default=None
        Score to select candidates by; also the score of :meth:`score`. None is "accuracy".
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
    classes_ : array ``[classes]``
        Class labels.
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

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
            Training samples. Missing values are allowed. A DataFrame may have text, categorical
            and date columns. Sparse matrices are converted to dense ones.
        y : array ``[rows]``
            Class labels.
        groups : array ``[rows]``, default=None
            Group of each row, for a splitter such as ``GroupKFold``. The temperature of the
            probabilities is then fitted so that it suits new groups.
        **params : dict
            Other arguments for the splitter, if metadata routing is enabled.

        Returns
        -------
        MLPClassifierCV
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data or an argument is invalid, or the budget is too small.
        TrainingError
            If no candidate has finite outputs.
        """
        return self._search(X, y, groups, params)

    def predict(self, X: Any) -> Array:
        """Return the predicted class labels, ``[rows]``.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        """
        codes = self.predict_proba(X).argmax(1)
        labels: Array = self.classes_[codes]
        return labels

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """Return the probability of each class, averaged over the networks.

        The average has the temperature that suits the held-out rows (``model_.temperature``).

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        return_std : bool, default=False
            Whether to return the standard deviation over the networks as well. The networks were
            trained on different rows. It is of their own probabilities, without the temperature.

        Returns
        -------
        float64 array ``[rows, classes]``, or a tuple of two
            The probabilities, and with ``return_std`` their standard deviations.
        """
        probabilities = self._member_outputs(X).softmax(-1)
        mean: Array = tempered(probabilities.mean(0).numpy(), self.model_.temperature)
        return (mean, probabilities.std(0, correction=0).numpy()) if return_std else mean

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of :meth:`predict_proba`."""
        with np.errstate(divide="ignore"):
            result: Array = np.log(self.predict_proba(X))
        return result

    def _encode_target(self, y: Array) -> tuple[ClassTarget | ValueTarget, Array]:
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        coding, self.classes_, codes = encode_classes(y)
        return coding, codes
