"""The orders of the rows in the epochs of a fit, as scikit-learn draws them."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Shuffles"]

Array = np.ndarray[Any, np.dtype[Any]]


class Shuffles:
    """Draws a new order of the rows for each epoch, by shuffling the last one.

    Parameters
    ----------
    rows : int
    random : RandomState or None
        None means that the order stays.
    """

    def __init__(self, rows: int, random: np.random.RandomState | None) -> None:
        self.order: Array = np.arange(rows)
        self.random = random

    def next(self) -> Array:
        """Return the order of the next epoch."""
        if self.random is not None:
            self.order = self.order[self.random.permutation(len(self.order))]
        return self.order

    def draw(self, epochs: int) -> Array:
        """Return the orders of the next epochs, ``[epochs, rows]``; :meth:`keep` says the rest."""
        self._start = self.order
        self._state: Any = self.random and self.random.get_state()
        return np.stack([self.next() for _ in range(epochs)])

    def keep(self, epochs: int, drawn: int) -> None:
        """Go back to the state after the first of the epochs that were drawn."""
        if self.random is None or epochs == drawn:
            return
        self.order = self._start
        self.random.set_state(self._state)
        for _ in range(epochs):
            self.next()
