"""What fitting leaves: the weights, as scikit-learn has them, and as networks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Self, cast

import numpy as np
import scipy.sparse
import torch
from sklearn.utils.validation import check_is_fitted

from bridle.estimators.optimizers import AdamRule, MomentumRule
from bridle.estimators.params import Settings
from bridle.estimators.perceptron import Masks, Perceptron
from bridle.networks.population import Network
from bridle.noise import DropConnect, Dropout
from bridle.sparsity.compaction import compact

__all__ = ["Fitted"]

Array = np.ndarray[Any, np.dtype[Any]]


class Fitted(Settings):
    """The fitted attributes, from the first weights on."""

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
    _steps: int  # how many steps drew masks
    _epochs: list[tuple[float, ...]]

    def _link(self) -> str:
        """Return what makes predictions of the scores, by the name of ``out_activation_``."""
        raise NotImplementedError

    def _begin(self, units: list[int], dtype: Any) -> None:
        """Draw the first weights (Glorot & Bengio 2010), and forget what was fitted before."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(units)
        self.out_activation_ = self._link()
        self.coefs_, self.intercepts_ = [], []
        factor = 2.0 if self.activation == "logistic" else 6.0
        for fan_in, fan_out in pairwise(units):
            bound = np.sqrt(factor / (fan_in + fan_out))
            draw = self._random_state.uniform
            self.coefs_.append(draw(-bound, bound, (fan_in, fan_out)).astype(dtype, copy=False))
            self.intercepts_.append(draw(-bound, bound, fan_out).astype(dtype, copy=False))
        self.mask_seed_ = self._steps = 0
        if self._masks().any:
            self.mask_seed_ = int(self._random_state.randint(np.iinfo(np.int32).max))
        self.__dict__.pop("stages_", None)
        if self.solver == "lbfgs":
            return
        self.loss_curve_, self._epochs = [], []
        self._no_improvement_count = 0
        self.best_loss_ = None if self.early_stopping else np.inf
        self.validation_scores_ = [] if self.early_stopping else None
        self.validation_loss_curve_ = [] if self.early_stopping else None
        self.best_validation_score_ = -np.inf if self.early_stopping else None

    @property
    def history_(self) -> dict[str, Array]:
        """What each epoch of training gave, as arrays ``[epochs]``; a DataFrame takes it as it is.

        ``epoch``; ``loss``, as in ``loss_curve_``, with noise and penalties in it. With
        ``early_stopping`` also the honest ones, by the weights at the end of the epoch, noise off
        and penalties left out: ``validation_loss`` and ``validation_score`` of the held-out rows,
        and ``training_loss`` and ``training_score`` of as many rows that were trained on.
        """
        check_is_fitted(self)
        if self.solver == "lbfgs":
            raise AttributeError("there is no history_: lbfgs has no epochs")
        table = np.array(self._epochs, dtype=np.float64).reshape(-1, 5)
        names = ("loss", "training_loss", "validation_loss", "training_score", "validation_score")
        found = dict(zip(names, table.T, strict=True))
        kept = {name: each for name, each in found.items() if not np.isnan(each).all()}
        return {"epoch": np.arange(1, len(table) + 1)} | kept

    @property
    def coef_(self) -> Any:
        """The first layer's weights, ``[units, inputs]``.

        ``SelectFromModel`` and ``RFE`` weigh the inputs by them.
        """
        return self.coefs_[0].T

    def _masks(self) -> Masks:
        return Masks(
            self.keep_prob,
            self.input_keep_prob,
            self.drop_connect_keep_prob,
            getattr(self, "mask_seed_", 0),
        )

    def _empty(self) -> Perceptron:
        """Return a network of the fitted shape and dtype."""
        sizes = [self.coefs_[0].shape[0], *(each.shape[1] for each in self.coefs_)]
        place = self.device
        if place == "auto":
            place = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = getattr(torch, self.coefs_[0].dtype.name)
        return Perceptron(sizes, self.activation, self.out_activation_, dtype, place)

    def _loaded(self) -> Perceptron:
        """Return the network with the fitted parameters, in their dtype."""
        network = self._empty()
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

    def sparsify(self) -> Self:
        """Hold each layer's weights (``coefs_``) as a sparse matrix, of its weights not zero.

        Worth its while where L1 has made most of them zero. Predictions stay as they are; training
        on makes them dense again.

        Returns
        -------
        MLPClassifier or MLPRegressor
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
        ``partial_fit``, and what ``keep_stages`` kept is gone.

        Returns
        -------
        MLPClassifier or MLPRegressor
            Itself.
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
        loaded = self._loaded()
        network = Network(
            loaded.sizes,
            seeds=masks.seed,
            activation=self.activation,
            dtype=dtype,
            **{name: kind(keep_prob=keep) for name, (kind, keep) in kinds.items() if keep < 1},
        )
        with torch.no_grad():
            for to, value in zip(network.weights, loaded.weights, strict=True):
                to.copy_(value[None])
            for to, value in zip(network.biases, loaded.biases, strict=True):
                to.copy_(value[None, None])
            network.steps.fill_(getattr(self, "_steps", 0))
        return network.eval()


def _dense(weights: Any) -> Array:
    dense: Array = weights.toarray() if scipy.sparse.issparse(weights) else weights
    return dense
