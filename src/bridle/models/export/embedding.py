"""The embedding of numbers in front of a network, as nodes of an ONNX graph."""

from __future__ import annotations

import math

import numpy as np

from bridle.models.export.graph import Graph
from bridle.networks.embedding import Embedding

__all__ = ["embedded"]


def embedded(graph: Graph, embedding: Embedding, features: str) -> str:
    """Add what :meth:`Embedding.forward` does: ``[rows, inputs]`` to ``[members, rows, all]``.

    Whole turns are removed before the cosine, so that its argument is at most π.
    """
    members, (numbers, _, outputs) = len(embedding.deviation), embedding.shape
    arrays = {name: value.detach().cpu().numpy() for name, value in embedding.named_parameters()}
    dtype = arrays["weight"].dtype

    def shaped(value: str, *shape: int) -> str:
        return graph.node("Reshape", value, graph.constant(shape, np.int64))

    first = graph.node("Gather", features, graph.constant(range(numbers), np.int64), axis=1)
    x = shaped(graph.node("Transpose", first, perm=[1, 0]), 1, numbers, -1, 1)
    frequencies = graph.constant(arrays["frequencies"][:, :, None])
    shifts = graph.constant(arrays["shifts"][:, :, None])
    turns = graph.node("Add", graph.node("Mul", x, frequencies), shifts)
    rest = graph.node("Sub", turns, graph.node("Round", turns))
    waves = graph.node("Cos", graph.node("Mul", rest, graph.constant(2 * math.pi, dtype)))
    sums = graph.node("MatMul", waves, graph.constant(arrays["weight"]))
    found = graph.node("Add", sums, graph.constant(arrays["bias"]))
    found = graph.node("Transpose", found, perm=[0, 2, 1, 3])  # [members, rows, numbers, outputs]
    found = shaped(found, members, -1, numbers * outputs)
    ones = graph.constant(np.ones((members, 1, 1)), dtype)
    return graph.joined([graph.node("Mul", features, ones), found], axis=2)
