"""Constructor parameters of the MLP estimators and their allowed values."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, Options, StrOptions

from bridle.errors import UsageError
from bridle.estimators.optimizers import SOLVERS
from bridle.networks.population import ACTIVATIONS
from bridle.penalties import Sparsity

__all__ = ["MLPParams"]

_PROBABILITY = Interval(Real, 0, 1, closed="right")
_UNREGULARIZED = {
    "l1": 0.0,
    "keep_prob": 1.0,
    "input_keep_prob": 1.0,
    "drop_connect_keep_prob": 1.0,
    "max_norm": None,
    "sparsity": None,
}


class MLPParams(BaseEstimator):
    """Types and constraints of the parameters that the subclasses' constructors set."""

    _parameter_constraints: dict[str, Any] = {  # noqa: RUF012
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "solver": [StrOptions(set(SOLVERS))],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "l1": [Interval(Real, 0, None, closed="left")],
        "keep_prob": [_PROBABILITY],
        "input_keep_prob": [_PROBABILITY],
        "drop_connect_keep_prob": [_PROBABILITY],
        "max_norm": [None, Interval(Real, 0, None, closed="neither")],
        "sparsity": [None, Interval(Real, 0, 1, closed="left"), Sparsity],
        "keep_stages": ["boolean"],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
    }

    hidden_layer_sizes: Any
    activation: str
    solver: str
    alpha: float
    batch_size: Any
    learning_rate: str
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    random_state: Any
    tol: float
    verbose: Any
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    l1: float
    keep_prob: float
    input_keep_prob: float
    drop_connect_keep_prob: float
    max_norm: float | None
    sparsity: float | Sparsity | None
    keep_stages: bool
    device: str

    def _check_regularizers(self) -> None:
        if self.solver != "lbfgs":
            return
        given = [name for name, off in _UNREGULARIZED.items() if getattr(self, name) != off]
        if given:
            raise UsageError(
                f"{given[0]} is {getattr(self, given[0])} and the solver is 'lbfgs', which "
                "supports neither masks nor proximal steps; use solver='adam' or 'sgd'"
            )
