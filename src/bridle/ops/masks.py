"""The definition of a mask: which random bits an address has, by the generator Philox4x32-10.

This is the counter-based generator of Salmon et al. (2011, "Parallel random numbers: as easy as
1, 2, 3"), which CUDA and Triton also use. A mask is a pure function of its address, computed with
two calls of the generator::

    key             = philox((stream, step), key=seed)        first two words; one key per mask
    bits of a block = philox((block, row),   key=key)         four words, eight 16-bit lanes

Every part of an address has 64 bits, low word first. Sixteen blocks form a group of 128 units, so
that vector instructions of any width can store neighboring units at once: unit ``u`` of a group
reads block ``u % 16``, lane ``u // 16``. Lane ``2 w`` is the low half of word ``w`` and lane
``2 w + 1`` the high half. A unit is kept if its lane is below ``round(keep_prob * 65536)``.

A random number uses a whole word: unit ``u`` of a group of 64 units reads block ``u % 16``, word
``u // 16``. The word ``w`` gives the uniform number ``(w + ½) / 2³²``. Words 0 and 1 of a block
give two normal numbers, and so do words 2 and 3 (Box & Muller 1958)::

    √(-2 ln((w₀ + ½) / 2³²)) · cos(2π w₁ / 2³²)   and the same with sin

Normal numbers are computed in float64 and rounded to float32, for every dtype of the result.
Logarithms, sines and cosines of different libraries and devices differ in the last bits of
float64, by less than 1e-14 in a normal number. So they agree in all bits, except for a few numbers
in ten million that differ in the last bit of float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "BLOCKS_AT_ONCE",
    "GROUP",
    "GROUP_BLOCKS",
    "LANES",
    "RESOLUTION",
    "WORDS",
    "Source",
    "address_of",
    "drawn_words",
    "keep_mask",
    "mask_key",
    "normals",
    "philox4x32",
    "uniforms",
]

RESOLUTION = 1 << 16
"""Keep probabilities are rounded to multiples of ``1 / RESOLUTION``, since a lane has 16 bits."""

LANES = 8
GROUP_BLOCKS = 16
GROUP = LANES * GROUP_BLOCKS
"""Units in a group of blocks."""

WORDS = 4
NUMBERS = WORDS * GROUP_BLOCKS
"""Numbers in a group of blocks."""

Source = Callable[[Tensor, Tensor, int], Iterator[tuple[slice, Tensor]]]
"""A function that yields random words, such as :func:`drawn_words`."""

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_WORD = 0xFFFFFFFF
BLOCKS_AT_ONCE = 16384  # blocks that plain torch computes at a time, to stay in cache


def philox4x32(counter: tuple[Any, Any, Any, Any], key: tuple[Any, Any]) -> tuple[Any, ...]:
    """Return the four 32-bit words of Philox4x32-10 at a counter.

    Parameters
    ----------
    counter : four words, each below 2**32
        Python integers, NumPy ``uint64`` arrays or torch ``int64`` tensors, with shapes that
        broadcast. Array products wrap at 64 bits, so the same code works for all three.
    key : two words, each below 2**32
        Of the same types.

    Returns
    -------
    tuple of four words
        With the broadcast shape.

    Examples
    --------
    >>> [f"{word:08x}" for word in philox4x32((0, 0, 0, 0), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0 = c0 * _MULTIPLIERS[0]
        p1 = c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (p1 >> 32 & _WORD) ^ c1 ^ k0,
            p1 & _WORD,
            (p0 >> 32 & _WORD) ^ c3 ^ k1,
            p0 & _WORD,
        )
        k0 = k0 + _WEYL[0] & _WORD
        k1 = k1 + _WEYL[1] & _WORD
    return c0, c1, c2, c3


def _words(value: Any) -> tuple[Any, Any]:
    return value & _WORD, value >> 32 & _WORD


def mask_key(seed: int, stream: int, step: int) -> tuple[int, int]:
    """Return the key of a stream's mask at a step: two words below 2**32.

    Parameters
    ----------
    seed, stream, step : int
        64-bit; a negative number is taken as its two's complement.

    Returns
    -------
    tuple of two int

    Examples
    --------
    >>> mask_key(0, 0, 0) == philox4x32((0, 0, 0, 0), (0, 0))[:2]
    True
    """
    words = philox4x32((*_words(stream), *_words(step)), _words(seed))
    return words[0], words[1]


def address_of(seed: int | Iterable[int], stream: int = 0, step: int | Iterable[int] = 0) -> Tensor:
    """Build the address tensor that the ops take.

    Parameters
    ----------
    seed : int or iterable of int
        One seed, or one per member of a population.
    stream : int
        Distinguishes the masks of one network, such as those of its layers.
    step : int or iterable of int
        The training step, one for all members or one per member.

    Returns
    -------
    Tensor
        int64, ``[3]`` for one seed, ``[members, 3]`` for several: (seed, stream, step).

    Examples
    --------
    >>> address_of(7, stream=2, step=5)
    tensor([7, 2, 5])
    >>> address_of([7, 8], step=5)
    tensor([[7, 0, 5],
            [8, 0, 5]])
    """
    if isinstance(seed, int) and isinstance(step, int):
        return torch.tensor([seed, stream, step], dtype=torch.int64)
    seeds = torch.as_tensor(list(seed) if isinstance(seed, Iterable) else [seed])
    steps = torch.as_tensor(list(step) if isinstance(step, Iterable) else [step])
    seeds, steps = torch.broadcast_tensors(seeds.to(torch.int64), steps.to(torch.int64))
    return torch.stack([seeds, torch.full_like(seeds, stream), steps], dim=-1)


def keep_mask(address: Tensor, rows: Tensor, units: int, threshold: Tensor) -> Tensor:
    """Return which units are kept, by the definition at the top of this module.

    Parameters
    ----------
    address : Tensor
        int64 ``[members, 3]``: (seed, stream, step) of each member.
    rows : Tensor
        int64 ``[1 or members, rows]``: the address of each row.
    units : int
        The number of units of a row.
    threshold : Tensor
        int64 ``[1 or members]``, 0 to 65536: a unit is kept if its lane is below it.

    Returns
    -------
    Tensor
        bool ``[members, rows, units]``, contiguous.

    Examples
    --------
    >>> address, rows = address_of([0]), torch.arange(2)[None]
    >>> keep_mask(address, rows, 5, torch.tensor([32768])).int()
    tensor([[[0, 0, 0, 0, 1],
             [1, 0, 0, 0, 1]]], dtype=torch.int32)
    """
    members, count = address.shape[0], rows.shape[1]
    limit = threshold.expand(members).repeat_interleave(count)[:, None, None, None].int()
    groups = -(-units // GROUP)
    kept = torch.empty(
        members * count, groups, LANES, GROUP_BLOCKS, dtype=torch.bool, device=rows.device
    )
    for part, words in drawn_words(address, rows, groups):
        torch.lt(words & 0xFFFF, limit[part], out=kept[part, :, 0::2])
        torch.lt(words >> 16 & 0xFFFF, limit[part], out=kept[part, :, 1::2])
    return kept.view(members, count, groups * GROUP)[..., :units].contiguous()


def drawn_words(address: Tensor, rows: Tensor, groups: int) -> Iterator[tuple[slice, Tensor]]:
    """Yield slices of rows, and their random words: int32 ``[rows, groups, words, blocks]``.

    Parameters
    ----------
    address, rows
        As in :func:`keep_mask`.
    groups : int
        The number of groups of blocks per row.
    """
    device = rows.device
    members = address.shape[0]
    row = rows.expand(members, -1).reshape(-1, 1)
    if row.numel() == 0 or groups == 0:
        return
    keys = [mask_key(*part) for part in address.tolist()]
    block = torch.arange(groups * GROUP_BLOCKS, device=device)[None]
    # for one member, the key is two numbers instead of a tensor
    per_row = members > 1
    key = torch.tensor(keys, device=device).repeat_interleave(rows.shape[1], 0)
    chunk = max(1, BLOCKS_AT_ONCE // block.shape[1])
    words = torch.empty(
        min(chunk, row.shape[0]), groups, WORDS, GROUP_BLOCKS, dtype=torch.int32, device=device
    )
    for start in range(0, row.shape[0], chunk):
        part = slice(start, min(start + chunk, row.shape[0]))
        part_key = (key[part, :1], key[part, 1:]) if per_row else keys[0]
        drawn = words[: part.stop - start]
        for index, word in enumerate(philox4x32((*_words(block), *_words(row[part])), part_key)):
            drawn[:, :, index] = word.view(-1, groups, GROUP_BLOCKS)
        yield part, drawn


def _numbers(
    address: Tensor,
    rows: Tensor,
    units: int,
    dtype: torch.dtype,
    numbers_of: Callable[[Tensor], Tensor],
    source: Source,
) -> Tensor:
    """Return ``numbers_of`` of the random words, as float64 computes it, in ``dtype``."""
    groups = -(-units // NUMBERS)
    found = torch.empty(
        address.shape[0] * rows.shape[1], groups * NUMBERS, dtype=dtype, device=rows.device
    )
    for part, words in source(address, rows, groups):
        found[part] = numbers_of((words.long() & _WORD).double()).flatten(1).to(dtype)
    return found.view(address.shape[0], rows.shape[1], groups * NUMBERS)[..., :units]


def uniforms(
    address: Tensor,
    rows: Tensor,
    units: int,
    dtype: torch.dtype = torch.float64,
    *,
    source: Source = drawn_words,
) -> Tensor:
    """Return uniform random numbers: midpoints of 2³² equal parts of the unit interval.

    Parameters
    ----------
    address, rows, units
        As in :func:`keep_mask`.
    dtype : torch.dtype
        Dtype of the result. The numbers are exact in float64, and rounded once to this dtype.
    source : callable
        The function that yields the words: :func:`drawn_words`, or an equivalent kernel.

    Returns
    -------
    Tensor
        ``[members, rows, units]``, above 0 and, in float64, below 1.

    Examples
    --------
    >>> uniforms(address_of([0]), torch.tensor([[0]]), 3)
    tensor([[[0.8307, 0.8833, 0.7297]]], dtype=torch.float64)
    """
    return _numbers(address, rows, units, dtype, _middles, source)


def normals(
    address: Tensor,
    rows: Tensor,
    units: int,
    dtype: torch.dtype = torch.float64,
    *,
    source: Source = drawn_words,
) -> Tensor:
    """Return standard normal random numbers, by the definition at the top of this module.

    Parameters
    ----------
    address, rows, units
        As in :func:`keep_mask`.
    dtype : torch.dtype
        Dtype of the result; the numbers have float32 precision.
    source : callable
        As in :func:`uniforms`.

    Returns
    -------
    Tensor
        ``[members, rows, units]``, within ±6.77.

    Examples
    --------
    >>> normals(address_of([0]), torch.tensor([[0]]), 3)
    tensor([[[0.4022, 0.1674, 0.2822]]], dtype=torch.float64)
    """
    return _numbers(address, rows, units, dtype, _box_muller, source)


def _middles(words: Tensor) -> Tensor:
    return (words + 0.5) * 2.0**-32


def _box_muller(words: Tensor) -> Tensor:
    radius = (-2 * _middles(words[:, :, 0::2]).log()).sqrt()
    angle = (2 * math.pi * 2.0**-32) * words[:, :, 1::2]
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=3).flatten(2, 3).float()
