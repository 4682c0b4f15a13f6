"""Load a model only to predict with it, in NumPy: importing torch takes longer than predicting."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from bridle.errors import BridleError
from bridle.models.container import read_container
from bridle.models.predictor import Predictor, check_temperature
from bridle.networks.array_forward import ARRAY_ACTIVATIONS, ArrayEmbedding, ArrayNetwork
from bridle.tables.encoder import TableEncoder
from bridle.tables.target import ClassTarget, ValueTarget

__all__ = ["load_predictor"]

Arrays = dict[str, np.ndarray[Any, Any]]
_NOISES = ("hidden_noise", "input_noise", "weight_noise")


def load_predictor(path: str | PathLike[str]) -> Predictor:
    """Read a model file for prediction.

    Parameters
    ----------
    path : path

    Returns
    -------
    Predictor
        Its predictions are those of :func:`bridle.load`.

    Raises
    ------
    ModelFileError
        As for :func:`bridle.load`.
    """
    source = Path(path)
    document, arrays = read_container(source)
    try:
        return _built(document, arrays)
    except (BridleError, LookupError, TypeError, ValueError, AttributeError):
        from bridle.models.file import load  # reads what is not plain, and names what is damaged
        from bridle.models.table_model import outputs_of

        model = load(source)
        outputs = partial(outputs_of, model.network)
        return Predictor(
            model.encoder, model.target, model.target_name, model.facts, outputs, model.temperature
        )


def _built(document: dict[str, Any], arrays: Arrays) -> Predictor:
    """Build the predictor of a plain network; raise an error for anything else."""
    network = _network(document["network"], arrays)
    prefix = "encoder."
    learned = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
    encoder = TableEncoder.from_state(document["encoder"], learned)
    kinds: dict[str, type[ClassTarget] | type[ValueTarget]] = {
        "classification": ClassTarget,
        "regression": ValueTarget,
    }
    target = kinds[document["task"]].from_state(document["target"])
    outputs = len(target.classes) if isinstance(target, ClassTarget) else 1
    _require(document["network"]["sizes"][0] == len(encoder.feature_names))
    _require(network.weights[-1].shape[2] == outputs)
    _require(isinstance(document["target_name"], str) and isinstance(document["facts"], dict))
    temperature = document.get("temperature", 1.0)
    check_temperature(temperature, target)
    return Predictor(
        encoder,
        target,
        document["target_name"],
        document["facts"],
        network.predict,
        temperature,
    )


def _network(stated: dict[str, Any], arrays: Arrays) -> ArrayNetwork:
    sizes, members = stated["sizes"], len(arrays["network.seeds"])
    noises = [stated[name] for name in _NOISES]
    _require(all(noise is None or noise["scaling"] == "inverted" for noise in noises))
    _require(stated["activation"] in ARRAY_ACTIVATIONS)
    _require(stated["dtype"] in ("float32", "float64"))
    embedding = _embedding(stated, arrays)
    more = 0 if embedding is None else embedding.bias[0].size
    layers = list(enumerate(pairwise([sizes[0] + more, *sizes[1:]])))
    weights = [arrays[f"network.weights.{layer}"] for layer, _ in layers]
    biases = [arrays[f"network.biases.{layer}"] for layer, _ in layers]
    for (_, (fan_in, fan_out)), weight, bias in zip(layers, weights, biases, strict=True):
        _require(weight.shape == (members, fan_in, fan_out))
        _require(bias.shape == (members, 1, fan_out))
    for array in (*weights, *biases):
        _require(array.dtype == stated["dtype"])
    return ArrayNetwork(weights, biases, stated["activation"], embedding)


def _embedding(stated: dict[str, Any], arrays: Arrays) -> ArrayEmbedding | None:
    design = stated.get("embedding")  # earlier files have none
    if design is None:
        return None
    names = ("frequencies", "shifts", "weight", "bias")
    found = ArrayEmbedding(*(arrays[f"network.embedding.{name}"] for name in names))
    members, numbers = len(arrays["network.seeds"]), design["numbers"]
    waves, outputs = design["waves"], design["outputs"]
    _require(0 < numbers <= stated["sizes"][0])
    _require(found.frequencies.shape == found.shifts.shape == (members, numbers, waves))
    _require(found.weight.shape == (members, numbers, waves, outputs))
    _require(found.bias.shape == (members, numbers, 1, outputs))
    for array in (found.frequencies, found.shifts, found.weight, found.bias):
        _require(array.dtype == stated["dtype"])
    return found


def _require(fine: bool) -> None:
    if not fine:
        raise ValueError
