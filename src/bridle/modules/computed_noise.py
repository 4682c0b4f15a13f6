"""DropConnect on a weight that a module computes: a parametrized, pruned or normalized one."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.modules.effective import EffectiveWeight
from bridle.modules.noise_hooks import WeightNoise
from bridle.noise import Multiplier

__all__ = ["ComputedWeightNoise"]


class ComputedWeightNoise(WeightNoise):
    """DropConnect or weight-drop on the weight itself, not on the parameters that it comes from.

    A parametrization's result is masked where the module reads it. A weight that a hook writes into
    the module, as pruning does, is masked there during the module's forward. In either case a
    stand-in for the module holds the weight while it is masked.
    """

    def __init__(
        self, noise: Multiplier, weight: EffectiveWeight, *, seed: int, stream: int
    ) -> None:
        super().__init__(
            weight.full_name,
            noise,
            host=weight.module,
            attribute=weight.name,
            seed=seed,
            stream=stream,
        )
        self.weight = weight
        self._stand_in = self.module = nn.Module()
        self._runs = False
        self._written: Tensor | None = None
        self._masked: Tensor | None = None

    def install(self, module: nn.Module) -> list[Any]:
        """Register the hooks; return the handles that remove them."""
        inner = self.weight.parametrization
        handles = [
            module.register_forward_pre_hook(self.begin),
            module.register_forward_hook(self.end, always_call=True),
        ]
        return handles if inner is None else [*handles, inner.register_forward_hook(self.mask)]

    def begin(self, module: nn.Module, args: tuple[Any, ...]) -> None:  # noqa: ARG002
        """Let the masked weight stand for the weight."""
        self._runs = True
        if self.weight.parametrization is not None:
            return
        self._written = vars(self.weight.module).get(self.weight.name)
        if self._written is None:
            raise UsageError(
                f"{self.name} is not computed by {self.weight.method} any more: call "
                "receipt.undo(), and regularize again"
            )
        # recurrent layers note it in their list of weights, too
        setattr(self.weight.module, self.weight.name, self._mask_of(self._written))

    def mask(self, inner: nn.Module, args: Any, weight: Tensor) -> Tensor:  # noqa: ARG002
        """Return the masked weight while the module's forward runs."""
        return self._mask_of(weight) if self._runs else weight

    def end(self, module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG002
        """Let the weight be the unmasked one again."""
        if self._written is not None:
            setattr(self.weight.module, self.weight.name, self._written)
        self._runs, self._written, self._masked = False, None, None

    def _mask_of(self, weight: Tensor) -> Tensor:
        """Return the masked weight; a module that reads it twice gets the same mask."""
        if self._masked is None:
            host, stand_in = self.host, self._stand_in
            stand_in.training = host.training
            stand_in._parameters[self.attribute] = cast(nn.Parameter, weight)
            self.host = stand_in
            try:
                self.cover(stand_in, ())
                self._masked = cast(Tensor, getattr(stand_in, self.attribute))
                self.uncover(stand_in, (), None)
            finally:
                self.host = host
                stand_in._parameters.clear()
        return self._masked
