"""Steps on a GPU: recorded once as a CUDA graph, replayed for every step after it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bridle.ops import reference
from bridle.ops.backends import backend_of

__all__ = ["Pace", "Replay", "replays", "to_gpu"]


def replays(device: torch.device) -> bool:
    """Whether a step there can be recorded: on a GPU with kernels that never wait for the host."""
    return device.type == "cuda" and backend_of(device) is not reference


def to_gpu(x: Tensor, device: torch.device) -> Tensor:
    """Copy from the CPU without waiting for what the GPU does meanwhile."""
    return x.pin_memory().to(device, non_blocking=True)


class Replay:
    """Makes a step as often as wanted, with other numbers each time.

    The first time the step just runs, so that kernels are compiled and libraries have their
    workspaces; the second time it is recorded. From then on the host only says "again": a step of
    some hundred small kernels costs what the GPU takes for them. The step must read and write the
    same memory each time, and look at nothing on the host.
    """

    def __init__(self) -> None:
        self._graph: Any = None
        self._arguments: list[Tensor] = []
        self._warm = False

    def __call__(self, step: Callable[..., None], *arguments: Tensor) -> None:
        """Make the step with these arguments, of the same shapes each time."""
        if not self._warm:
            self._warm = True
            step(*arguments)
            return
        if self._graph is None:
            self._arguments = [each.clone() for each in arguments]
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                step(*self._arguments)
        for kept, given in zip(self._arguments, arguments, strict=True):
            kept.copy_(given)
        self._graph.replay()


class Pace:
    """Lets the host be a few parts of the work ahead of a GPU, and no more."""

    def __init__(self, parts: int = 4) -> None:
        self._parts = parts
        self._ends: deque[Any] = deque()

    def __call__(self) -> None:
        """Mark the end of a part, and wait for the one that ended so many parts before."""
        end: Any = torch.cuda.Event()
        end.record()
        self._ends.append(end)
        if len(self._ends) > self._parts:
            self._ends.popleft().synchronize()
