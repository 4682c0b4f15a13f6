"""The compiled CPU kernels, and which variant of them is in use.

Importing this module selects the fastest variant that the processor supports. The environment
variable ``BRIDLE_CPU`` forces one: ``avx512``, ``avx2``, ``neon``, ``plain``, or ``torch`` for no
compiled code at all.
"""

from __future__ import annotations

import os
import warnings

import torch
from torch import Tensor

from bridle.errors import UsageError

try:
    from bridle.ops import _native as native
except ImportError:  # installed where there was no compiler
    native = None  # type: ignore[assignment]

__all__ = [
    "DTYPE_CODES",
    "PLAIN_TORCH",
    "multiplies",
    "native",
    "runs_compiled",
    "use_variant",
    "variant",
    "variants",
]

PLAIN_TORCH = "torch"

DTYPE_CODES = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.float16: 3}
"""The numbers of the dtypes in ``native/module.cpp``."""

_chosen = PLAIN_TORCH
_missing = False  # whether to warn, at the first call, that there are no compiled kernels


def variants() -> list[str]:
    """Return the names of the variants that this machine supports, fastest first.

    Examples
    --------
    >>> from bridle.ops import cpu
    >>> cpu.variants()[-1]
    'torch'
    """
    return [*(native.variants() if native is not None else ()), PLAIN_TORCH]


def variant() -> str:
    """Return the name of the variant in use.

    Examples
    --------
    >>> from bridle.ops import cpu
    >>> cpu.variant() in cpu.variants()
    True
    """
    return _chosen


def use_variant(name: str) -> None:
    """Select a variant for the whole process.

    Parameters
    ----------
    name : str
        One of :func:`variants`.

    Raises
    ------
    UsageError
        If this machine does not support it.

    Examples
    --------
    >>> from bridle.ops import cpu
    >>> before = cpu.variant()
    >>> cpu.use_variant("torch")
    >>> cpu.use_variant(before)
    """
    global _chosen, _missing
    if name != PLAIN_TORCH and not (native is not None and native.use(name)):
        raise UsageError(
            f"the CPU kernels {name!r} do not run on this machine; set BRIDLE_CPU to one of "
            f"{', '.join(map(repr, variants()))}, or unset it for the fastest"
        )
    _chosen = name
    _missing = False  # an explicit choice needs no warning


def runs_compiled(x: Tensor) -> bool:
    """Whether the compiled kernels take this tensor; warns once if there are no kernels."""
    global _missing
    if _missing:
        _missing = False
        warnings.warn(
            "bridle was installed without its compiled kernels, since no C++ compiler was found; "
            "it uses plain torch instead, which is slower and gives the same results. To compile "
            "them, install a compiler and reinstall bridle (BRIDLE_CPU=torch silences this)",
            RuntimeWarning,
            stacklevel=2,
        )
    return _chosen != PLAIN_TORCH and x.dtype in DTYPE_CODES


def multiplies() -> bool:
    """Whether the variant in use multiplies matrices.

    :func:`bridle.ops.population.population_steps` needs that.

    Examples
    --------
    >>> from bridle.ops import cpu
    >>> cpu.multiplies() == (cpu.variant() in ("avx512", "avx2", "neon"))
    True
    """
    return _chosen != PLAIN_TORCH and native.multiplies()


use_variant(os.environ.get("BRIDLE_CPU") or variants()[0])
_missing = "BRIDLE_CPU" not in os.environ and variants() == [PLAIN_TORCH]
