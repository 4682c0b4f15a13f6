"""Measurements of a network on encoded rows, for fits, searches and models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from bridle.diagnosis.assemble import Measurements
from bridle.diagnosis.network_state import ShuffledLabels
from bridle.diagnosis.predictions import Predictions
from bridle.diagnosis.subjects.options import Options
from bridle.diagnosis.subjects.references import BOOSTING, boosting
from bridle.diagnosis.subjects.shuffled_labels import shuffled_network
from bridle.diagnosis.subjects.subnetworks import compare_subnetworks
from bridle.diagnosis.subjects.weights import layers_of_network
from bridle.errors import UsageError
from bridle.models.reading import read_for_model
from bridle.models.recipe import Strengths
from bridle.models.table_model import TableModel
from bridle.networks.population import Network
from bridle.statistics.temperature import tempered
from bridle.tables import ClassTarget, ValueTarget
from bridle.tables.schema import with_target

__all__ = [
    "Coding",
    "fitted_table",
    "network_name",
    "predictions_of",
    "with_network",
    "with_training",
]

Array = np.ndarray[Any, np.dtype[Any]]
Coding = ClassTarget | ValueTarget


def network_name(network: Network) -> str:
    """Return a network's name: its layer sizes, and the number of members."""
    shape = "-".join(map(str, network.sizes))
    return f"network {shape}" + (f", {network.members} averaged" if network.members > 1 else "")


def _truth(y: Tensor, coding: Coding) -> Array:
    """Return class codes, or values in the table's units."""
    if isinstance(coding, ClassTarget):
        return y.numpy()
    return coding.inverse(y.double().numpy()).to_numpy()


def predictions_of(
    outputs: Tensor,
    y: Tensor,
    coding: Coding,
    places: Array | None = None,
    groups: Array | None = None,
    *,
    temperature: float = 1.0,
) -> Predictions:
    """Return predictions from outputs ``[members, rows, outputs]``, averaged over members."""
    truth = _truth(y, coding)
    if isinstance(coding, ClassTarget):
        shares = tempered(outputs.double().softmax(-1).mean(0).numpy(), temperature)
        return Predictions.of_probabilities(truth, shares, coding.classes, places, groups)
    values = coding.inverse(outputs[..., 0].double().mean(0).numpy()).to_numpy()
    return Predictions(truth, values, rows=places, groups=groups)


def fitted_table(data: Any, rows: int, model: TableModel) -> pd.DataFrame | None:
    """Return the table of a fit or a search, after checking its number of rows with a target."""
    if data is None:
        return None
    frame = with_target(read_for_model(model, data).frame, model.target_name)[0]
    if len(frame) != rows:
        raise UsageError(
            f"the table has {len(frame)} rows, but the fitted table had {rows}; give the "
            "table that was fitted, or none"
        )
    return frame


def with_network(
    measured: Measurements,
    network: Network,
    coding: Coding,
    X: Tensor,
    y: Tensor,
    part: str,
    options: Options,
    *,
    temperature: float = 1.0,
) -> Measurements:
    """Add layers and subnetworks, measured on the rows of a part."""
    classes = isinstance(coding, ClassTarget)
    truth = y.numpy() if classes else y.double().numpy()
    masks = compare_subnetworks(
        network,
        X,
        truth,
        part=part,
        classes=classes,
        masks=options.masks,
        temperature=temperature,
    )
    layers = layers_of_network(network, X)
    return replace(measured, temperature=temperature, layers=layers, subnetworks=masks)


def with_training(
    measured: Measurements,
    X: Tensor,
    y: Tensor,
    X_new: Tensor,
    coding: Coding,
    at: str,
    epochs: int | None,
    options: Options,
) -> Measurements:
    """Add what needs training: gradient boosting and shuffled labels."""
    references = dict(measured.references)
    if options.reference and BOOSTING not in references:
        new = measured.predicted[at]
        split_by = (measured.facts.get("table") or {}).get("grouping")
        found = boosting(
            X.numpy(),
            _truth(y, coding),
            new,
            X_new.numpy(),
            seed=options.seed,
            divisible=not split_by and new.groups is None,
        )
        if found is not None:
            references[BOOSTING] = found
    shuffled = None
    if options.shuffled_labels and epochs is not None:
        shuffled = _shuffled(measured.facts, X, y, coding, epochs, options.seed)
    return replace(measured, references=references, shuffled_labels=shuffled)


def _shuffled(
    facts: Mapping[str, Any], X: Tensor, y: Tensor, coding: Coding, epochs: int, seed: int
) -> ShuffledLabels | None:
    return shuffled_network(
        X,
        y,
        outputs=len(coding.classes) if isinstance(coding, ClassTarget) else 1,
        strengths=Strengths(**facts["strengths"]),
        recipe=facts["recipe"],
        epochs=epochs,
        seed=seed,
    )
