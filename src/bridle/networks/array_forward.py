"""The forward pass at prediction in NumPy, which needs no torch: for saved networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from bridle.networks.population import Network

__all__ = ["ARRAY_ACTIVATIONS", "ArrayEmbedding", "ArrayNetwork", "array_network"]

FloatArray = np.ndarray[Any, np.dtype[np.floating[Any]]]
_DTYPES = ("torch.float32", "torch.float64")


def _relu(x: FloatArray) -> FloatArray:
    return np.maximum(x, 0, out=x)


def _tanh(x: FloatArray) -> FloatArray:
    return np.tanh(x, out=x)


def _logistic(x: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):  # exp of a large number is inf, and its inverse 0
        np.exp(np.negative(x, out=x), out=x)
        x += 1
        return np.reciprocal(x, out=x)


ARRAY_ACTIVATIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "relu": _relu,
    "tanh": _tanh,
    "logistic": _logistic,
    "identity": lambda x: x,
}
"""The activations of a :class:`bridle.Network`; each may write to its argument."""


@dataclass(frozen=True, eq=False)
class ArrayEmbedding:
    """The arrays of a :class:`bridle.networks.PeriodicEmbedding`.

    Attributes
    ----------
    frequencies, shifts : ndarray
        ``[members, numbers, waves]``.
    weight : ndarray
        ``[members, numbers, waves, outputs]``.
    bias : ndarray
        ``[members, numbers, 1, outputs]``.
    """

    frequencies: FloatArray
    shifts: FloatArray
    weight: FloatArray
    bias: FloatArray

    def inputs_of(self, X: FloatArray, member: int) -> FloatArray:
        """Return rows ``[rows, inputs]`` with the outputs of the embedding after them."""
        x = X[:, : self.frequencies.shape[1]].T[:, :, None]
        turns = x * self.frequencies[member, :, None] + self.shifts[member, :, None]
        turns -= np.rint(turns)
        turns *= 2 * math.pi
        found = np.cos(turns, out=turns) @ self.weight[member] + self.bias[member]
        return np.concatenate([X, found.transpose(1, 0, 2).reshape(len(X), -1)], axis=1)


@dataclass(frozen=True, eq=False)
class ArrayNetwork:
    """The arrays of a :class:`bridle.Network` whose noises do nothing at prediction.

    Attributes
    ----------
    weights : sequence of ndarray
        ``[members, in, out]`` for each layer.
    biases : sequence of ndarray
        ``[members, 1, out]`` for each layer.
    activation : str
    embedding : ArrayEmbedding, optional

    Examples
    --------
    >>> ones = np.ones((1, 2, 1), dtype=np.float32)
    >>> network = ArrayNetwork([ones], [np.zeros((1, 1, 1), dtype=np.float32)], "relu")
    >>> network.predict(np.array([[1.0, 2.0]], dtype=np.float32))
    array([[[3.]]], dtype=float32)
    """

    weights: Sequence[FloatArray]
    biases: Sequence[FloatArray]
    activation: str
    embedding: ArrayEmbedding | None = None

    def predict(self, X: FloatArray, batch_rows: int = 4096) -> FloatArray:
        """Return the outputs ``[members, rows, outputs]`` of rows ``[rows, inputs]``.

        They equal those of :func:`bridle.predict` up to rounding.
        """
        X = X.astype(self.weights[0].dtype, copy=False)
        members, _, outputs = self.weights[-1].shape
        out = np.empty((members, len(X), outputs), dtype=X.dtype)
        for start in range(0, len(X), batch_rows):
            rows = slice(start, start + batch_rows)
            for member in range(members):
                out[member, rows] = self._outputs(X[rows], member)
        return out

    def _outputs(self, hidden: FloatArray, member: int) -> FloatArray:
        activation = ARRAY_ACTIVATIONS[self.activation]
        if self.embedding is not None:
            hidden = self.embedding.inputs_of(hidden, member)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = (activation(hidden) if layer else hidden) @ weight[member]
            hidden += bias[member]
        return hidden


def array_network(network: Network) -> ArrayNetwork | None:
    """Return the arrays of a network, which share its memory; None if they are not enough.

    They are not enough if a noise has the classic scaling, or if the network is on a GPU or in
    another dtype than float32 and float64.
    """
    noises = (network.input_noise, network.hidden_noise, network.weight_noise)
    own = network.embedding
    parts = () if own is None else (own.frequencies, own.shifts, own.weight, own.bias)
    parameters = [*network.weights, *network.biases, *parts]
    if any(noise is not None and not noise.inverted for noise in noises):
        return None
    if any(each.device.type != "cpu" for each in parameters):
        return None
    arrays = [each.detach().numpy() for each in parameters if str(each.dtype) in _DTYPES]
    if len(arrays) < len(parameters):
        return None
    layers = len(network.weights)
    embedding = ArrayEmbedding(*arrays[2 * layers :]) if parts else None
    weights, biases = arrays[:layers], arrays[layers : 2 * layers]
    return ArrayNetwork(weights, biases, network.activation, embedding)
