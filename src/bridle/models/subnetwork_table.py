"""The mean and the spread of a model's subnetworks, as a table."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from bridle.models.predictor import named
from bridle.networks.population import Network
from bridle.statistics.temperature import tempered
from bridle.tables import ClassTarget, ValueTarget

__all__ = ["predict_subnetworks"]


def predict_subnetworks(
    network: Network,
    features: Tensor,
    target: ClassTarget | ValueTarget,
    *,
    k: int,
    temperature: float,
) -> pd.DataFrame:
    """Return what :meth:`bridle.TableModel.predict` does with subnetworks, a row each.

    The temperature is that of the mean; the spread is of the probabilities that are averaged.
    """
    classes = isinstance(target, ClassTarget)
    objective = "cross_entropy" if classes else "squared_error"
    from bridle.subnetworks import predict_ensemble  # takes long to import

    found = predict_ensemble(network, features, k=k, objective=objective)
    index = pd.RangeIndex(len(features))
    # members and their subnetworks are one ensemble
    mean = found.mean.mean(0)
    std = (found.std.square().mean(0) + found.mean.var(0, correction=0)).sqrt()
    if isinstance(target, ValueTarget):
        table = named(target, mean[:, 0].numpy(), index)
        table["std"] = std[:, 0].numpy() * target.scale
        return table
    table = named(target, tempered(mean.numpy(), temperature), index)
    for code, name in enumerate(target.classes):
        table[f"std_{name}"] = std[:, code].numpy()
    if found.entropy is not None and found.mutual_information is not None:
        own = (found.entropy - found.mutual_information).mean(0)
        doubt = -torch.xlogy(mean, mean).sum(-1) - own
        table["mutual_information"] = doubt.clamp(min=0).numpy()
    return table
