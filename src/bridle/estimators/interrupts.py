"""Interrupts that act between steps of training, never within one."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, Self

__all__ = ["DeferredInterrupts"]


class DeferredInterrupts:
    """Within this context, an interrupt (SIGINT, as of Ctrl-C) waits for :meth:`deliver`.

    Python may raise a KeyboardInterrupt after any of its instructions, so also when steps were
    taken and are not yet counted. Here the signal is only noted; its former handler, which raises
    the error by default, is called later. The end of the context delivers as well.

    A handler that ignores the signal or is none of Python's stays, and so does every handler in a
    thread other than the main one: no error is raised there.
    """

    _former: Callable[[int, FrameType | None], Any]
    _received: tuple[int, FrameType | None] | None = None

    def __enter__(self) -> Self:
        former = signal.getsignal(signal.SIGINT)
        if callable(former):
            self._former = former
            with suppress(ValueError):  # outside the main thread
                signal.signal(signal.SIGINT, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        if signal.getsignal(signal.SIGINT) == self._receive:  # else a handler has set another one
            signal.signal(signal.SIGINT, self._former)
        self.deliver()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received = number, frame

    def deliver(self) -> None:
        """Call the former handler if an interrupt came; several are taken as one."""
        if self._received is not None:
            received, self._received = self._received, None
            self._former(*received)
