"""Base class of ``MLPClassifierCV`` and ``MLPRegressorCV``: the search as an estimator."""

from __future__ import annotations

import copy
import json
import time
import warnings
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from bridle.errors import UsageError
from bridle.estimators.candidates import NAMES, candidate_params, cv_results_of, hidden_layer_shapes
from bridle.estimators.folds import CVFolds
from bridle.estimators.targets import check_target
from bridle.estimators.validation import needs_encoder, refuse_repeated, unmasked
from bridle.models.file import from_state, state_of
from bridle.models.table_model import TableModel
from bridle.networks.population import predict
from bridle.search.budget import memory_for
from bridle.search.build_result import model_facts, trial_histories
from bridle.search.data import SearchData, check_device
from bridle.search.encoding import encode, encoded_rows, fit_encoders
from bridle.search.final_model import ANSWERS, answer_of, best_trials
from bridle.search.importance import importance_and_response
from bridle.search.run import SearchSettings, run_search
from bridle.search.scoring import check_scoring
from bridle.search.successive_halving import Progress, SuccessiveHalving
from bridle.tables import ClassTarget, TableEncoder, ValueTarget
from bridle.tables.read import plain_frame

__all__ = ["BaseMLPCV"]

Array = np.ndarray[Any, np.dtype[Any]]
_POSITIVE = Interval(Integral, 1, None, closed="left")


class BaseMLPCV(CVFolds):
    """Search, fitted attributes and prediction of the CV estimators."""

    _parameter_constraints: dict[str, Any] = {  # noqa: RUF012
        "hidden_layer_sizes": ["array-like", _POSITIVE],
        "budget": [None, str, Interval(Real, 0, None, closed="neither")],
        "n_candidates": [None, Interval(Integral, 2, None, closed="left")],
        "max_iter": [None, _POSITIVE],
        "cv": ["cv_object"],
        "answer": [StrOptions({"auto", *ANSWERS})],
        "n_jobs": [None, Integral],
        "random_state": ["random_state"],
        "memory": [str, None],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
        "verbose": ["verbose"],
    }

    # parameters that the subclasses' constructors set
    hidden_layer_sizes: Any
    budget: float | str | None
    n_candidates: int | None
    max_iter: int | None
    scoring: str | None
    answer: str
    n_jobs: int | None
    random_state: Any
    memory: str | None
    device: str
    verbose: Any

    _kind: str

    def _encode_target(self, y: Array) -> tuple[ClassTarget | ValueTarget, Array]:
        """Return the target encoding, and the encoded y."""
        raise NotImplementedError

    # ---------------------------------------------------------------------------------- fit

    def _search(self, X: Any, y: Any, groups: Any, params: dict[str, Any]) -> Self:
        began = time.monotonic()
        frame, y = self._validate_for_fit(X, y)
        coding, coded = self._encode_target(y)
        check_consistent_length(frame, groups)
        classes = len(coding.classes) if isinstance(coding, ClassTarget) else 0
        seed = int(check_random_state(self.random_state).randint(2**31))
        fold, trained = self._folds(frame, y, coded, classes, seed, groups, params)
        answer = self._answer(whole=trained is None)
        workers = effective_n_jobs(self.n_jobs)
        local = type(get_active_backend()[0]).__name__ == "LokyBackend" or workers == 1
        settings = SearchSettings(
            check_scoring(self.scoring, self._kind),
            self.budget,
            self.n_candidates,
            self.max_iter,
            answer,
            seed,
            "local" if local else "joblib",
            workers,
            self.memory,
        )
        device = check_device("cpu" if self.device == "auto" and workers > 1 else self.device)
        encoders = fit_encoders(frame, memory=memory_for(self.memory, "cpu"), device=device)
        inputs = encode(encoders, frame)
        data = SearchData(
            inputs,
            torch.from_numpy(coded),
            torch.from_numpy(fold),
            classes,
            device,
            None if trained is None else torch.from_numpy(trained),
            encoders[0].numbers,
            encoded_rows(encoders, inputs, device),
        )
        progress = _ProgressPrinter() if self.verbose else None
        shapes = hidden_layer_shapes(self.hidden_layer_sizes)
        halving = run_search(data, shapes, settings, began=began, on_progress=progress)
        if halving.interrupted:
            warnings.warn(
                "the search was interrupted; the estimator uses the best candidates found so far",
                ConvergenceWarning,
                stacklevel=3,
            )
        self._take(halving, data, encoders, coding, answer, groups)
        return self

    def _answer(self, *, whole: bool) -> str:
        """Return which networks predict, if folds train on all other rows or on some of them."""
        if self.answer == "auto":
            return "ensemble" if whole else "refit"
        if not whole and self.answer != "refit":
            raise UsageError(
                f"answer is {self.answer!r}, but with cv={self.cv!r} the networks of the folds are "
                "trained on some of the other rows only; use answer='refit' or 'auto'"
            )
        return self.answer

    def _validate_for_fit(self, X: Any, y: Any) -> tuple[pd.DataFrame, Array]:
        check_target(y, classes=is_classifier(self))
        refuse_repeated(X)
        self._tabular = needs_encoder(X)
        if self._tabular:
            validate_data(self, X, skip_check_array=True, reset=True)
            y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
            if y.dtype == object and not is_classifier(self):
                y = y.astype(np.float64)
            check_consistent_length(X, y)
            return plain_frame(X, "X"), y
        X, y = validate_data(
            self,
            unmasked(X),
            y,
            accept_sparse=["csr", "csc"],
            dtype=(np.float64, np.float32),
            ensure_all_finite="allow-nan",
            ensure_min_samples=2,
            multi_output=True,
            y_numeric=not is_classifier(self),
        )
        return self._to_frame(X), y

    def _to_frame(self, X: Any) -> pd.DataFrame:
        names = getattr(self, "feature_names_in_", [f"x{at}" for at in range(X.shape[1])])
        return pd.DataFrame(X if isinstance(X, np.ndarray) else X.toarray(), columns=names)

    def _validate_for_predict(self, X: Any) -> pd.DataFrame:
        """Return validated X for prediction, as a DataFrame."""
        refuse_repeated(X)
        check_is_fitted(self)
        if self._tabular:
            if not isinstance(X, pd.DataFrame):
                raise UsageError(
                    f"X is a {type(X).__name__}, but the estimator was fitted on a DataFrame with "
                    "non-numerical columns or missing values; pass a DataFrame with the same "
                    "columns"
                )
            validate_data(self, X, skip_check_array=True, reset=False)
            return plain_frame(X, "X")
        X = validate_data(
            self,
            unmasked(X),
            accept_sparse=["csr", "csc"],
            dtype=(np.float64, np.float32),
            ensure_all_finite="allow-nan",
            reset=False,
        )
        return self._to_frame(X)

    # -------------------------------------------------------------------------------- results

    def _take(
        self,
        halving: SuccessiveHalving,
        data: SearchData,
        encoders: dict[int, TableEncoder],
        coding: ClassTarget | ValueTarget,
        answer: str,
        groups: Any,
    ) -> None:
        winners = best_trials(halving, answer)
        best, plan = winners[0], halving.plan
        found = answer_of(
            data, winners, plan, answer, None if groups is None else np.asarray(groups)
        )
        facts = model_facts(halving, winners, answer, numbers=data.numbers)
        temperature = 1.0 if found.temperature is None else found.temperature.value
        self.model_ = TableModel(
            found.network, encoders[found.bins], coding, "target", facts, temperature
        )
        unit = 1.0
        if isinstance(coding, ValueTarget) and plan.scoring != "r2":
            unit = coding.scale  # the search scores a standardized target
        trials = sorted(halving.trials.values(), key=lambda each: each.id)
        place = {each.id: at for at, each in enumerate(trials)}
        order = [*halving.finalists, *(e for e in halving.ranked() if e.rung < best.rung)]
        self.best_index_ = trials.index(best)
        self.best_params_ = candidate_params(best.configuration)
        self.best_score_ = best.best[0] * unit
        self.cv_results_ = cv_results_of(trials, order, data.folds, unit)
        histories = trial_histories(trials)
        per_epoch = len(data.rows_of(0)[0]) / plan.batch_size
        self.histories_ = {
            "candidate": np.array([place[each] for each in histories["id"]]),
            "epoch": histories["step"].to_numpy() / per_epoch,
            "score": histories["score"].to_numpy() * unit,
            "loss": histories["loss"].to_numpy(),
        }
        importance, response = importance_and_response(halving.ranked(), plan.seed)
        self.importance_ = {NAMES.get(name, name): each for name, each in importance.items()}
        self.path_ = {
            "strength": np.array([NAMES.get(n, n) for n in response["strength"]], dtype=str),
            "value": response["value"].to_numpy(dtype=float),
            "score": response["score"].to_numpy(dtype=float) * unit,
        }
        self.n_iter_ = max(1, round(best.best_step / per_epoch))

    @property
    def encoder_(self) -> TableEncoder:
        """Encoder from rows to the networks' inputs."""
        return self.model_.encoder

    # ------------------------------------------------------------------------------ predict

    def _member_outputs(self, X: Any) -> Tensor:
        """Return each network's outputs, ``[members, rows, outputs]``.

        Computed in float64, so that a row's outputs do not depend on the other rows of the batch.
        """
        frame = self._validate_for_predict(X)
        rows = torch.from_numpy(self.encoder_.transform(frame)).double()
        return predict(copy.deepcopy(self.model_.network).double(), rows)

    # ------------------------------------------------------------------------- serialization

    def __getstate__(self) -> dict[str, Any]:
        """Return plain values and arrays, with the model as in a model file."""
        state = dict(super().__getstate__())
        if "model_" in state:
            document, tensors = state_of(state["model_"])
            arrays = {name: value.numpy() for name, value in tensors.items()}
            state["model_"] = {"document": json.dumps(document), "arrays": arrays}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild the model from its plain form."""
        state = dict(state)
        if "model_" in state:
            arrays = state["model_"]["arrays"]
            tensors = {
                name: torch.from_numpy(np.require(value, requirements="W").copy())
                for name, value in arrays.items()
            }
            state["model_"] = from_state(json.loads(state["model_"]["document"]), tensors)
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags


class _ProgressPrinter:
    """Prints the progress of a search at each 10 %."""

    def __init__(self) -> None:
        self.tenth = -1

    def __call__(self, now: Progress) -> None:
        if int(now.done * 10) > self.tenth:
            self.tenth = int(now.done * 10)
            print(
                f"{now.done:4.0%} done, {now.configurations} candidates, best score {now.best:.4f}"
            )
