"""``adaptive_l1``: L1 with weights from the current parameters of a model."""

from __future__ import annotations

from torch import nn

from bridle.modules.select import Selector, select_parameters
from bridle.penalties import WeightedL1

__all__ = ["adaptive_l1"]


def adaptive_l1(
    model: nn.Module,
    strength: float,
    *,
    select: Selector = "*",
    power: float = 1.0,
    eps: float = 1e-3,
) -> dict[Selector, WeightedL1]:
    """Return rules for the adaptive lasso (Zou 2006): ``R(w) = λ Σ |w| / (|w₀| + eps) ** power``.

    w₀ are the parameters at the time of the call, of a model that has been trained. Entries that
    are small there are penalized more, large ones less. Repeated, it is reweighted L1 (Candès,
    Wakin & Boyd 2008).

    Parameters
    ----------
    model : torch.nn.Module
    strength : float
        λ, 0 or more.
    select : selector
        The weights; see :data:`bridle.modules.Selector`.
    power : float
        0 or more; 0 is plain L1.
    eps : float
        Above 0; it bounds the weight of an entry that is 0.

    Returns
    -------
    dict of Parameter to WeightedL1
        Rules for :func:`bridle.attach` and :func:`bridle.regularize`.

    Raises
    ------
    UsageError
        If the selector matches nothing, or a number is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> model = torch.nn.Linear(2, 1)
    >>> _ = torch.nn.init.ones_(model.weight)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> print(bridle.attach(optimizer, bridle.adaptive_l1(model, 0.01), model=model))
    weight  WeightedL1(0.01, weights [1, 2]: 0.999001–0.999001)  (proximal, euclidean)
    """
    return {
        weight: WeightedL1.adaptive(strength, weight, power=power, eps=eps)
        for weight in select_parameters(model, select).values()
    }
