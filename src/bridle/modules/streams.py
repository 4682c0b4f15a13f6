"""Streams: no two noises of one model draw the same masks.

``regularize`` numbers the streams of a model's noises from 0, and leaves out those that the model
already has. So equal programs have equal masks. Parts that are regularized separately have equal
streams at first. They are told apart at the first training pass that they make in one module. Parts
that only meet in a loss are refused in its backward pass.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from types import FrameType
from typing import Any
from weakref import WeakSet, WeakValueDictionary, ref

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.ops.custom_op import is_eager

__all__ = ["Addressed", "check_seed", "free_streams", "noises_in", "seed_of"]

_NOT_COPIED = {"_rivals", "_layout"}
_trained: WeakValueDictionary[tuple[int, int], WeakSet[Addressed]] = WeakValueDictionary()
_backward: dict[tuple[int, int], tuple[int, ref[Addressed], Tensor]] = {}


class Addressed:
    """A noise with the seed and the stream of its masks."""

    name: str
    where: str
    counter: Any
    _watched = False
    _rivals: WeakSet[Addressed] | None = None

    @property
    def key(self) -> tuple[int, int]:
        """The seed and the stream."""
        found: tuple[int, int] | None = self.__dict__.get("_key")
        if found is None:
            seed, stream = self.counter.next_address[:2].tolist()
            found = self._key = (seed, stream)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _NOT_COPIED}

    def move_to(self, stream: int) -> None:
        """Use another stream from the next pass on."""
        seed, now = self.key
        if stream == now:
            return
        if self._rivals is not None:
            self._rivals.discard(self)
            self._rivals = None
        # the address that a graph has read is not changed in place
        step = torch.tensor([0, stream - now, 0], device=self.counter.next_address.device)
        self.counter.next_address = self.counter.next_address + step
        self._key = (seed, stream)

    def is_training(self, module: nn.Module) -> bool:
        """Whether the noise on a module acts."""
        return bool(getattr(self, "host", module).training)

    def tell_apart(self) -> None:
        """Move to a free stream if another noise of the running model draws the same masks."""
        # the first pass is watched, too: the second noise may follow
        self._watched = self._rivals is None or len(self._rivals) > 1
        if not self._watched:
            return
        rivals = self._join()
        if len(rivals) == 1:
            return
        root = outermost_module()
        present = [] if root is None else list(noises_in(root))
        if any(
            noise is not self and noise.key == self.key and noise.is_training(module)
            for module, noise in present
            if noise in rivals
        ):
            self.move_to(next(free_streams(self.key[0], (noise for _, noise in present))))
            self._join()

    def _join(self) -> WeakSet[Addressed]:
        """Join the noises with this key that have had a training pass, and return them."""
        rivals = _trained.get(self.key)
        if rivals is None:
            rivals = _trained[self.key] = WeakSet()
        rivals.add(self)
        self._rivals = rivals
        return rivals

    def watch(self, masked: Tensor, address: Tensor) -> None:
        """Let the backward pass refuse a second noise with the same mask."""
        if is_eager(masked) and self._watched and masked.requires_grad:
            masked.register_hook(partial(_refuse_second, ref(self), self.key, address))


def _refuse_second(
    noise: ref[Addressed],
    key: tuple[int, int],
    address: Tensor,
    grad: Tensor,  # noqa: ARG001
) -> None:
    task = torch._C._current_graph_task_id()
    other = _backward.get(key)
    if other is not None and other[0] == task and other[1] is not noise:
        mine, theirs = noise(), other[1]()
        if mine is not None and theirs is not None and torch.equal(address, other[2]):
            raise UsageError(
                f"dropout {theirs.where} {theirs.name!r} and dropout {mine.where} {mine.name!r} of "
                f"another model have the same masks, those of seed {key[0]} and stream {key[1]}, "
                "in one backward pass: give one of the models another seed=, or put both into one "
                "module and call that"
            )
    _backward[key] = (task, noise, address)


def noises_in(model: nn.Module) -> Iterator[tuple[nn.Module, Addressed]]:
    """Yield each noise in a model, with the module it is on, in the model's order."""
    seen = set()
    for module in model.modules():
        hooks = (*module._forward_pre_hooks.values(), *module._forward_hooks.values())
        owners = [getattr(hook, "__self__", None) for hook in hooks]
        # a replaced attention module has its noise in its forward
        owners.append(getattr(vars(module).get("forward"), "noise", None))
        for owner in owners:
            if isinstance(owner, Addressed) and id(owner) not in seen:
                seen.add(id(owner))
                yield module, owner


def free_streams(seed: int, noises: Iterable[Addressed]) -> Iterator[int]:
    """Yield the streams of a seed that none of the noises has, from the lowest."""
    taken = {noise.key for noise in noises}
    return (stream for stream in count() if (seed, stream) not in taken)


def seed_of(noises: Sequence[Addressed]) -> dict[str, int]:
    """Return the seed of noises for a checkpoint, unless it is 0."""
    return {"seed": noises[0].key[0]} if noises and noises[0].key[0] else {}


def check_seed(noises: Sequence[Addressed], state: Mapping[str, int | float]) -> None:
    """Raise a UsageError if a checkpoint was saved with another seed, and so with other masks."""
    saved = int(state.get("seed", 0))
    if not noises or saved == noises[0].key[0]:
        return
    own = noises[0].key[0]
    if "seed" not in state:
        raise UsageError(
            f"the checkpoint has no seed, so it was saved with seed=0, and these masks have "
            f"seed={own}: give seed=0, so that the run goes on as it was. If it was saved with "
            f"seed={own} by a version of bridle that saved no seeds, add {{'seed': {own}}} to it"
        )
    raise UsageError(
        f"the checkpoint was saved with seed={saved}, and these masks have seed={own}: give "
        f"seed={saved}, so that the run goes on as it was"
    )


def outermost_module() -> nn.Module | None:
    """Return the outermost module among the methods that are running, or None."""
    frames = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_varnames[:1] == ("self",):
            frames.append(frame)
        frame = frame.f_back
    for frame in reversed(frames):
        owner = frame.f_locals.get("self")
        if isinstance(owner, nn.Module):
            return owner
    return None
