"""torch's Adam for training that is never compiled."""

from __future__ import annotations

import inspect
from typing import Any

import torch

__all__ = ["EagerAdam"]


class EagerAdam(torch.optim.Adam):
    """torch's Adam without the decorators by which ``torch.compile`` knows it.

    They import torch's compiler, which takes longer than a short training. The functions below
    them are the same, and so is each update, bit for bit.

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = EagerAdam([weight], lr=0.5, fused=True)
    >>> weight.square().sum().backward()
    >>> optimizer.step()
    >>> weight.detach()
    tensor([0.5000, 0.5000])
    """

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters; see :meth:`torch.optim.Optimizer.add_param_group`."""
        inspect.unwrap(torch.optim.Adam.add_param_group)(self, param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients; see :meth:`torch.optim.Optimizer.zero_grad`."""
        inspect.unwrap(torch.optim.Adam.zero_grad)(self, set_to_none)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the parameters."""
        inspect.unwrap(torch.optim.Adam.step)(self, closure)
