"""A model of a table as one ONNX graph: from the cells of its columns to predictions."""

from __future__ import annotations

import json
from typing import Any, Protocol

import numpy as np
import torch

from bridle.models.export.columns import add_features
from bridle.models.export.embedding import embedded
from bridle.models.export.graph import Graph
from bridle.models.reading import Reader
from bridle.networks.population import Network
from bridle.tables.target import ClassTarget, ValueTarget
from bridle.version import __version__

__all__ = ["to_onnx"]

_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid", "identity": "Identity"}


class Model(Reader, Protocol):
    """What is exported: a :class:`bridle.TableModel`."""

    @property
    def network(self) -> Network: ...
    @property
    def task(self) -> str: ...
    @property
    def temperature(self) -> float: ...


def to_onnx(model: Model) -> Any:
    """Return a model as an ``onnx.ModelProto``; see :meth:`bridle.TableModel.to_onnx`.

    Raises
    ------
    UsageError
        If the package onnx is missing, or the model cannot be exported.
    """
    graph = Graph(model.encoder.columns)
    features, refused = add_features(graph, model.encoder)
    outputs = graph.cast(_outputs(graph, model.network, features), np.float64)
    if isinstance(model.target, ValueTarget):
        _add_values(graph, outputs, model.target, refused)
    else:
        _add_classes(graph, outputs, model.target, model.temperature, refused)
    return graph.model(__version__, _metadata(model))


@torch.no_grad()
def _outputs(graph: Graph, network: Network, features: str) -> str:
    """Add the forward pass with noise off: outputs ``[members, rows, outputs]``."""
    hidden = graph.cast(features, network.weights[0].detach().cpu().numpy().dtype)
    if network.embedding is not None:
        hidden = embedded(graph, network.embedding, hidden)
    activation = _ACTIVATIONS[network.activation]
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        noise = network.hidden_noise if layer else network.input_noise
        used = weight if network.weight_noise is None else network.weight_noise.predict(weight)
        if noise is not None:  # classic scaling multiplies the units that enter the layer
            used = noise.predict(torch.ones_like(weight[:, :, :1]).mT).mT * used
        if layer:
            hidden = graph.node(activation, hidden)
        product = graph.node("MatMul", hidden, graph.constant(used.cpu().numpy()))
        hidden = graph.node("Add", product, graph.constant(bias.cpu().numpy()))
    return hidden


def _add_values(graph: Graph, outputs: str, target: ValueTarget, refused: str | None) -> None:
    mean = graph.node("ReduceMean", outputs, graph.constant([0], np.int64), keepdims=0)
    scaled = graph.node("Mul", mean, graph.constant(target.scale, np.float64))
    values = _unless(graph, refused, graph.node("Add", scaled, _number(graph, target.mean)))
    flat = graph.node("Reshape", values, graph.constant([-1], np.int64))
    graph.output(flat, "prediction", np.float64)


def _add_classes(
    graph: Graph, outputs: str, target: ClassTarget, temperature: float, refused: str | None
) -> None:
    classes = np.array(target.classes)
    absent: Any = {"U": "", "i": np.iinfo(np.int64).min, "f": np.nan}.get(classes.dtype.kind, False)
    dtype = object if classes.dtype.kind == "U" else classes.dtype
    shares = graph.node("Softmax", outputs, axis=-1)
    shares = graph.node("ReduceMean", shares, graph.constant([0], np.int64), keepdims=0)
    shares = _tempered(graph, shares, temperature)
    code = graph.node("ArgMax", shares, axis=1, keepdims=0)
    if refused is not None:
        flat = graph.node("Reshape", refused, graph.constant([-1], np.int64))
        code = graph.node("Where", flat, graph.constant(len(classes), np.int64), code)
    labels = graph.constant(np.array([*target.classes, absent], dtype=dtype))
    graph.output(graph.node("Gather", labels, code), "prediction", dtype)
    graph.output(_unless(graph, refused, shares), "probabilities", np.float64, len(classes))


def _tempered(graph: Graph, shares: str, temperature: float) -> str:
    """Add what :func:`bridle.statistics.temperature.tempered` does."""
    if temperature == 1.0:
        return shares
    last = graph.constant([-1], np.int64)
    ratios = graph.node("Div", shares, graph.node("ReduceMax", shares, last, keepdims=1))
    powers = graph.node("Pow", ratios, _number(graph, 1 / temperature))
    return graph.node("Div", powers, graph.node("ReduceSum", powers, last, keepdims=1))


def _number(graph: Graph, value: float) -> str:
    return graph.constant(value, np.float64)


def _unless(graph: Graph, refused: str | None, values: str) -> str:
    """Return NaN in the rows that are refused, and the values in the others."""
    if refused is None:
        return values
    return graph.node("Where", refused, _number(graph, np.nan), values)


def _metadata(model: Model) -> dict[str, str]:
    columns = [
        {
            "name": column.name,
            "kind": column.kind,
            "categories": list(column.categories),
            "date_format": column.date_format,
        }
        for column in model.encoder.schema.values()
        if column.kind != "constant"
    ]
    classes = list(model.target.classes) if isinstance(model.target, ClassTarget) else None
    return {
        "bridle_version": __version__,
        "task": model.task,
        "target": model.target_name,
        "classes": json.dumps(classes, ensure_ascii=False),
        "columns": json.dumps(columns, ensure_ascii=False),
    }
