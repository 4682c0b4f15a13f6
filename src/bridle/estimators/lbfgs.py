"""The solver that takes all rows at once."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.optimize
import torch
from sklearn.exceptions import ConvergenceWarning

from bridle.estimators.fitted import Fitted
from bridle.estimators.perceptron import Masks, Perceptron
from bridle.estimators.prediction import taker

__all__ = ["Lbfgs"]

Array = np.ndarray[Any, np.dtype[Any]]


class Lbfgs(Fitted):
    """Training by L-BFGS (Byrd et al. 1995), as scikit-learn has it: with ``alpha`` alone."""

    def _fit_lbfgs(self, network: Perceptron, X: Any, y: Array, weight: Array | None) -> None:
        rows = taker(X, network.flat)(torch.arange(X.shape[0], device=network.flat.device))
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
