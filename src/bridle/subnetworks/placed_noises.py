"""The noises of :func:`bridle.regularize`, made to act in evaluation: one subnetwork a pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from bridle.modules.noise_hooks import UnitNoise, WeightNoise, noises_of
from bridle.noise import Multiplier
from bridle.ops import address_of
from bridle.subnetworks.noise_mode import shifted_rows

__all__ = ["HookedAct", "PlacedNoises"]

Act = Callable[[Any], Tensor]


class HookedAct:
    """The hooks of a unit noise, with another function in place of the noise."""

    def __init__(self, place: UnitNoise, act: Act) -> None:
        self.place, self.act = place, act

    def after(self, module: nn.Module, args: Any, output: Any) -> Any:  # noqa: ARG002
        """Return the output with its first tensor replaced."""
        return self.place._on_first(output, self.act)

    def before(self, module: nn.Module, args: Any, kwargs: Any) -> Any:  # noqa: ARG002
        """Return the inputs with the first one replaced."""
        if args:
            return (self.place._on_first(args[0], self.act), *args[1:]), kwargs
        return args, self.place._on_first(kwargs, self.act)


class _MaskedWeight:
    """In place of a weight's noise: its prediction is the masked weight of a subnetwork."""

    def __init__(self, noises: PlacedNoises, place: WeightNoise) -> None:
        self._noises, self._place, self._noise = noises, place, place.noise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._noise, name)

    def predict(self, weight: Tensor) -> Tensor:
        if not self._noises.act:
            return self._noise.predict(weight)
        noise: Any = self._noise
        return noise.train(weight, self._noises.address(self._place, weight.device), row=0)


class PlacedNoises:
    """The noises in a model; :meth:`switched_on` makes them act in evaluation mode.

    Subnetwork k has the masks of training pass k. If a module runs n times in a pass, its calls
    have the steps from ``n k`` on, as in training.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.places = noises_of(model)
        self.act = True
        self._per_pass: Counter[int] = Counter()
        self.begin(0)

    @property
    def streams(self) -> int:
        """The number of streams from 0 that the noises use."""
        return max((self._own_address(each)[1] + 1 for each in self.places), default=0)

    def begin(self, step: int, start: int = 0, batch: int = 0) -> None:
        """Begin a pass: subnetwork ``step``, on a batch of examples from row ``start``."""
        self._step, self._start, self._batch = step, start, batch
        self._calls: Counter[int] = Counter()

    def count_calls(self) -> None:
        """Take the calls of this pass as those of every pass."""
        self._per_pass = self._calls

    def address(self, place: UnitNoise | WeightNoise, device: torch.device) -> Tensor:
        """Return the address of a noise's next call, int64 ``[3]``."""
        seed, stream = self._own_address(place)
        call = self._calls[id(place)]
        self._calls[id(place)] += 1
        step = self._step * max(1, self._per_pass[id(place)]) + call
        return address_of(seed, stream, step).to(device)

    @staticmethod
    def _own_address(place: UnitNoise | WeightNoise) -> tuple[int, int]:
        seed, stream = place.counter.next_address[:2].tolist()
        return seed, stream

    def _on_units(self, place: UnitNoise) -> Act:
        noise: Any = place.noise

        def act(x: Tensor | PackedSequence) -> Tensor:
            data = x.data if isinstance(x, PackedSequence) else x
            address = self.address(place, data.device)
            if not self.act:
                return noise.predict(data)
            if isinstance(x, PackedSequence):
                return noise.train_packed(x, address)
            rows = shifted_rows(noise.rows_of(x), self._start, self._batch, x.device)
            return noise.train(x, address, rows=rows)

        return act

    @contextmanager
    def switched_on(self) -> Iterator[None]:
        """Let the noises act with the masks of the subnetwork that :meth:`begin` names."""
        replaced: list[tuple[Any, Any, Any]] = []
        weights: list[tuple[WeightNoise, Multiplier]] = []
        try:
            for module in self.model.modules():
                for hooks in (module._forward_pre_hooks, module._forward_hooks):
                    for key, hook in list(hooks.items()):
                        place = getattr(hook, "__self__", None)
                        if isinstance(place, UnitNoise):
                            other = HookedAct(place, self._on_units(place))
                            replaced.append((hooks, key, hook))
                            hooks[key] = getattr(other, place.where)
            for place in self.places:
                if isinstance(place, WeightNoise):
                    weights.append((place, place.noise))
                    place.noise = _MaskedWeight(self, place)  # type: ignore[assignment]
            yield
        finally:
            for hooks, key, hook in replaced:
                hooks[key] = hook
            for weighted, noise in weights:
                weighted.noise = noise
