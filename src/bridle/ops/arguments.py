"""Argument checks of the ops, and the conversion to the shapes that the kernels take."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops.custom_op import is_eager
from bridle.ops.transforms import is_transformed, rows_in_batch

__all__ = ["as_bias", "as_population", "keep_probabilities", "row_addresses"]


def as_population(x: Tensor, address: Tensor) -> tuple[Tensor, Tensor]:
    """View ``x`` as ``[members, rows, units]`` and the address as ``[members, 3]``."""
    leading = address.ndim - 1
    if address.ndim not in (1, 2) or address.shape[-1] != 3:
        raise UsageError(
            f"an address has the shape [3] or [members, 3], not {list(address.shape)}; "
            "build it with bridle.ops.address_of(seed, stream, step)"
        )
    if x.ndim < leading + 1:
        raise UsageError(
            f"x of shape {list(x.shape)} has no rows; give it {leading + 1} dimensions or more"
        )
    if leading and x.shape[0] != address.shape[0]:
        raise UsageError(
            f"x has {x.shape[0]} members and the address {address.shape[0]}; "
            "give one address per member"
        )
    if leading and x.ndim == 3:
        return x, address
    shape = x.shape if leading else (1, *x.shape)
    units = 1
    for size in shape[2:]:
        units *= size
    return x.reshape(shape[0], shape[1], units), address.reshape(-1, 3)


def _tensor(value: float, device: str | torch.device = "cpu") -> Tensor:
    with torch.inference_mode(False):  # an inference tensor could not be saved for backward
        return torch.tensor([value], dtype=torch.float64, device=device)


_kept_tensor = lru_cache(maxsize=256)(_tensor)


def keep_probabilities(keep_prob: float | Tensor, x: Tensor, leading: int) -> Tensor | None:
    """Return keep probabilities as a tensor, or None for exactly 1."""
    if isinstance(keep_prob, Tensor):
        members = x.shape[0] if leading else 1
        if keep_prob.ndim != 1 or keep_prob.shape[0] not in (1, members):
            raise UsageError(
                f"keep_prob has the shape {list(keep_prob.shape)} for {members} members; "
                "give one number, or one per member"
            )
        return keep_prob
    if not 0 < keep_prob <= 1:
        raise UsageError(f"keep_prob is {keep_prob}; it must be above 0 and at most 1")
    if keep_prob == 1:
        return None
    if is_eager(x):
        return _kept_tensor(float(keep_prob), x.device)
    return _tensor(float(keep_prob))  # a tensor made during tracing belongs to that graph


def as_bias(bias: Tensor, members: int, units: int) -> Tensor:
    """View a bias as ``[1 or members, units]``."""
    if bias.numel() not in (units, members * units):
        raise UsageError(
            f"the bias has the shape {list(bias.shape)}, but x has {members} members of {units} "
            "units; give one number per unit"
        )
    return bias if bias.ndim == 2 else bias.reshape(-1, units)


def row_addresses(rows: Tensor | None, x: Tensor, address: Tensor) -> Tensor | None:
    """View row addresses as ``[1 or members, 1 or rows]``, and check them against ``x``.

    Under ``vmap`` they follow its randomness; see :mod:`bridle.ops.transforms`.
    """
    rows = _checked_rows(rows, x)
    return rows_in_batch(rows, x, address) if is_transformed() else rows


def _checked_rows(rows: Tensor | None, x: Tensor) -> Tensor | None:
    if rows is None:
        return None
    rows = rows[None] if rows.ndim == 1 else rows
    fits = rows.ndim == 2 and all(
        given in (1, wanted) for given, wanted in zip(rows.shape, x.shape[:2], strict=True)
    )
    if not fits:
        raise UsageError(
            f"rows has the shape {list(rows.shape)}, but x has {x.shape[0]} members of "
            f"{x.shape[1]} rows; give one row address per row, or one for all"
        )
    return rows
