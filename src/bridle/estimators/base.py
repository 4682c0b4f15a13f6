"""What the classifier and the regressor share: scikit-learn's network, with regularizers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, Self, cast

import numpy as np
import pandas as pd
import scipy.optimize
import scipy.sparse
import torch
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import (
    check_array,
    check_consistent_length,
    check_random_state,
    gen_batches,
    shuffle,
)
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from torch import Tensor

from bridle.compaction import compact
from bridle.ensemble import subnetwork_scores
from bridle.errors import UsageError
from bridle.estimators.frames import has_texts_or_gaps
from bridle.estimators.perceptron import LINKS, Masks, Perceptron
from bridle.estimators.solvers import SOLVERS, AdamRule, MomentumRule
from bridle.network import ACTIVATIONS, Network
from bridle.noise import DropConnect, Dropout
from bridle.ops import max_norm_step
from bridle.table import TableEncoder

__all__ = ["BaseMLP"]

Array = np.ndarray[Any, np.dtype[Any]]
_ROWS_AT_ONCE = 8192  # which bounds the memory of a prediction
SUBNETWORKS = 50
_SHARE = Interval(Real, 0, 1, closed="right")


class BaseMLP(BaseEstimator):
    """The network, its solvers and its fitted attributes; see the classifier and the regressor."""

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
        "keep_prob": [_SHARE],
        "input_keep_prob": [_SHARE],
        "drop_connect_keep_prob": [_SHARE],
        "max_norm": [None, Interval(Real, 0, None, closed="neither")],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
    }

    # what an instance has by its subclass's constructor
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
    device: str

    # ------------------------------------------------------------- what the subclasses say

    def _link(self) -> str:
        raise NotImplementedError

    def _targets(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        """Return validated rows, and what the network fits: ``[rows, outputs]``."""
        raise NotImplementedError

    def _rows(self, X: Any, y: Any, reset: bool, **checks: Any) -> tuple[Any, Any]:
        """Return validated rows and targets; a table with texts or gaps is encoded."""
        if not self._is_table(X, reset):
            if not reset:
                self._refuse_bare(X)
            else:
                self.__dict__.pop("encoder_", None)
            return validate_data(
                self,
                X,
                y,
                accept_sparse=["csr", "csc"],
                dtype=(np.float64, np.float32),
                reset=reset,
                **checks,
            )
        validate_data(self, X, skip_check_array=True, reset=reset)
        if y is not None:
            y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
            check_consistent_length(X, y)
        if reset:
            self.encoder_ = TableEncoder().fit(X)
        return self.encoder_.transform(X), y

    def _known_rows(self, X: Any) -> Any:
        """Return validated rows to predict."""
        if self._is_table(X, reset=False):
            return self._rows(X, None, reset=False)[0]
        self._refuse_bare(X)
        return validate_data(
            self, X, accept_sparse=["csr", "csc"], reset=False, dtype=(np.float64, np.float32)
        )

    def _refuse_bare(self, X: Any) -> None:
        if hasattr(self, "encoder_"):
            raise UsageError(
                f"X is a {type(X).__name__}, and the fit had a DataFrame with texts or gaps; give "
                "a DataFrame with the same columns"
            )

    def _is_table(self, X: Any, reset: bool) -> bool:
        if reset:
            return has_texts_or_gaps(X)
        return isinstance(X, pd.DataFrame) and hasattr(self, "encoder_")

    def _row_weights(self, y: Any, sample_weight: Array | None) -> Array | None:
        """Return the weight of each row, given its target."""
        del y
        return sample_weight

    def _validation_score(self, scores: Array, y: Array, sample_weight: Array | None) -> float:
        raise NotImplementedError

    # ---------------------------------------------------------------------------------- fit

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, incremental: bool) -> Self:
        sizes = self.hidden_layer_sizes
        hidden = list(sizes) if isinstance(sizes, Iterable) else [sizes]
        if any(size <= 0 for size in hidden):
            raise UsageError(f"hidden_layer_sizes must be > 0, got {hidden}")
        self._check_regularizers()
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        given = y
        X, y = self._targets(X, y, incremental, reset=first)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        weight = self._row_weights(given, weight)
        self.n_outputs_ = y.shape[1]
        units = [X.shape[1], *(int(size) for size in hidden), self.n_outputs_]
        self._random_state = check_random_state(self.random_state)
        if first:
            self._begin(units, X.dtype)
        else:
            self.densify()
        network = self._loaded()
        if weight is not None:
            weight = weight.astype(self.coefs_[0].dtype, copy=False)
        if self.solver == "lbfgs":
            self._fit_lbfgs(network, X, y, weight)
        else:
            self._fit_stochastic(network, X, y, weight, incremental)
        self._store(network)
        if not bool(network.flat.isfinite().all()):
            # the words that scikit-learn's users look for
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )
        return self

    def _check_regularizers(self) -> None:
        if self.solver != "lbfgs":
            return
        given = [
            name
            for name, off in {
                "l1": 0.0,
                "keep_prob": 1.0,
                "input_keep_prob": 1.0,
                "drop_connect_keep_prob": 1.0,
                "max_norm": None,
            }.items()
            if getattr(self, name) != off
        ]
        if given:
            raise UsageError(
                f"{given[0]} is {getattr(self, given[0])} and the solver is 'lbfgs', which takes "
                "neither masks nor proximal steps; use solver='adam' or 'sgd'"
            )

    def _begin(self, units: list[int], dtype: Any) -> None:
        """Draw the first weights (Glorot & Bengio 2010), and forget what was fitted before."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(units)
        self.out_activation_ = self._link()
        self.coefs_: list[Array] = []
        self.intercepts_: list[Array] = []
        factor = 2.0 if self.activation == "logistic" else 6.0
        for fan_in, fan_out in pairwise(units):
            bound = np.sqrt(factor / (fan_in + fan_out))
            draw = self._random_state.uniform
            self.coefs_.append(draw(-bound, bound, (fan_in, fan_out)).astype(dtype, copy=False))
            self.intercepts_.append(draw(-bound, bound, fan_out).astype(dtype, copy=False))
        self.mask_seed_ = 0
        if self._regularized_by_masks():
            self.mask_seed_ = int(self._random_state.randint(np.iinfo(np.int32).max))
        self._steps = 0  # how many steps drew masks
        if self.solver == "lbfgs":
            return
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self.best_loss_: float | None = None if self.early_stopping else np.inf
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.validation_loss_curve_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_: float | None = -np.inf if self.early_stopping else None

    def _regularized_by_masks(self) -> bool:
        return min(self.keep_prob, self.input_keep_prob, self.drop_connect_keep_prob) < 1

    def _masks(self) -> Masks:
        return Masks(
            self.keep_prob,
            self.input_keep_prob,
            self.drop_connect_keep_prob,
            getattr(self, "mask_seed_", 0),
        )

    def _loaded(self) -> Perceptron:
        """Return the network with the fitted parameters, in their dtype."""
        sizes = [self.coefs_[0].shape[0], *(each.shape[1] for each in self.coefs_)]
        place = self.device
        if place == "auto":
            place = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = getattr(torch, self.coefs_[0].dtype.name)
        network = Perceptron(sizes, self.activation, self.out_activation_, dtype, place)
        for to, value in zip(network.weights, self.coefs_, strict=True):
            to.copy_(torch.from_numpy(np.ascontiguousarray(_dense(value))))
        for to, value in zip(network.biases, self.intercepts_, strict=True):
            to.copy_(torch.from_numpy(np.ascontiguousarray(value)))
        return network

    def _store(self, network: Perceptron) -> None:
        self.coefs_ = [weight.cpu().numpy().copy() for weight in network.weights]
        self.intercepts_ = [bias.cpu().numpy().copy() for bias in network.biases]

    def _rule_for(self, coefs: list[Array]) -> AdamRule | MomentumRule:
        """Return the solver of a network with these weights, at its start."""
        count = sum(each.size + each.shape[1] for each in coefs)
        dtype = coefs[0].dtype
        if self.solver == "adam":
            betas = (self.beta_1, self.beta_2)
            return AdamRule(count, dtype, self.learning_rate_init, betas, self.epsilon)
        return MomentumRule(
            count,
            dtype,
            self.learning_rate_init,
            self.learning_rate,
            self.momentum,
            self.nesterovs_momentum,
            self.power_t,
        )

    def _held_out(self, X: Any, y: Array, weight: Array | None) -> list[Any]:
        """Split rows for early stopping: X, y and weights to train on, and to look at."""
        stratify = y if is_classifier(self) and self.n_outputs_ == 1 else None
        parts = [each for each in (X, y, weight) if each is not None]
        found = train_test_split(
            *parts,
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=stratify,
        )
        if weight is None:
            found += [None, None]
        if found[1].shape[0] < 2:
            raise UsageError(
                f"The validation set is too small: {found[1].shape[0]} of {X.shape[0]} rows, and "
                f"it needs 2; raise validation_fraction, which is {self.validation_fraction}"
            )
        return [found[0], found[2], found[4], found[1], found[3], found[5]]

    def _size_of_batch(self, rows: int) -> int:
        if self.batch_size == "auto":
            return min(200, rows)
        if self.batch_size > rows:
            warnings.warn(
                f"batch_size is {self.batch_size} and there are {rows} rows; it is made {rows}",
                stacklevel=5,
            )
        return int(min(self.batch_size, rows))

    def _fit_stochastic(
        self, network: Perceptron, X: Any, y: Array, weight: Array | None, incremental: bool
    ) -> None:
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = self._rule_for(self.coefs_)
        self._steps = getattr(self, "_steps", 0)
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        held = None
        if self.early_stopping:
            X, y, weight, *held = self._held_out(X, y, weight)
        rows = X.shape[0]
        size = self._size_of_batch(rows)
        best = network.flat.clone()
        take = _taker(X, network.flat)
        targets = torch.from_numpy(y.astype(self.coefs_[0].dtype)).to(network.flat.device)
        weights = None if weight is None else torch.from_numpy(weight).to(network.flat.device)
        order = np.arange(rows)
        self._optimizer.begin(network)
        try:
            self.n_iter_ = 0
            for _ in range(1 if incremental else self.max_iter):
                if self.shuffle:
                    order = shuffle(order, random_state=self._random_state)
                places = torch.from_numpy(order).to(network.flat.device)
                loss = self._epoch(network, take, targets, weights, places, size)
                self.n_iter_ += 1
                self.t_ += rows
                self.loss_ = loss
                self.loss_curve_.append(loss)
                if self.verbose:
                    print(f"Iteration {self.n_iter_}, loss = {loss:.8f}")
                if held is None:
                    self._count_by_loss()
                elif self._count_by_score(network, *held):
                    best.copy_(network.flat)
                self._optimizer.epoch_ends(self.t_)
                if self._no_improvement_count > self.n_iter_no_change:
                    if not self._optimizer.may_go_on():
                        break
                    self._no_improvement_count = 0
                if not incremental and self.n_iter_ == self.max_iter:
                    warnings.warn(
                        f"max_iter is {self.max_iter}, and after as many epochs training still "
                        "improves; give more",
                        ConvergenceWarning,
                        stacklevel=4,
                    )
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        finally:
            self._optimizer.end()
        if held is not None:
            network.flat.copy_(best)

    def _epoch(
        self,
        network: Perceptron,
        take: Callable[[Tensor], Tensor],
        y: Tensor,
        weight: Tensor | None,
        order: Tensor,
        size: int,
    ) -> float:
        """Make the steps of one epoch; return the mean loss of the batches with the penalties."""
        masks, rule = self._masks(), self._optimizer
        penalized = network.flat[: network.penalized]
        slope = network.gradient[: network.penalized]
        total = torch.zeros((), dtype=torch.float64, device=network.flat.device)
        for part in gen_batches(len(order), size):
            batch = order[part]
            own = None if weight is None else weight[batch]
            loss = network.step_gradient(take(batch), y[batch], own, masks, self._steps)
            if self.alpha:
                rows = len(batch) if own is None else float(own.sum())
                loss = loss + penalized.dot(penalized) * (0.5 * self.alpha / rows)
                slope.add_(penalized, alpha=self.alpha / rows)
            if self.l1:
                loss = loss + self.l1 * penalized.abs().sum()
            rule.step(network, self.l1)
            if self.max_norm is not None:
                bound = torch.tensor([self.max_norm], dtype=torch.float64)
                for layer in network.weights:
                    max_norm_step(layer[None], bound)
            total += loss * len(batch)
            self._steps += 1
        return float(total) / len(order)

    def _count_by_loss(self) -> None:
        best, last = self.best_loss_, self.loss_curve_[-1]
        if best is None:  # early stopping before, and none now
            best = np.inf
        self._no_improvement_count += 1
        if not last > best - self.tol:
            self._no_improvement_count = 0
        self.best_loss_ = min(best, last)

    def _count_by_score(self, network: Perceptron, X: Any, y: Array, weight: Array | None) -> bool:
        """Note the held-out score and loss; return whether the score is the best so far."""
        scores = self._scores(network, X)
        target = torch.from_numpy(y.astype(self.coefs_[0].dtype)).to(network.flat.device)
        losses = network.losses(scores, target).cpu().numpy()
        if self.validation_scores_ is None or self.best_validation_score_ is None:
            self.validation_scores_, self.best_validation_score_ = [], -np.inf
        if self.validation_loss_curve_ is None:
            self.validation_loss_curve_ = []
        said = LINKS[self.out_activation_](scores).cpu().numpy()
        value = float("nan")
        if np.isfinite(said).all():
            value = self._validation_score(said, y, weight)
        self.validation_scores_.append(value)
        self.validation_loss_curve_.append(float(np.average(losses, weights=weight)))
        if self.verbose:
            print(f"Validation score: {value:f}")
        better = value > self.best_validation_score_
        self._no_improvement_count += 1
        if not value < self.best_validation_score_ + self.tol:
            self._no_improvement_count = 0
        if better:
            self.best_validation_score_ = value
        return better

    def _fit_lbfgs(self, network: Perceptron, X: Any, y: Array, weight: Array | None) -> None:
        rows = _taker(X, network.flat)(torch.arange(X.shape[0], device=network.flat.device))
        target = torch.from_numpy(y.astype(self.coefs_[0].dtype)).to(network.flat.device)
        own = None if weight is None else torch.from_numpy(weight).to(network.flat.device)
        share = self.alpha / (len(y) if weight is None else float(weight.sum()))
        penalized = network.flat[: network.penalized]

        def value_and_slope(flat: Array) -> tuple[float, Array]:
            network.flat.copy_(torch.from_numpy(flat))
            loss = network.step_gradient(rows, target, own, Masks(), 0)
            network.gradient[: network.penalized].add_(penalized, alpha=share)
            value = float(loss) + 0.5 * share * float(penalized.dot(penalized))
            return value, network.gradient.cpu().numpy().astype(np.float64)

        found = scipy.optimize.minimize(
            value_and_slope,
            network.flat.cpu().numpy().astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            options={"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol},
        )
        self.n_iter_ = min(int(found.nit), self.max_iter)
        self.loss_ = float(found.fun)
        network.flat.copy_(torch.from_numpy(found.x))
        if found.status:
            warnings.warn(
                f"lbfgs stopped after {found.nit} iterations before it converged "
                f"({found.message}); raise max_iter or max_fun, or scale the data",
                ConvergenceWarning,
                stacklevel=4,
            )

    # ------------------------------------------------------------------------------ predict

    def _scores(self, network: Perceptron, X: Any) -> Tensor:
        take, rows = _taker(X, network.flat), X.shape[0]
        parts = torch.arange(rows, device=network.flat.device).split(_ROWS_AT_ONCE)
        return torch.cat([network.scores(take(part)) for part in parts])

    def _predicted_scores(self, X: Any, link: str = "identity") -> Array:
        """Return the scores, or what a link makes of them, ``[rows, outputs]``."""
        check_is_fitted(self)
        X = self._known_rows(X)
        network = self._loaded()
        found: Array = LINKS[link](self._scores(network, X)).cpu().numpy()
        return found

    def _outputs(self, X: Any) -> Array:
        """Return what the network's own link makes of the scores, ``[rows, outputs]``."""
        check_is_fitted(self)
        return self._predicted_scores(X, self.out_activation_)

    def _spread(self, X: Any) -> Array:
        """Return the standard deviation over subnetworks, ``[rows, outputs]``."""
        masks = self._masks()
        if not masks.any:
            raise UsageError(
                "return_std is of subnetworks, and this network has no masks: fit with keep_prob "
                "(or input_keep_prob, drop_connect_keep_prob) below 1"
            )
        network, X = self.to_network(), self._known_rows(X)
        take, link = _taker(X, network.weights[0].detach()), LINKS[self.out_activation_]
        names = range(self._steps, self._steps + SUBNETWORKS)
        found = [
            link(subnetwork_scores(network, take(part), k=names)[:, 0]).std(0)
            for part in torch.arange(X.shape[0]).split(_ROWS_AT_ONCE)
        ]
        spread: Array = torch.cat(found).cpu().numpy()
        return spread

    # --------------------------------------------------------------------------- the zeros

    def sparsify(self) -> Self:
        """Hold each layer's weights (``coefs_``) as a sparse matrix, of its weights not zero.

        Worth its while where L1 has made most of them zero. Predictions stay as they are; training
        on makes them dense again.

        Returns
        -------
        BaseMLP
            Itself.
        """
        check_is_fitted(self)
        self.coefs_ = [scipy.sparse.csr_array(each) for each in self.coefs_]
        return self

    def densify(self) -> Self:
        """Undo :meth:`sparsify`."""
        check_is_fitted(self)
        self.coefs_ = [_dense(each) for each in self.coefs_]
        return self

    def compact(self) -> Self:
        """Take dead units out, by :func:`bridle.compact`: those that nothing reads, or constant.

        ``coefs_`` and ``intercepts_`` become smaller, predictions stay the same to rounding;
        ``hidden_layer_sizes`` stays what was asked for. The solver starts anew in
        ``partial_fit``.

        Returns
        -------
        BaseMLP
            Itself.
        """
        check_is_fitted(self)
        network = self.to_network()
        example = torch.zeros(1, network.sizes[0], dtype=network.weights[0].dtype)
        small = cast(Network, compact(network, example).model)
        self.coefs_ = [each[0].detach().numpy().copy() for each in small.weights]
        self.intercepts_ = [each[0, 0].detach().numpy().copy() for each in small.biases]
        self.__dict__.pop("_optimizer", None)
        return self

    def to_network(self) -> Network:
        """Return the fitted network as a :class:`bridle.Network` of one member, in float32 or 64.

        Raises
        ------
        NotFittedError
            If it is not fitted.
        """
        check_is_fitted(self)
        masks, dtype = self._masks(), getattr(torch, self.coefs_[0].dtype.name)
        kinds: dict[str, tuple[Any, float]] = {
            "hidden_noise": (Dropout, masks.keep_prob),
            "input_noise": (Dropout, masks.input_keep_prob),
            "weight_noise": (DropConnect, masks.drop_connect_keep_prob),
        }
        network = Network(
            [self.coefs_[0].shape[0], *(each.shape[1] for each in self.coefs_)],
            seeds=masks.seed,
            activation=self.activation,
            dtype=dtype,
            **{name: kind(keep_prob=keep) for name, (kind, keep) in kinds.items() if keep < 1},
        )
        loaded = self._loaded()
        with torch.no_grad():
            for to, value in zip(network.weights, loaded.weights, strict=True):
                to.copy_(value[None])
            for to, value in zip(network.biases, loaded.biases, strict=True):
                to.copy_(value[None, None])
            network.steps.fill_(getattr(self, "_steps", 0))
        return network.eval()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _dense(weights: Any) -> Array:
    dense: Array = weights.toarray() if scipy.sparse.issparse(weights) else weights
    return dense


def _taker(X: Any, like: Tensor) -> Callable[[Tensor], Tensor]:
    """Return a function from the places of rows to the rows, dense and beside the parameters."""
    if scipy.sparse.issparse(X):
        rows = X.tocsr()

        def dense(places: Tensor) -> Tensor:
            part = rows[places.cpu().numpy()].toarray()
            return torch.from_numpy(part).to(like)

        return dense
    whole = torch.from_numpy(np.ascontiguousarray(X)).to(like)
    return lambda places: whole[places]
