"""The model file: a safetensors file with a JSON document in its header.

The file contains no code, and loading it executes nothing: tensors are raw numbers, and the
document states shapes, categories, centers and scales. Writing is atomic: the file at the path is
either the old one or the complete new one. A checksum of the whole file is in its header, so that a
damaged file is never taken for another model.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from bridle.errors import BridleError, ModelFileError, UsageError
from bridle.models.atomic_write import write_atomically
from bridle.models.container import (
    FORMAT,
    FORMAT_VERSION,
    metadata_of,
    read_container,
    with_checksum,
)
from bridle.models.table_model import TableModel
from bridle.networks.embedding import PeriodicEmbedding
from bridle.networks.population import Network
from bridle.noise import AlphaDropout, DropConnect, Dropout, GaussianDropout, Multiplier
from bridle.tables import ClassTarget, TableEncoder, ValueTarget

__all__ = ["FORMAT_VERSION", "from_state", "load", "save_model", "state_of", "write_atomically"]

_NOISES: dict[str, Any] = {
    "hidden_noise": Dropout,
    "input_noise": Dropout,
    "weight_noise": DropConnect,
}
_DESIGN = ("numbers", "waves", "outputs")  # of an embedding
_OPTIONS = ("shared", "per_example")
_OTHERS = {"AlphaDropout": AlphaDropout, "GaussianDropout": GaussianDropout}  # their kind is stored


def save_model(model: TableModel, path: str | PathLike[str]) -> None:
    """Write a model to one file.

    Parameters
    ----------
    model : TableModel
    path : path
        Any name; the customary extension is ``.bridle``.

    Raises
    ------
    DataError
        If the file cannot be written; an old file is unchanged.

    Examples
    --------
    >>> import tempfile, pandas as pd, bridle
    >>> table = pd.DataFrame({"x": range(40), "y": ["no"] * 20 + ["yes"] * 20})
    >>> model = bridle.fit(table, target="y", recipe=bridle.Recipe(epochs=2)).model
    >>> path = tempfile.mkdtemp() + "/model.bridle"
    >>> bridle.save_model(model, path)
    >>> bridle.load(path).predict(table).equals(model.predict(table))
    True
    """
    document, tensors = state_of(model)
    write_atomically(path, with_checksum(save(tensors, metadata=metadata_of(document))))


def state_of(model: TableModel) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the state of a model: JSON values, and tensors on the CPU by name."""
    encoder, arrays = model.encoder.state()
    network = model.network
    document = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "task": model.task,
        "target_name": model.target_name,
        "target": model.target.state(),
        "temperature": model.temperature,
        "encoder": encoder,
        "network": {
            "sizes": list(network.sizes),
            "activation": network.activation,
            "dtype": str(network.weights[0].dtype).removeprefix("torch."),
            **{name: _noise_state(getattr(network, name)) for name in _NOISES},
            "embedding": _embedding_state(network),
        },
        "facts": model.facts,
    }
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"encoder.{name}": torch.from_numpy(array) for name, array in arrays.items()}
    return document, {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _embedding_state(network: Network) -> dict[str, int] | None:
    if network.embedding is None:
        return None
    return dict(zip(_DESIGN, network.embedding.shape, strict=True))


def _noise_state(noise: Multiplier | None) -> dict[str, Any] | None:
    if noise is None:
        return None
    kind = type(noise).__name__
    if not isinstance(noise, Dropout | DropConnect) and kind not in _OTHERS:
        raise UsageError(f"a model file cannot store the noise {noise}: set it to None first")
    keep = noise.keep_prob
    return {
        **({"kind": kind} if kind in _OTHERS else {}),
        "keep_prob": keep.tolist() if isinstance(keep, Tensor) else keep,
        "scaling": noise.scaling,
        **noise.options(),
    }


def load(path: str | PathLike[str]) -> TableModel:
    """Read a model file. Nothing in the file is executed.

    Parameters
    ----------
    path : path

    Returns
    -------
    TableModel
        Its predictions are those of the saved model.

    Raises
    ------
    ModelFileError
        If the file does not exist, is truncated or damaged, is no bridle model, or has another
        format version. A checksum in the file finds a single flipped bit.

    Examples
    --------
    >>> import bridle
    >>> bridle.load("absent.bridle")
    Traceback (most recent call last):
        ...
    bridle.errors.ModelFileError: absent.bridle is not a file; give the path of a model that ...
    """
    source = Path(path)
    document, arrays = read_container(source)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return _checked(source, lambda: from_state(document, tensors))


def _checked(source: Path, build: Callable[[], TableModel]) -> TableModel:
    """Call ``build``, and turn any error from a damaged document into a ModelFileError."""
    try:
        return build()
    except (BridleError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ModelFileError(
            f"{source} is damaged ({type(error).__name__}: {reason[:200]}); fit the model again"
        ) from error


def from_state(document: dict[str, Any], tensors: dict[str, Tensor]) -> TableModel:
    """Build the model from what :func:`state_of` returned."""
    stated = document["network"]
    state = _with_prefix(tensors, "network.")
    design = _embedding(stated.get("embedding"))
    _check_shapes(stated["sizes"], design, state)
    network = Network(
        stated["sizes"],
        seeds=state["seeds"].tolist(),
        activation=stated["activation"],
        dtype=_dtype(stated["dtype"]),
        **{name: _noise(kind, stated[name]) for name, kind in _NOISES.items()},
        embedding=design,
    )
    network.load_state_dict(state)
    arrays = {name: value.numpy() for name, value in _with_prefix(tensors, "encoder.").items()}
    kinds: dict[str, type[ClassTarget] | type[ValueTarget]] = {
        "classification": ClassTarget,
        "regression": ValueTarget,
    }
    return TableModel(
        network=network.eval(),
        encoder=TableEncoder.from_state(document["encoder"], arrays),
        target=kinds[document["task"]].from_state(document["target"]),
        target_name=document["target_name"],
        facts=document["facts"],
        temperature=document.get("temperature", 1.0),
    )


def _embedding(stated: dict[str, int] | None) -> PeriodicEmbedding | None:
    if stated is None:
        return None
    return PeriodicEmbedding(**{name: stated[name] for name in _DESIGN})


def _check_shapes(
    sizes: list[int], design: PeriodicEmbedding | None, state: dict[str, Tensor]
) -> None:
    """Compare the stated sizes with the tensors before memory is allocated for them."""
    members, more = len(state["seeds"]), 0
    if design is not None:
        more = design.count
        shape = [members, design.numbers, design.waves, design.outputs]
        if list(state["embedding.weight"].shape) != shape:
            raise ValueError(
                f"the embedding has the shape {list(state['embedding.weight'].shape)}, not {shape}"
            )
    for layer, (fan_in, fan_out) in enumerate(pairwise([sizes[0] + more, *sizes[1:]])):
        shape = list(state[f"weights.{layer}"].shape)
        if shape != [members, fan_in, fan_out]:
            raise ValueError(
                f"layer {layer} has the shape {shape}, not {[members, fan_in, fan_out]}"
            )


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _dtype(name: str) -> torch.dtype:
    known = {"float32": torch.float32, "float64": torch.float64}
    if name not in known:
        raise UsageError(f"the dtype is {name!r}; it must be one of {', '.join(map(repr, known))}")
    return known[name]


def _noise(kind: type[Any], stated: dict[str, Any] | None) -> Any:
    if stated is None:
        return None
    keep = stated["keep_prob"]
    if isinstance(keep, list):
        keep = torch.tensor(keep, dtype=torch.float64)
    if "kind" in stated:
        return _OTHERS[stated["kind"]](keep_prob=keep)
    options = {name: value is True for name, value in stated.items() if name in _OPTIONS}
    return kind(keep_prob=keep, scaling=stated["scaling"], **options)
