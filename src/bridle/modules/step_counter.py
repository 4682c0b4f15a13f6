"""The counter of one noise: the address of each training pass."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes, is_in_torch_dispatch_mode

from bridle.modules.recomputation import repeated_address, repeated_traced_address
from bridle.ops.transforms import is_transformed, unwrapped

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
        # on the CPU also where a device is set for new tensors, such as "meta"
        self.next_address = torch.tensor([seed, stream, 0], dtype=torch.int64, device="cpu")
        self._number()

    def _number(self) -> None:
        """Take a number of its own, by which regions that are recomputed know this counter."""
        self._key = next(_numbers)
        # an input of compiled code, so that models of one structure can share the code
        self._serial = torch.tensor([self._key, 0], device="cpu")
        _counters[self._key] = self

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "next_address": self.next_address}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.name, self.next_address = state["name"], state["next_address"]
        self._number()

    @property
    def step(self) -> int:
        """The number of passes so far."""
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
            if is_transformed():  # the op has no rule for the tensors of a transform
                address = self.next_address
                self.next_address = unwrapped(address + torch.tensor([0, 0, 1], device=device))
                return address
            taken = _take_address(self.next_address, self._serial)
            address, self.next_address, self._serial = taken
            return address
        fresh = self.next_address
        if device.type == "meta":  # a pass for shapes alone draws nothing, and is not counted
            return torch.empty_like(fresh, device=device)
        if fresh.device != device:
            with _unseen():
                fresh = self.next_address = fresh.to(device)
        repeated = repeated_address(self.name, self._key, fresh)
        if repeated is not None:
            return repeated
        # in a torch.func transform, the sum is one of its tensors
        self.next_address = unwrapped(_following(fresh))
        return fresh


@contextmanager
def _unseen() -> Iterator[None]:
    """Make values for later passes: no mode sees it, which must see the same in a recomputation."""
    with _disable_current_modes(), torch.inference_mode(False), torch.no_grad():
        yield


def _following(address: Tensor) -> Tensor:
    """Return the address of the next step."""
    step = _steps.get(address.device)
    if step is None:
        with _unseen():  # and of no torch.func transform that happens to be the first to ask
            step = unwrapped(torch.tensor([0, 0, 1], device=address.device))
        _steps[address.device] = step
    if is_in_torch_dispatch_mode() or torch.is_inference_mode_enabled():
        with _unseen():
            return address + step
    return address + step


_steps = {torch.device("cpu"): torch.tensor([0, 0, 1], device="cpu")}
_ONE_REPLAY = torch.tensor([0, 1], device="cpu")


def _name_of(key: int) -> str:
    counter = _counters.get(key)
    return "a noise" if counter is None else counter.name


@torch.library.custom_op(
    "bridle::take_address", mutates_args=(), tags=(torch.Tag.cudagraph_unsafe,)
)
def _take_address(fresh: Tensor, serial: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the address of a pass, the next address and the next serial; for compiled graphs.

    The arguments decide the result, except where a region is recomputed. So a compiler may repeat
    the call, move it, or leave it out.
    """
    repeated = repeated_traced_address(_name_of, serial, fresh)
    if torch.is_inference_mode_enabled():
        with _unseen():
            return _results(repeated, fresh, serial)
    return _results(repeated, fresh, serial)


def _results(
    repeated: Tensor | None, fresh: Tensor, serial: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    if repeated is None:
        return fresh.clone(), _following(fresh), serial.clone()
    return repeated.clone(), fresh.clone(), serial + _ONE_REPLAY


@_take_address.register_fake
def _(fresh: Tensor, serial: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(fresh), torch.empty_like(fresh), torch.empty_like(serial)
