"""The counter of one noise: the address of each training pass."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes, is_in_torch_dispatch_mode

from bridle.modules.recomputation import address_of_pass, address_of_traced_pass
from bridle.ops.transforms import unwrapped

__all__ = ["StepCounter"]

_numbers = itertools.count()
_counters: WeakValueDictionary[int, StepCounter] = WeakValueDictionary()


class StepCounter:
    """Counts the training passes of a stream, and gives the address of each pass.

    An address is taken once in a forward pass. It is a value: no address is changed in place, so
    that a graph which has read one may read it again in its backward pass. A pass that is
    recomputed takes the address of the pass that it repeats, and is not counted.
    """

    def __init__(self, name: str, seed: int, stream: int) -> None:
        self.name = name
        self.next_address = torch.tensor([seed, stream, 0], dtype=torch.int64)
        self._number()

    def _number(self) -> None:
        """Take a number of its own, by which regions that are recomputed know this counter."""
        self._key = next(_numbers)
        # compiled code gets it as an input, so that models of one structure can share the code
        self._key_input = torch.tensor(self._key)
        _counters[self._key] = self

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "next_address": self.next_address}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.name, self.next_address = state["name"], state["next_address"]
        self._number()

    @property
    def step(self) -> int:
        return int(self.next_address[2])

    @step.setter
    def step(self, value: int) -> None:
        change = torch.tensor([0, 0, value - self.step], device=self.next_address.device)
        self.next_address = self.next_address + change

    def advance(self, device: torch.device) -> Tensor:
        """Return the address of this pass, int64 ``[3]``."""
        if torch.compiler.is_compiling():
            if self.next_address.device != device:
                self.next_address = self.next_address.to(device)
            address, self.next_address = _take_address(self.next_address, self._key_input)
            return address
        # what a mode sees of a pass must be the same in its recomputation
        with _disable_current_modes() if is_in_torch_dispatch_mode() else nullcontext():
            return self._advance(device)

    def _advance(self, device: torch.device) -> Tensor:
        if self.next_address.device != device:
            self.next_address = self.next_address.to(device)
        fresh = self.next_address
        address = address_of_pass(self.name, self._key, fresh)
        if address is fresh:
            # in a torch.func transform, the sum is one of its tensors
            self.next_address = unwrapped(_following(fresh))
        return address


def _following(address: Tensor) -> Tensor:
    return address + _one_step(address.device)


_steps: dict[torch.device, Tensor] = {}


def _one_step(device: torch.device) -> Tensor:
    if device not in _steps:
        with torch.inference_mode(False):
            _steps[device] = torch.tensor([0, 0, 1], device=device)
    return _steps[device]


def _name_of(key: int) -> str:
    counter = _counters.get(key)
    return "a noise" if counter is None else counter.name


@torch.library.custom_op(
    "bridle::take_address", mutates_args=(), tags=(torch.Tag.cudagraph_unsafe,)
)
def _take_address(fresh: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    """Return the address of a pass and the next one; called by compiled graphs.

    The arguments decide the result, except where a region is recomputed. So a compiler may repeat
    the call, move it, or leave it out.
    """
    address = address_of_traced_pass(_name_of, key, fresh)
    if address is fresh:
        return fresh.clone(), _following(fresh)
    return address.clone(), fresh.clone()


@_take_address.register_fake
def _(fresh: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    return torch.empty_like(fresh), torch.empty_like(fresh)
