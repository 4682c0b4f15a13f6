"""Training steps on a GPU: captured once as a CUDA graph, then replayed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bridle.ops import reference
from bridle.ops.backends import backend_of

__all__ = ["GraphedStep", "HostThrottle", "can_capture", "to_gpu"]


def can_capture(device: torch.device) -> bool:
    """Whether steps can be captured: on a GPU whose kernels never wait for the host."""
    return device.type == "cuda" and backend_of(device) is not reference


def to_gpu(x: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor from the CPU without waiting for the GPU's other work."""
    return x.pin_memory().to(device, non_blocking=True)


class GraphedStep:
    """Runs a step many times, each time with other arguments.

    The first call runs the step, so that kernels are compiled and libraries allocate their
    workspaces. The second call captures it, and from then on the graph is replayed: some hundred
    small kernels then take the GPU's time only, and none of the host's. The step must read and
    write the same memory each time, and must not read anything on the host.
    """

    def __init__(self) -> None:
        self._graph: Any = None
        self._arguments: list[Tensor] = []
        self._warm = False

    def __call__(self, step: Callable[..., None], *arguments: Tensor) -> None:
        """Run the step with these arguments, whose shapes must not change."""
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


class HostThrottle:
    """Limits how many chunks of work the host may queue ahead of the GPU."""

    def __init__(self, chunks: int = 4) -> None:
        self._chunks = chunks
        self._ends: deque[Any] = deque()

    def __call__(self) -> None:
        """Mark the end of a chunk, and wait for the one that was queued ``chunks`` before it."""
        end: Any = torch.cuda.Event()
        end.record()
        self._ends.append(end)
        if len(self._ends) > self._chunks:
            self._ends.popleft().synchronize()
