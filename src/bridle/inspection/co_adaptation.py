"""``co_adaptation``: how the loss changes when units are removed, alone and in pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bridle.errors import DataError, UsageError
from bridle.inspection.result import CoAdaptation, IntArray
from bridle.inspection.unit_removal import (
    Ablation,
    ModuleAblation,
    NetworkAblation,
    losses_without,
)
from bridle.modules.select import Selector
from bridle.networks.objectives import Objective, objective_of
from bridle.networks.population import Network

__all__ = ["co_adaptation"]


@torch.no_grad()
def co_adaptation(
    model: Network | nn.Module,
    X: Tensor,
    y: Tensor,
    *,
    layer: int | Selector = 1,
    member: int = 0,
    objective: str | Objective = "cross_entropy",
    removed: str = "zero",
    max_pairs: int | None = 2000,
    seed: int = 0,
    unit_axis: int = 1,
    batch_rows: int = 4096,
) -> CoAdaptation:
    """Measure how much the loss rises when a layer's units are removed, alone and in pairs.

    Let L(S) be the mean loss per row without the units S, with noise off, and Δ(S) = L(S) − L(∅).
    The interaction of a pair is I(i, j) = Δ(i, j) − Δ(i) − Δ(j), in units of loss. If units work
    independently, their effects add up and I is 0. The result's ``share`` is a summary that
    compares networks. Dropout is said to keep units from relying on each other (Srivastava et al.
    2014, sections 1 and 7.1); this function measures it.

    Many removals are computed in one tensor program. In a :class:`bridle.Network`, a removal
    corrects the next layer's input by one outer product per unit, in float64. Any other module
    runs completely, on repeated rows, in its own dtype. Pass ``model.double()`` if interactions
    are close to the rounding errors of float32.

    Parameters
    ----------
    model : Network or torch.nn.Module
        A trained model, which is not changed. A module is copied, and the copy is put into
        evaluation mode. It must map ``X`` to ``[rows, outputs]``.
    X : Tensor
        The first axis is the rows; ``[rows, inputs]`` for a Network.
    y : Tensor
        ``[rows]``: int64 class codes or float targets. Use held-out rows: on memorized training
        rows the loss is near 0 and hardly changes.
    layer : int or selector
        The layer whose units are removed. For a Network: the number of a hidden layer, from 1; 0
        means the inputs. For a module: one of its submodules, by name, type or predicate
        (:data:`bridle.modules.Selector`). The units are those of its output, so select the
        activation rather than the linear layer.
    member : int
        Index of the network in the population.
    objective : {"cross_entropy", "squared_error"} or Objective
        The loss.
    removed : {"zero", "mean"}
        The value that replaces a removed unit: 0, as in dropout, or the unit's mean over the rows.
        The mean removes the information in the unit and keeps its constant contribution.
    max_pairs : int or None
        If there are more pairs, this many (2 or more) are sampled without replacement. None
        measures all pairs.
    seed : int
        Seed of the sample.
    unit_axis : int
        For a module: the axis of the units in the layer's output. The default 1 fits the units of
        a Linear and the channels of a convolution; use -1 for ``[rows, tokens, units]``.
    batch_rows : int
        Maximum of rows times removals in one pass; bounds the memory.

    Returns
    -------
    CoAdaptation

    Raises
    ------
    UsageError
        If an argument is invalid, or the layer is not found.
    DataError
        If the loss is not finite.

    Examples
    --------
    Two equal units. Without one of them the loss rises by ¼, since the other still gives half of
    the output. Without both it rises by 1, so the interaction of the pair is ½.

    >>> import torch, bridle
    >>> network = bridle.Network([1, 2, 1])
    >>> with torch.no_grad():
    ...     _ = network.weights[0].fill_(0.5), network.weights[1].fill_(1.0)
    >>> found = bridle.co_adaptation(
    ...     network, torch.ones(3, 1), torch.ones(3), objective="squared_error"
    ... )
    >>> found.single, found.together, found.interaction
    (array([0.25, 0.25]), array([1.]), array([0.5]))
    >>> found.share == found.standing_in == 0.5
    True
    """
    fitted = objective_of(objective)
    _check(X, y, removed=removed, max_pairs=max_pairs, batch_rows=batch_rows)
    mean = removed == "mean"
    ablation: Ablation
    if isinstance(model, Network):
        at = _check_network(model, X, layer, member)
        ablation = NetworkAblation(model, layer=at, member=member, X=X, mean=mean)
    elif isinstance(layer, int):
        raise UsageError(
            f"layer is {layer}, but only a bridle.Network has numbered layers; "
            f"give the name of a module in the {type(model).__name__}"
        )
    else:
        ablation = ModuleAblation(model, layer=layer, unit_axis=unit_axis, X=X, mean=mean)
    pairs = _sample_pairs(ablation.units, max_pairs, seed)
    none = torch.empty(1, 0, dtype=torch.int64)
    each = torch.arange(ablation.units)[:, None]

    def losses(sets: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
        here = sets.to(X.device)
        value = losses_without(ablation, X, y, here, objective=fitted, batch_rows=batch_rows)
        return value.cpu().numpy()

    loss = float(losses(none)[0])
    single = losses(each) - loss
    together = losses(torch.from_numpy(pairs)) - loss if len(pairs) else np.zeros(0)
    if not (np.isfinite(loss) and np.isfinite(single).all() and np.isfinite(together).all()):
        raise DataError(
            f"the loss is {loss:g}, or not finite after a removal; check X, y and the model"
        )
    return CoAdaptation(ablation.layer, removed, loss, single, pairs, together)


def _check(X: Tensor, y: Tensor, *, removed: str, max_pairs: int | None, batch_rows: int) -> None:
    if not len(X) or y.shape != (len(X),):
        raise UsageError(
            f"X has {len(X)} rows and y has the shape {list(y.shape)}; give one target per row, "
            "and at least one row"
        )
    if removed not in ("zero", "mean"):
        raise UsageError(f"removed is {removed!r}; it must be 'zero' or 'mean'")
    for name, count, least in (("max_pairs", max_pairs, 2), ("batch_rows", batch_rows, 1)):
        if count is not None and count < least:
            raise UsageError(f"{name} is {count}; it must be {least} or more")


def _check_network(network: Network, X: Tensor, layer: int | Selector, member: int) -> int:
    if not isinstance(layer, int) or not 0 <= layer < len(network.weights):
        last = len(network.weights) - 1
        raise UsageError(
            f"layer is {layer!r}; give a hidden layer, 1 to {last}, or 0 for the inputs"
            if last
            else f"layer is {layer!r}; this network has no hidden layer, so give 0 for the inputs"
        )
    if not 0 <= member < network.members:
        raise UsageError(f"member is {member}; it must be from 0 to {network.members - 1}")
    if X.ndim != 2 or X.shape[1] != network.sizes[0]:
        raise UsageError(
            f"X has the shape {list(X.shape)}; this network takes [rows, {network.sizes[0]}]"
        )
    return layer


def _sample_pairs(units: int, max_pairs: int | None, seed: int) -> IntArray:
    """Return pairs i < j, int64 ``[pairs, 2]``: all pairs, or a sample without replacement."""
    total = units * (units - 1) // 2
    if max_pairs is None or total <= max_pairs:
        numbers = np.arange(total)
    else:
        numbers = np.sort(np.random.default_rng(seed).choice(total, max_pairs, replace=False))
    # pairs are numbered row by row, (0, 1), (0, 2), ...; row i starts at starts[i]
    row = np.arange(units)
    starts = row * units - row * (row + 1) // 2
    first = np.searchsorted(starts, numbers, side="right") - 1
    second = numbers - starts[first] + first + 1
    return np.stack([first, second], axis=1)
