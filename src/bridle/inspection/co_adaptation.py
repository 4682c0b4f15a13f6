"""``co_adaptation``: remove every unit, and pairs of units, and see what the loss says."""

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
    """Measure how much the removal of a layer's units hurts, alone and in pairs.

    With L(S) the mean loss per row without the units S, noise off, and Δ(S) = L(S) − L(∅), the
    interaction of a pair is I(i, j) = Δ(i, j) − Δ(i) − Δ(j), in units of loss. Where units work
    independently, removals add up and I is 0. The result's ``share`` sums it up in one number that
    compares networks. Dropout is said to keep units from relying on each other (Srivastava et al.
    2014, sections 1 and 7.1): here it can be seen.

    Many removals are one tensor program. In a :class:`bridle.Network` a removal corrects the next
    layer's input by one outer product a unit, in float64; any other module runs whole, on repeated
    rows, in its own dtype (give ``model.double()`` where interactions are near float32's rounding).

    Parameters
    ----------
    model : Network or torch.nn.Module
        Fitted; it is only read. A module is copied, and put in evaluation mode. It takes ``X`` and
        returns ``[rows, outputs]``.
    X : Tensor
        Rows first: ``[rows, inputs]`` for a Network.
    y : Tensor
        ``[rows]``: int64 class codes or float values. Held-out rows tell what is relied upon; on
        rows learnt by heart the loss is near 0, and stays there.
    layer : int or selector
        Of a Network, from 1: the hidden layer whose units are removed; 0 means the inputs. Of a
        module: which of its modules, by name, type or predicate (:data:`bridle.modules.Selector`).
        The units are of what it returns, so give the activation rather than the linear layer.
    member : int
        Which network of the population.
    objective : {"cross_entropy", "squared_error"} or Objective
        The loss.
    removed : {"zero", "mean"}
        What stands in a removed unit's place: 0, as in dropout, or the unit's mean over the rows,
        which takes away what it tells and leaves what it adds to every row alike.
    max_pairs : int or None
        Where there are more pairs, so many (2 or more) are sampled without replacement. None
        measures all.
    seed : int
        Of the sample.
    unit_axis : int
        Of a module's layer: the axis of the units in what it returns. Default 1: the units of a
        Linear, the channels of a convolution. -1 for ``[rows, tokens, units]``.
    batch_rows : int
        Rows times removals at a time, which bounds the memory.

    Returns
    -------
    CoAdaptation

    Raises
    ------
    UsageError
        If an argument has a value that it cannot have, or the layer is not found.
    DataError
        If the loss is not finite.

    Examples
    --------
    Twins: either one gone costs ¼, since the other still gives half of the answer; both gone cost
    1, of which ½ belongs to the pair.

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
            f"layer is {layer}, which speaks of a bridle.Network; "
            f"name a module of the {type(model).__name__}"
        )
    else:
        ablation = ModuleAblation(model, layer=layer, unit_axis=unit_axis, X=X, mean=mean)
    pairs = _draw_pairs(ablation.units, max_pairs, seed)
    nobody = torch.empty(1, 0, dtype=torch.int64)
    each = torch.arange(ablation.units)[:, None]

    def losses(sets: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
        here = sets.to(X.device)
        value = losses_without(ablation, X, y, here, objective=fitted, batch_rows=batch_rows)
        return value.cpu().numpy()

    loss = float(losses(nobody)[0])
    single = losses(each) - loss
    together = losses(torch.from_numpy(pairs)) - loss if len(pairs) else np.zeros(0)
    if not (np.isfinite(loss) and np.isfinite(single).all() and np.isfinite(together).all()):
        raise DataError(f"the loss is {loss:g}, or becomes infinite; check X, y and the model")
    return CoAdaptation(ablation.layer, removed, loss, single, pairs, together)


def _check(X: Tensor, y: Tensor, *, removed: str, max_pairs: int | None, batch_rows: int) -> None:
    if not len(X) or y.shape != (len(X),):
        raise UsageError(
            f"X has {len(X)} rows and y the shape {list(y.shape)}; give one target per row, "
            "and one row at least"
        )
    if removed not in ("zero", "mean"):
        raise UsageError(f"removed is {removed!r}; it is 'zero' or 'mean'")
    for name, count, least in (("max_pairs", max_pairs, 2), ("batch_rows", batch_rows, 1)):
        if count is not None and count < least:
            raise UsageError(f"{name} is {count}; it must be {least} or more")


def _check_network(network: Network, X: Tensor, layer: int | Selector, member: int) -> int:
    if not isinstance(layer, int) or not 0 <= layer < len(network.weights):
        last = len(network.weights) - 1
        raise UsageError(
            f"layer is {layer!r}; this network's hidden layers are 1 to {last}, and 0 its inputs"
            if last
            else f"layer is {layer!r}; this network has no hidden layer, and 0 means its inputs"
        )
    if not 0 <= member < network.members:
        raise UsageError(f"member is {member}; it must be from 0 to {network.members - 1}")
    if X.ndim != 2 or X.shape[1] != network.sizes[0]:
        raise UsageError(
            f"X has the shape {list(X.shape)}; this network takes [rows, {network.sizes[0]}]"
        )
    return layer


def _draw_pairs(units: int, max_pairs: int | None, seed: int) -> IntArray:
    """Return pairs i < j, int64 ``[pairs, 2]``: all, or a sample without replacement."""
    total = units * (units - 1) // 2
    if max_pairs is None or total <= max_pairs:
        numbers = np.arange(total)
    else:
        numbers = np.sort(np.random.default_rng(seed).choice(total, max_pairs, replace=False))
    # pairs are numbered row by row: (0, 1), (0, 2), ..., and row i starts at starts[i]
    row = np.arange(units)
    starts = row * units - row * (row + 1) // 2
    first = np.searchsorted(starts, numbers, side="right") - 1
    second = numbers - starts[first] + first + 1
    return np.stack([first, second], axis=1)
