"""The mean over many subnetworks, evaluated in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.networks.objectives import Objective
from bridle.networks.population import Network
from bridle.subnetworks.evaluator import (
    Evaluator,
    Masks,
    Scratch,
    chunk_size,
    masks_of,
    row_batches,
    subnetwork_numbers,
)
from bridle.subnetworks.module_ensemble import predict_module
from bridle.subnetworks.moments import EnsemblePrediction, Mean, Moments, is_classification

__all__ = ["average_over", "predict_ensemble", "subnetwork_scores"]

WeightedMasks = Iterator[tuple[Masks, Tensor | None]]


def predict_ensemble(
    network: nn.Module,
    X: Tensor | tuple[Any, ...] | Mapping[str, Any] | Iterable[Any],
    *,
    k: int | Sequence[int] = 50,
    mean: Mean = "arithmetic",
    objective: str | Objective = "cross_entropy",
    batch_rows: int | None = None,
    seed: int = 0,
    output: Callable[[Any], Tensor] | None = None,
    class_axis: int | None = None,
) -> EnsemblePrediction:
    """Return the mean over ``k`` subnetworks, and their spread (Monte Carlo dropout).

    Gal & Ghahramani (2016) interpret the spread as the model's uncertainty; it does not include the
    noise in the target.

    For classification, the arithmetic mean is the mean of the probabilities. The geometric mean is
    ``∏ p^(1/k)``, normalized, which is the softmax of the mean scores. For a single softmax layer
    it equals weight scaling (Srivastava et al. 2014; Goodfellow et al. 2016, section 7.12).

    *A* :class:`bridle.Network`: all rows use the same subnetworks, those of
    :meth:`bridle.Network.subnetwork` (row 0). They are evaluated together, each with its kept units
    only. If inputs are not dropped, all subnetworks share the first layer's product.

    *Any other module*: noises from :func:`bridle.regularize` and torch's own dropout act, and
    everything else is in evaluation mode: the modules' dropout, ``torch.nn.functional.dropout``
    whatever its ``training``, that inside attention and between recurrent layers, RReLU, and
    modules of stochastic depth. Subnetwork k has the masks of training pass k; each row has its
    own. torch's dropout gets masks at addresses, too: (``seed``, the order of the call, k). A
    module that applies dropout only ``if self.training`` is put in training mode by itself, if
    nothing else in its outputs changes by that. Modes, buffers and random states are restored.
    Compiled modules run uncompiled.

    Parameters
    ----------
    network : Network or torch.nn.Module
        In training or evaluation mode; the mode does not matter and does not change.
    X : Tensor
        ``[rows, inputs]`` or ``[members, rows, inputs]``. For any other module, one batch: its
        input, a tuple of its arguments, or a mapping of them by name; or an iterable of batches,
        such as a ``DataLoader``. The results of batches are joined on the first axis.
    k : int or sequence of int
        An int: subnetworks 0 to ``k - 1``. A sequence: these subnetworks, such as
        ``range(1000, 1050)``.
    mean : {"arithmetic", "geometric"}
    objective : {"cross_entropy", "squared_error"}
        Whether the outputs are class scores (classification) or predicted targets (regression).
    batch_rows : int
        For a ``Network``: rows per batch, 1024 by default; it bounds the memory. Results do not
        depend on it, up to rounding.
    seed : int
        For any other module: the seed of the masks of torch's own dropout.
    output : callable, optional
        For any other module: takes what it returns, and returns the scores. Default: a tensor
        itself, the first of a tuple, or the ``logits``.
    class_axis : int, optional
        For any other module: the axis of the classes, by default the last of up to three axes. In
        the result they are last.

    Returns
    -------
    EnsemblePrediction
        For any other module than a ``Network``, ``mean`` and ``std`` have the shape of its output,
        without members.

    Raises
    ------
    UsageError
        If the network has no noise, if its noise does not change its outputs, if ``X`` has the
        wrong shape, or if an argument is invalid.

    Warns
    -----
    RegularizationWarning
        If a module's dropout cannot be switched on: it is named.

    Examples
    --------
    >>> import torch, bridle
    >>> network = bridle.Network([4, 8, 3], hidden_noise=bridle.Dropout(keep_prob=0.5))
    >>> X = torch.randn(5, 4)
    >>> found = bridle.predict_ensemble(network, X, k=20)
    >>> found.mean.shape, found.mutual_information.shape
    (torch.Size([1, 5, 3]), torch.Size([1, 5]))
    >>> one = torch.stack([small(X).softmax(-1) for small in network.subnetworks(range(20))])
    >>> torch.allclose(found.mean.float(), one.mean(0), atol=1e-6)
    True

    A module with torch's dropout:

    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5)).eval()
    >>> found = bridle.predict_ensemble(model, X, k=20, objective="squared_error")
    >>> found.mean.shape, bool((found.std > 0).all())
    (torch.Size([5, 8]), True)
    """
    numbers = subnetwork_numbers(k)
    if not isinstance(network, Network):
        if batch_rows is not None:
            raise UsageError(
                "batch_rows is for a bridle.Network; for another module give an iterable of "
                "batches, such as a DataLoader"
            )
        return predict_module(network, X, numbers, mean, objective, seed, output, class_axis)
    if not isinstance(X, Tensor):
        raise UsageError(f"X is a {type(X).__name__}; a bridle.Network takes a tensor")

    def masks_for(member: int, rows: int) -> WeightedMasks:
        return ((masks, None) for masks in _chunks(network, member, numbers, rows))

    _check_noise(network)
    rows = 1024 if batch_rows is None else batch_rows
    return average_over(network, X, masks_for, len(numbers), mean, objective, rows)


@torch.no_grad()
def subnetwork_scores(
    network: Network, X: Tensor, *, k: int | Sequence[int] = 50, batch_rows: int = 1024
) -> Tensor:
    """Return the scores of ``k`` subnetworks, ``[subnetworks, members, rows, outputs]``.

    Parameters
    ----------
    network : Network
        A network with masks.
    X : Tensor
        Float ``[rows, inputs]``, or ``[members, rows, inputs]``.
    k : int or sequence of int
        The number of subnetworks, which are then 0 to ``k - 1``; or their numbers.
    batch_rows : int
        Rows per batch; it bounds the memory.

    Returns
    -------
    Tensor
        In the network's dtype: scores before the softmax, or predicted targets.

    Raises
    ------
    UsageError
        In the same cases as :func:`bridle.predict_ensemble`.

    Examples
    --------
    >>> import torch, bridle
    >>> network = bridle.Network([4, 8, 3], hidden_noise=bridle.Dropout(keep_prob=0.5))
    >>> subnetwork_scores(network, torch.randn(5, 4), k=[3, 7]).shape
    torch.Size([2, 1, 5, 3])
    """
    numbers = subnetwork_numbers(k)
    _check_noise(network)
    scratch, parts = Scratch(network.weights[0].detach()), []
    for part in row_batches(network, X, batch_rows):
        found = []
        for member in range(network.members):
            ready = Evaluator(network, member, part[member % len(part)], scratch)
            chunks = _chunks(network, member, numbers, part.shape[1])
            found.append(torch.cat([ready.scores(masks).mT for masks in chunks]))
        parts.append(torch.stack(found, dim=1))
    return torch.cat(parts, dim=2)


@torch.no_grad()
def average_over(
    network: Network,
    X: Tensor,
    masks_for: Callable[[int, int], WeightedMasks],
    count: int,
    mean: Mean,
    objective: str | Objective,
    batch_rows: int,
) -> EnsemblePrediction:
    """Return the mean over the masks that ``masks_for`` gives for a member and a row count."""
    classification = is_classification(objective, mean)
    scratch = Scratch(network.weights[0].detach())
    means, stds, entropies = [], [], []
    for part in row_batches(network, X, batch_rows):
        moments = [Moments(classification=classification) for _ in range(network.members)]
        for member, each in enumerate(moments):
            ready = Evaluator(network, member, part[member % len(part)], scratch)
            for masks, weight in masks_for(member, part.shape[1]):
                each.add(ready.scores(masks), weight)
        means.append(torch.stack([each.mean(mean) for each in moments]))
        stds.append(torch.stack([each.std() for each in moments]))
        if classification:
            entropies.append(torch.stack([each.entropies() for each in moments], dim=1))
    both = torch.cat(entropies, dim=-1) if classification else None
    return EnsemblePrediction(
        mean=torch.cat(means, dim=1),
        std=torch.cat(stds, dim=1),
        entropy=None if both is None else both[0],
        mutual_information=None if both is None else both[1],
        subnetworks=count,
    )


def _check_noise(network: Network) -> None:
    hidden = network.hidden_noise is not None and len(network.sizes) > 2
    if not (hidden or network.input_noise or network.weight_noise):
        raise UsageError(
            "the network has no noise, so it has no subnetworks: give it hidden_noise, "
            "input_noise or weight_noise"
        )


def _chunks(network: Network, member: int, numbers: Sequence[int], rows: int) -> Iterator[Masks]:
    count = chunk_size(network, rows)
    for start in range(0, len(numbers), count):
        yield masks_of(network, member, numbers[start : start + count])
