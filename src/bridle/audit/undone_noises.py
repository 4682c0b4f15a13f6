"""The check of noise on outputs: no later hook of the module gives the output without it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten

from bridle.audit.records import Finding
from bridle.audit.sandbox import Sandbox
from bridle.modules.noise_hooks import UnitNoise
from bridle.modules.streams import noises_in

__all__ = ["check_undone_noises"]


class _Watch:
    """Keeps what a noise got and gave in its last pass, and what the module gave in the end."""

    def __init__(self, placed: UnitNoise) -> None:
        self._noise = placed.noise
        self._pair: tuple[Tensor, Tensor] | None = None
        self._undone: list[bool] = []

    @property
    def undone(self) -> bool:
        """Whether the noise was put back in all passes: in one of several, this may be meant."""
        return bool(self._undone) and all(self._undone)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._noise, name)

    def train(self, x: Tensor, address: Tensor, **options: Any) -> Tensor:
        given = x.detach().clone()  # the noise may act in place
        y: Tensor = self._noise.train(x, address, **options)
        self._pair = given, y.detach().clone()
        return y

    def at_the_end(self, module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG002
        if self._pair is None:
            return
        (x, y), self._pair = self._pair, None
        found = [each for each in tree_flatten(output)[0] if isinstance(each, Tensor)]
        if not torch.equal(x, y):
            self._undone.append(bool(found) and torch.equal(found[0], x))


def check_undone_noises(sandbox: Sandbox) -> list[Finding]:
    """Find noise on outputs that a hook of the user, registered later, puts back."""
    sandbox.start.restore()
    model, _ = sandbox.copies()
    watched: list[tuple[UnitNoise, _Watch]] = []
    for module, noise in noises_in(model):
        hooks = [getattr(hook, "__self__", None) for hook in module._forward_hooks.values()]
        if not isinstance(noise, UnitNoise) or noise not in hooks or hooks[-1] is noise:
            continue
        watch = _Watch(noise)
        noise.noise = watch  # type: ignore[assignment]
        module.register_forward_hook(watch.at_the_end)
        watched.append((noise, watch))
    if not watched:
        return []
    sandbox.loss_of(model)
    message = (
        "has no effect: a forward hook that was registered later gives the output without it; "
        "register that hook before bridle.regularize, or place the noise by bridle.Before at the "
        "next module"
    )
    return [
        Finding("noise inactive in training", "fail", f"{noise.where} {noise.name}", message)
        for noise, watch in watched
        if watch.undone
    ]
