"""What a fitted network says of rows: at its end, by its subnetworks, and after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from bridle.errors import UsageError
from bridle.estimators.fitted import Fitted
from bridle.estimators.perceptron import LINKS, Perceptron
from bridle.estimators.validation import TabularRows
from bridle.subnetworks import subnetwork_scores

__all__ = ["Outputs", "keeps_stages", "taker"]

Array = np.ndarray[Any, np.dtype[Any]]
_ROWS_AT_ONCE = 8192  # which bounds the memory of a prediction
SUBNETWORKS = 50


def taker(X: Any, like: Tensor) -> Callable[[Tensor], Tensor]:
    """Return a function from the places of rows to the rows, dense and beside the parameters.

    What it returns holds until the next call.
    """
    if scipy.sparse.issparse(X):
        rows = X.tocsr()

        def dense(places: Tensor) -> Tensor:
            part = rows[places.cpu().numpy()].toarray()
            return torch.from_numpy(part).to(like)

        return dense
    whole = torch.from_numpy(np.ascontiguousarray(X)).to(like)
    room = whole.new_empty(0, whole.shape[1])

    def taken(places: Tensor) -> Tensor:
        nonlocal room
        if len(places) > len(room):
            room = whole.new_empty(len(places), whole.shape[1])
        return torch.index_select(whole, 0, places, out=room[: len(places)])

    return taken


def keeps_stages(estimator: Fitted) -> bool:
    """Whether there are the weights of each epoch; says why not."""
    if not estimator.keep_stages or estimator.solver == "lbfgs":
        raise AttributeError(
            "predictions by epoch need the weights of each: fit with keep_stages=True, and by adam "
            "or sgd"
        )
    return True


class Outputs(TabularRows, Fitted):
    """From rows to scores, probabilities and values."""

    stages_: list[Array]

    def _scores(self, network: Perceptron, X: Any) -> Tensor:
        take, rows = taker(X, network.flat), X.shape[0]
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
        take, link = taker(X, network.weights[0].detach()), LINKS[self.out_activation_]
        names = range(self._steps, self._steps + SUBNETWORKS)
        found = [
            link(subnetwork_scores(network, take(part), k=names)[:, 0]).std(0)
            for part in torch.arange(X.shape[0]).split(_ROWS_AT_ONCE)
        ]
        spread: Array = torch.cat(found).cpu().numpy()
        return spread

    def _staged(self, X: Any) -> Iterator[tuple[Perceptron, Tensor]]:
        """Yield the network and its scores after each epoch."""
        check_is_fitted(self)
        if not hasattr(self, "stages_"):
            raise UsageError("the fit kept no stages; fit again with keep_stages=True")
        X = self._known_rows(X)
        network = self._empty()
        for stage in self.stages_:
            network.flat.copy_(torch.from_numpy(stage))
            yield network, self._scores(network, X)

    def _staged_outputs(self, X: Any) -> Iterator[Array]:
        for _, scores in self._staged(X):
            yield LINKS[self.out_activation_](scores).cpu().numpy()
