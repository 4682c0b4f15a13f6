"""What a prediction must leave as it was: modes, buffers and random states, after errors too."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["buffers_of", "in_evaluation", "seed_everything", "uncompiled"]

_Buffers = list[tuple[nn.Module, str, Tensor, Tensor]]


def buffers_of(model: nn.Module) -> _Buffers:
    """Return the buffers of a model with copies: (module, name, buffer, copy)."""
    return [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]


def seed_everything(*seeds: int) -> None:
    """Seed the generators of torch, NumPy and Python from several numbers."""
    first, second = np.random.SeedSequence(seeds).generate_state(2).tolist()
    torch.manual_seed(first << 31 | second >> 1)
    np.random.seed(second)
    random.seed(first)


@contextmanager
def in_evaluation(model: nn.Module) -> Iterator[None]:
    """Put every module in evaluation mode without gradients; restore everything afterwards.

    Flags are set, and ``eval()`` is not called, since a model may do more in it (merge weights, for
    example).
    """
    modes = [(module, module.training) for module in model.modules()]
    buffers = buffers_of(model)
    generators = [
        (value, value.get_state())
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, torch.Generator)
    ]
    states = random.getstate(), np.random.get_state()
    fast = torch.backends.mha.get_fastpath_enabled()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices))
        stack.enter_context(torch.no_grad())
        try:
            torch.backends.mha.set_fastpath_enabled(False)
            for module, _ in modes:
                module.training = False
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
            for module, mode in modes:
                module.training = mode
            for module, name, buffer, copy in buffers:
                module._buffers[name] = buffer
                if not torch.equal(buffer, copy):  # a pending backward pass may need the buffer
                    buffer.copy_(copy)
            for generator, state in generators:
                generator.set_state(state)
            random.setstate(states[0])
            np.random.set_state(states[1])


@contextmanager
def uncompiled() -> Iterator[None]:
    """Run compiled modules and functions as they were before compilation."""
    if "torch._dynamo" not in sys.modules:  # nothing is compiled, and the import takes seconds
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
