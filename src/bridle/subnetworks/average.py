"""The mean over subnetworks, by batched evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.networks.objectives import Objective
from bridle.networks.population import Network
from bridle.subnetworks.moments import EnsemblePrediction, Mean, Moments, kind_of
from bridle.subnetworks.scores import (
    Evaluator,
    Masks,
    Scratch,
    at_once,
    drawn_masks,
    names_of,
    row_parts,
)

__all__ = ["averaged", "predict_ensemble", "subnetwork_scores"]

Drawn = Iterator[tuple[Masks, Tensor | None]]


def predict_ensemble(
    network: Network,
    X: Tensor,
    *,
    k: int | Sequence[int] = 50,
    mean: Mean = "arithmetic",
    objective: str | Objective = "cross_entropy",
    batch_rows: int = 1024,
) -> EnsemblePrediction:
    """Return the mean over ``k`` subnetworks, and how far they differ (Monte-Carlo dropout).

    Every row meets the same subnetworks, those of :meth:`bridle.Network.subnetwork` (row 0). They
    are evaluated together, each with its kept units only; the first layer's product is shared
    where inputs are not dropped. Gal & Ghahramani (2016) read the spread as the model's
    uncertainty; it says nothing of the noise in the target.

    For classes, the arithmetic mean is that of the probabilities, and the geometric mean is
    ``∏ p^(1/k)``, normalized: the softmax of the mean scores, which for one softmax layer is what
    weight scaling computes (Srivastava et al. 2014; Goodfellow et al. 2016, section 7.12).

    Parameters
    ----------
    network : Network
        In either mode, which stays as it is.
    X : Tensor
        ``[rows, inputs]`` or ``[members, rows, inputs]``.
    k : int or sequence of int
        How many, from number 0 on; or their numbers, such as ``range(1000, 1050)``.
    mean : {"arithmetic", "geometric"}
    objective : {"cross_entropy", "squared_error"}
        What the outputs are: scores of classes, or values.
    batch_rows : int
        Rows at a time, which bounds the memory. Another number gives the same to rounding: the
        masks do not depend on it.

    Returns
    -------
    EnsemblePrediction

    Raises
    ------
    UsageError
        If the network draws no masks, if ``X`` does not fit, or if an argument is none of those.

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
    """
    names = names_of(k)

    def drawn(member: int, rows: int) -> Drawn:
        return ((masks, None) for masks in _chunks(network, member, names, rows))

    _check_noise(network)
    return averaged(network, X, drawn, len(names), mean, objective, batch_rows)


@torch.no_grad()
def subnetwork_scores(
    network: Network, X: Tensor, *, k: int | Sequence[int] = 50, batch_rows: int = 1024
) -> Tensor:
    """Return the scores of each of ``k`` subnetworks, ``[names, members, rows, outputs]``.

    Parameters
    ----------
    network : Network
        With noise that masks.
    X : Tensor
        Float ``[rows, inputs]``, or ``[members, rows, inputs]``.
    k : int or sequence of int
        How many, numbered from 0, or their numbers.
    batch_rows : int
        Rows that are evaluated together, which bounds the memory.

    Returns
    -------
    Tensor
        Of the network's dtype; scores before the softmax, or predicted numbers.

    Raises
    ------
    UsageError
        As :func:`bridle.predict_ensemble` raises it.

    Examples
    --------
    >>> import torch, bridle
    >>> network = bridle.Network([4, 8, 3], hidden_noise=bridle.Dropout(keep_prob=0.5))
    >>> subnetwork_scores(network, torch.randn(5, 4), k=[3, 7]).shape
    torch.Size([2, 1, 5, 3])
    """
    names = names_of(k)
    _check_noise(network)
    scratch, parts = Scratch(network.weights[0].detach()), []
    for part in row_parts(network, X, batch_rows):
        found = []
        for member in range(network.members):
            ready = Evaluator(network, member, part[member % len(part)], scratch)
            chunks = _chunks(network, member, names, part.shape[1])
            found.append(torch.cat([ready.scores(masks).mT for masks in chunks]))
        parts.append(torch.stack(found, dim=1))
    return torch.cat(parts, dim=2)


@torch.no_grad()
def averaged(
    network: Network,
    X: Tensor,
    drawn: Callable[[int, int], Drawn],
    count: int,
    mean: Mean,
    objective: str | Objective,
    batch_rows: int,
) -> EnsemblePrediction:
    """Return the mean over the masks that ``drawn`` gives for a member and a number of rows."""
    classes = kind_of(objective, mean)
    scratch = Scratch(network.weights[0].detach())
    means, stds, entropies = [], [], []
    for part in row_parts(network, X, batch_rows):
        moments = [Moments(classes=classes) for _ in range(network.members)]
        for member, each in enumerate(moments):
            ready = Evaluator(network, member, part[member % len(part)], scratch)
            for masks, weight in drawn(member, part.shape[1]):
                each.add(ready.scores(masks), weight)
        means.append(torch.stack([each.mean(mean) for each in moments]))
        stds.append(torch.stack([each.std() for each in moments]))
        if classes:
            entropies.append(torch.stack([each.entropies() for each in moments], dim=1))
    both = torch.cat(entropies, dim=-1) if classes else None
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
            "the network draws no masks, so that it has no subnetworks: give it hidden_noise, "
            "input_noise or weight_noise"
        )


def _chunks(network: Network, member: int, names: Sequence[int], rows: int) -> Iterator[Masks]:
    count = at_once(network, rows)
    for start in range(0, len(names), count):
        yield drawn_masks(network, member, names[start : start + count])
