"""Fitted attributes of the MLP estimators and their conversion to networks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Self, cast

import numpy as np
import scipy.sparse
import torch
from sklearn.utils.validation import check_is_fitted

from bridle.estimators.optimizers import AdamOptimizer, SGDOptimizer
from bridle.estimators.params import MLPParams
from bridle.estimators.perceptron import Masks, Perceptron
from bridle.estimators.tensors import tensor_of
from bridle.networks.population import Network
from bridle.noise import DropConnect, Dropout
from bridle.sparsity.compaction import compact

__all__ = ["FittedMLP"]

Array = np.ndarray[Any, np.dtype[Any]]
_HISTORY = (
    "loss_curve_",
    "_epochs",
    "_no_improvement_count",
    "best_loss_",
    "validation_scores_",
    "validation_loss_curve_",
    "best_validation_score_",
)
"""Attributes that training by epochs sets, and "lbfgs" does not."""


class FittedMLP(MLPParams):
    """Fitted attributes: initialization, history, and conversion to other forms."""

    coefs_: list[Array]
    intercepts_: list[Array]
    n_iter_: int
    t_: int
    n_layers_: int
    n_outputs_: int
    out_activation_: str
    loss_: float
    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    validation_loss_curve_: list[float] | None
    best_validation_score_: float | None
    mask_seed_: int
    _random_state: np.random.RandomState
    _no_improvement_count: int
    _hidden_sizes: tuple[int, ...]  # of the network as it was initialized
    _steps: int  # training steps so far: the step in the next mask's address
    _sparse_steps: int  # training steps so far of the target sparsity
    _epochs: list[tuple[float, ...]]  # one record per epoch, for history_

    def _out_activation(self) -> str:
        """Return the name of the output activation."""
        raise NotImplementedError

    def _initialize(self, units: list[int], dtype: Any) -> None:
        """Sample initial weights (Glorot & Bengio 2010) and reset the fitted attributes."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(units)
        self.out_activation_ = self._out_activation()
        self.coefs_, self.intercepts_ = [], []
        factor = 2.0 if self.activation == "logistic" else 6.0
        for fan_in, fan_out in pairwise(units):
            bound = np.sqrt(factor / (fan_in + fan_out))
            draw = self._random_state.uniform
            self.coefs_.append(draw(-bound, bound, (fan_in, fan_out)).astype(dtype, copy=False))
            self.intercepts_.append(draw(-bound, bound, fan_out).astype(dtype, copy=False))
        self.mask_seed_ = self._steps = self._sparse_steps = 0
        if self._masks().any:
            self.mask_seed_ = int(self._random_state.randint(np.iinfo(np.int32).max))
        self._hidden_sizes = tuple(units[1:-1])
        for name in (*_HISTORY, "stages_", "_optimizer"):
            self.__dict__.pop(name, None)
        if self.solver != "lbfgs":
            self._start_history()

    def _continue(self) -> None:
        """Prepare for further training; the solver may have changed since."""
        self.densify()
        if self.solver == "lbfgs":
            self.__dict__.pop("_optimizer", None)
        elif not hasattr(self, "loss_curve_"):
            self._start_history()

    def _start_history(self) -> None:
        self.loss_curve_, self._epochs = [], []
        self._no_improvement_count = 0
        self.best_loss_ = None if self.early_stopping else np.inf
        self.validation_scores_ = [] if self.early_stopping else None
        self.validation_loss_curve_ = [] if self.early_stopping else None
        self.best_validation_score_ = -np.inf if self.early_stopping else None

    @property
    def history_(self) -> dict[str, Array]:
        """Losses and scores of each epoch, as a dict of arrays ``[epochs]``.

        ``pandas.DataFrame(model.history_)`` gives a table. The keys are ``epoch`` and ``loss``, the
        values of ``loss_curve_``, which include noise and penalties. ``early_stopping`` adds
        ``validation_loss`` and ``validation_score`` on the held-out rows, and ``training_loss`` and
        ``training_score`` on equally many training rows. These four use the weights at the end of
        the epoch, noise off and penalties left out.
        """
        check_is_fitted(self)
        if self.solver == "lbfgs":
            raise AttributeError(
                "solver='lbfgs' has no epochs, so there is no history_; fit with 'adam' or 'sgd'"
            )
        table = np.array(self._epochs, dtype=np.float64).reshape(-1, 5)
        names = ("loss", "training_loss", "validation_loss", "training_score", "validation_score")
        columns = dict(zip(names, table.T, strict=True))
        recorded = {name: each for name, each in columns.items() if not np.isnan(each).all()}
        return {"epoch": np.arange(1, len(table) + 1)} | recorded

    @property
    def coef_(self) -> Any:
        """Weights of the first layer, ``[units, features]``.

        ``SelectFromModel`` and ``RFE`` rank the features by them. Missing indicators are left out.
        """
        indicators = len(getattr(self, "indicated_features_", ()))
        return self.coefs_[0][: self.coefs_[0].shape[0] - indicators].T

    def _masks(self) -> Masks:
        return Masks(
            self.keep_prob,
            self.input_keep_prob,
            self.drop_connect_keep_prob,
            getattr(self, "mask_seed_", 0),
        )

    def _empty_perceptron(self) -> Perceptron:
        """Return a network with the fitted layer sizes and dtype, its parameters zero."""
        sizes = [self.coefs_[0].shape[0], *(each.shape[1] for each in self.coefs_)]
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = getattr(torch, self.coefs_[0].dtype.name)
        return Perceptron(sizes, self.activation, self.out_activation_, dtype, device)

    def _to_perceptron(self) -> Perceptron:
        """Return a network with the fitted parameters."""
        network = self._empty_perceptron()
        for to, value in zip(network.weights, self.coefs_, strict=True):
            to.copy_(tensor_of(_dense(value)))
        for to, value in zip(network.biases, self.intercepts_, strict=True):
            to.copy_(tensor_of(value))
        return network

    def _store_parameters(self, network: Perceptron) -> None:
        self.coefs_ = [weight.cpu().numpy().copy() for weight in network.weights]
        self.intercepts_ = [bias.cpu().numpy().copy() for bias in network.biases]

    def _make_optimizer(self, coefs: list[Array]) -> AdamOptimizer | SGDOptimizer:
        """Return a new optimizer for a network with these weights."""
        count = sum(each.size + each.shape[1] for each in coefs)
        dtype = coefs[0].dtype
        if self.solver == "adam":
            betas = (self.beta_1, self.beta_2)
            return AdamOptimizer(count, dtype, self.learning_rate_init, betas, self.epsilon)
        return SGDOptimizer(
            count,
            dtype,
            self.learning_rate_init,
            self.learning_rate,
            self.momentum,
            self.nesterovs_momentum,
            self.power_t,
        )

    def sparsify(self) -> Self:
        """Convert ``coefs_`` to sparse matrices.

        This saves memory if L1 has made most weights zero. Predictions do not change. Further
        training makes the matrices dense again.

        Returns
        -------
        MLPClassifier or MLPRegressor
            The estimator itself.
        """
        check_is_fitted(self)
        self.coefs_ = [scipy.sparse.csr_array(each) for each in self.coefs_]
        return self

    def densify(self) -> Self:
        """Convert ``coefs_`` to dense arrays; undoes :meth:`sparsify`.

        Returns
        -------
        MLPClassifier or MLPRegressor
            The estimator itself.
        """
        check_is_fitted(self)
        self.coefs_ = [_dense(each) for each in self.coefs_]
        return self

    def compact(self) -> Self:
        """Remove dead units by :func:`bridle.compact`.

        A unit is dead if its output is constant or no later unit uses it. ``coefs_`` and
        ``intercepts_`` shrink; predictions stay the same up to rounding. ``hidden_layer_sizes``
        does not change. ``stages_`` is deleted, and the next ``partial_fit`` starts with a new
        optimizer.

        Returns
        -------
        MLPClassifier or MLPRegressor
            The estimator itself.
        """
        check_is_fitted(self)
        network = self.to_network()
        example = torch.zeros(1, network.sizes[0], dtype=network.weights[0].dtype)
        small = cast(Network, compact(network, example).model)
        self.coefs_ = [each[0].detach().numpy().copy() for each in small.weights]
        self.intercepts_ = [each[0, 0].detach().numpy().copy() for each in small.biases]
        for name in ("_optimizer", "stages_"):
            self.__dict__.pop(name, None)
        return self

    def to_network(self) -> Network:
        """Return the fitted network as a :class:`bridle.Network` with one member.

        Returns
        -------
        Network
            In evaluation mode, with the dtype of ``coefs_`` (float32 or float64). Its inputs
            are the features, followed by the missing indicators of ``indicated_features_``.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        masks, dtype = self._masks(), getattr(torch, self.coefs_[0].dtype.name)
        kinds: dict[str, tuple[Any, float]] = {
            "hidden_noise": (Dropout, masks.keep_prob),
            "input_noise": (Dropout, masks.input_keep_prob),
            "weight_noise": (DropConnect, masks.drop_connect_keep_prob),
        }
        fitted = self._to_perceptron()
        network = Network(
            fitted.sizes,
            seeds=masks.seed,
            activation=self.activation,
            dtype=dtype,
            **{name: kind(keep_prob=keep) for name, (kind, keep) in kinds.items() if keep < 1},
        )
        with torch.no_grad():
            for to, value in zip(network.weights, fitted.weights, strict=True):
                to.copy_(value[None])
            for to, value in zip(network.biases, fitted.biases, strict=True):
                to.copy_(value[None, None])
            network.steps.fill_(getattr(self, "_steps", 0))
        return network.eval()


def _dense(weights: Any) -> Array:
    dense: Array = weights.toarray() if scipy.sparse.issparse(weights) else weights
    return dense
