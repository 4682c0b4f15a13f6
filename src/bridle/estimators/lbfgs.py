"""Full-batch training by L-BFGS."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.optimize
import torch
from sklearn.exceptions import ConvergenceWarning

from bridle.estimators.fitted import FittedMLP
from bridle.estimators.perceptron import Masks, Perceptron
from bridle.estimators.prediction import row_loader
from bridle.estimators.tensors import tensor_of

__all__ = ["LbfgsTraining"]

Array = np.ndarray[Any, np.dtype[Any]]


class LbfgsTraining(FittedMLP):
    """Training by L-BFGS (Byrd et al. 1995), as in scikit-learn. It supports ``alpha`` only."""

    def _fit_lbfgs(self, network: Perceptron, X: Any, y: Array, weight: Array | None) -> None:
        rows = row_loader(X, network.flat)(torch.arange(X.shape[0], device=network.flat.device))
        target = torch.from_numpy(y.astype(self.coefs_[0].dtype)).to(network.flat.device)
        weights = None if weight is None else torch.from_numpy(weight).to(network.flat.device)
        strength = self.alpha / (len(y) if weight is None else float(weight.sum()))
        penalized = network.flat[: network.penalized]

        def loss_and_gradient(flat: Array) -> tuple[float, Array]:
            network.flat.copy_(tensor_of(flat))
            loss = network.step_gradient(rows, target, weights, Masks(), 0)
            network.gradient[: network.penalized].add_(penalized, alpha=strength)
            value = float(loss) + 0.5 * strength * float(penalized.dot(penalized))
            return value, network.gradient.cpu().numpy().astype(np.float64)

        result = scipy.optimize.minimize(
            loss_and_gradient,
            network.flat.cpu().numpy().astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            options={"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol},
        )
        self.n_iter_ = min(int(result.nit), self.max_iter)
        self.loss_ = float(result.fun)
        network.flat.copy_(tensor_of(result.x))
        if result.status:
            warnings.warn(
                f"lbfgs stopped after {result.nit} iterations before it converged "
                f"({result.message}); raise max_iter or max_fun, or scale the data",
                ConvergenceWarning,
                stacklevel=4,
            )
