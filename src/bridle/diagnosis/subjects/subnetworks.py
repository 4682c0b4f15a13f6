"""Compares weight scaling with the average over subnetworks that it approximates."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.diagnosis.network_state import Subnetworks
from bridle.diagnosis.predictions import Predictions
from bridle.networks.population import Network, predict
from bridle.statistics.intervals import mean_interval
from bridle.statistics.temperature import tempered

__all__ = ["compare_subnetworks"]

Array = np.ndarray[Any, np.dtype[Any]]

_ROWS = 2000
_CELLS_AT_ONCE = 2**24


@torch.no_grad()
def compare_subnetworks(
    network: Network,
    X: Tensor,
    truth: Array,
    *,
    part: str,
    classes: bool,
    masks: int,
    temperature: float = 1.0,
) -> Subnetworks | None:
    """Compare weight scaling with the average of subnetworks; None for a network without noise.

    This is the comparison of Srivastava et al. (2014, section 7.5). Each row uses ``masks``
    subnetworks of each member, sampled with the noise's own masks. Both sides average over members.
    At most the first 2000 rows are used.

    Parameters
    ----------
    network : Network
    X : Tensor
        ``[rows, inputs]``
    truth : int64 or float64 ``[rows]``
        Class codes, or values in the units of the network's output.
    part : str
        The name of the part.
    classes : bool
    masks : int
    temperature : float
        That of the averaged probabilities, for their losses.
    """
    if masks < 2 or not _has_noise(network):
        return None
    X, truth = X[:_ROWS], truth[:_ROWS]
    unit = 1.0 if classes else float(truth.std()) or 1.0
    scaled = _mean(predict(network, X), classes=classes) / unit
    total, squares = torch.zeros_like(scaled), torch.zeros_like(scaled)
    sampler = network.take(range(network.members))
    for _ in range(masks):
        sample = _mean(_outputs(sampler, X), classes=classes) / unit
        sampler.steps += 1  # advance to new masks, also for masks shared by the batch
        total += sample
        squares += sample.square()
    average = total / masks
    variance = (squares / masks - average.square()).clamp(min=0) * masks / (masks - 1)
    off = (scaled - average).abs().mean(-1).double().numpy()
    difference = mean_interval(off)
    # expected absolute error of an average of this many samples, if it is close to normal
    sampling = (variance / masks).sqrt().mean() * np.sqrt(2 / np.pi)
    by_scaling, by_average = (
        _predictions(each * unit, truth, classes, temperature) for each in (scaled, average)
    )
    return Subnetworks(
        part=part,
        masks=masks,
        difference=difference,
        standard_error=float(off.std(ddof=1) / np.sqrt(len(off))) if len(off) > 1 else 0.0,
        sampling=float(sampling),
        scaled_score=by_scaling.judged.value,
        averaged_score=by_average.judged.value,
        scaled_loss=_loss(by_scaling),
        averaged_loss=_loss(by_average),
        spread=float(variance.mean().sqrt()),
    )


def _has_noise(network: Network) -> bool:
    """Return whether any noise has a keep probability below 1."""
    noises = (network.hidden_noise, network.input_noise, network.weight_noise)
    keeps = [torch.as_tensor(noise.keep_prob) for noise in noises if noise is not None]
    return any(bool((keep < 1).any()) for keep in keeps)


def _outputs(network: Network, X: Tensor) -> Tensor:
    """Return the outputs with the masks of the current step."""
    at_once = max(1, _CELLS_AT_ONCE // (max(network.sizes) * network.members))
    parts = zip(X.split(at_once), torch.arange(len(X)).split(at_once), strict=True)
    return torch.cat([network(part, noise=True, rows=at) for part, at in parts], dim=1)


def _mean(outputs: Tensor, *, classes: bool) -> Tensor:
    outputs = outputs.double()
    if not classes:
        return outputs.mean(0)
    if outputs.shape[-1] == 1:  # the log-odds of the second of two classes
        outputs = torch.cat([torch.zeros_like(outputs), outputs], dim=-1)
    return outputs.softmax(-1).mean(0)


def _predictions(outputs: Tensor, truth: Array, classes: bool, temperature: float) -> Predictions:
    values = outputs.numpy()
    if classes:
        shares = tempered(values, temperature)
        return Predictions.of_probabilities(truth, shares, tuple(range(values.shape[1])))
    return Predictions(truth, values[:, 0])


def _loss(predicted: Predictions) -> float | None:
    return None if predicted.losses is None else float(predicted.losses.mean())
