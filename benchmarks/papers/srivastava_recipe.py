"""How the networks of Srivastava et al. 2014 train here.

The paper states a million updates, a final momentum of 0.95, and dropout of half the units and a
fifth of the inputs, but no learning rate and no batch size. Ours: batches of 100, and a rate of
0.02, which falls over the second half.
"""

from __future__ import annotations

SIZES = (1024, 1024, 2048)
BATCH = 100
MOMENTUM = 0.95
RATE = 0.02
UPDATES = 1_000_000
_FALL = (0.5, 0.25, 0.1, 0.05, 0.02)


def rates_of(updates: int, rate: float = RATE) -> tuple[tuple[int, float], ...]:
    """Return the steps at each rate: half of them at the full one, then a tenth at each lower."""
    part = updates // (2 * len(_FALL))
    first = updates - part * len(_FALL)
    return ((first, rate), *((part, rate * factor) for factor in _FALL))
