"""Finite differences of a loss in random directions, against its gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bridle.audit.replay import Gradients, Replay
from bridle.audit.sandbox import Sandbox

__all__ = ["Difference", "compare", "refined"]

_DIRECTIONS = 3
_LARGEST, _NAMED = 64, 4  # parameters examined one by one, and named


@dataclass(frozen=True)
class Difference:
    """The outcome: the parameters whose gradient is not the derivative, and the evidence.

    ``reason`` says why the comparison could not be made. ``is_flat`` says that the loss does not
    change in any direction.
    """

    parameters: tuple[str, ...] = ()
    evidence: str = ""
    reason: str = ""
    is_flat: bool = False


@dataclass(frozen=True)
class _Pair:
    """The slope that the gradient gives, the measured one, and their uncertainty."""

    given: float
    measured: float
    size: float
    uncertain: float

    @property
    def off(self) -> float:
        return abs(self.given - self.measured)


def refined(sandbox: Sandbox, like: Replay) -> Difference | None:
    """Compare in double precision; None if the model cannot run in it."""
    try:
        replay = Replay(
            sandbox, dtype=torch.float64, change=like.change, wrap=like.wrap, mode=like.mode
        )
        base = replay.gradients()
    except Exception:  # the model or the loss has parts of another precision
        return None
    if not base.is_usable:
        return Difference(reason=base.reason)
    return compare(replay, base)


def compare(replay: Replay, base: Gradients, *, confirm: bool = False) -> Difference:
    """Compare the gradient of a replay with differences of its loss in random directions.

    ``confirm`` asks for a large difference in every direction: in double precision there is none.
    """
    if replay.rounding > 1e-5:
        return Difference(reason="the precision of the weights is too low for differences")
    everything = list(replay.parameters)
    sizes = {name: float(base.gradients[name].double().norm()) for name in everything}
    largest = max(sizes.values(), default=0.0)
    fine = replay.rounding < 1e-12
    if not largest and not fine:
        return Difference(reason="the gradient is 0")
    pairs = [_measure(replay, base, everything, sizes, seed=seed) for seed in range(_DIRECTIONS)]
    clear = [pair for pair in pairs if pair.uncertain < 0.2 * pair.size]
    if len(clear) < 2:
        reason = "differences of the loss are too uncertain: it has kinks, or a coarse rounding"
        return Difference(reason=reason, is_flat=all(not p.measured for p in pairs))
    tolerance = 5e-3 if fine else 0.25 if confirm else 0.1
    wrong = [pair for pair in clear if pair.off > tolerance * pair.size + 3 * pair.uncertain]
    if confirm and len(wrong) < _DIRECTIONS:
        wrong = []
    flat = all(abs(pair.measured) < 1e-9 * pair.size for pair in clear)
    if len(wrong) < 2:
        worst = max(pair.off / pair.size for pair in clear)
        bound = 10.0 ** math.ceil(math.log10(max(worst, 1e-12)))
        return Difference(
            evidence=f"in {len(clear)} directions, differences of the loss agree with the "
            f"gradient within {bound:.0e} of its size",
            is_flat=flat,
        )
    evidence = (
        f"along a random direction it gives the slope {wrong[0].given:.4g}, but the loss has the "
        f"slope {wrong[0].measured:.4g}"
    )
    return Difference(_wrong_ones(replay, base, sizes, tolerance), evidence, is_flat=flat)


def _wrong_ones(
    replay: Replay, base: Gradients, sizes: dict[str, float], tolerance: float
) -> tuple[str, ...]:
    """Return the parameters whose own gradients are not the derivatives."""
    found = []
    for name in list(sizes)[:_LARGEST]:
        wrong = 0
        for seed in range(2):
            pair = _measure(replay, base, [name], sizes, seed=seed)
            clear = pair.uncertain < 0.2 * pair.size
            wrong += clear and pair.off > tolerance * pair.size + 3 * pair.uncertain
        if wrong == 2:
            found.append(name)
        if len(found) == _NAMED:
            break
    return tuple(found) or tuple(sizes)[:1]


def _measure(
    replay: Replay, base: Gradients, names: list[str], sizes: dict[str, float], *, seed: int
) -> _Pair:
    """Return both slopes along a random direction of some parameters."""
    largest = max((sizes[name] for name in names), default=0.0) or 1.0
    fine = replay.rounding < 1e-12
    direction, given, squares, reach = {}, 0.0, 0.0, float("inf")
    for place, name in enumerate(names):
        weight, gradient = replay.parameters[name].detach(), base.gradients[name]
        chosen = _direction(weight, gradient, seed=1000 * seed + place, fine=fine)
        chosen = chosen / max(sizes[name], 1e-2 * largest)
        length = float(chosen.double().norm())
        if not length:
            continue
        direction[name] = chosen
        slope = float((gradient.double() * chosen.double()).sum())
        given, squares = given + slope, squares + slope**2
        scale = float(weight.double().norm()) + 1e-3 * weight.numel() ** 0.5
        reach = min(reach, scale / length)
    if fine:
        step = 1e-5 * reach
    else:
        step = min(1e-2 * reach, 3e-3 * max(abs(base.loss), 1e-3) / max(abs(given), 1e-12))
    slopes = []
    for size in (step, step / 4):
        above, below = (float(replay.value(direction, by).detach()) for by in (size, -size))
        slopes.append((above - below) / (2 * size))
    rounding = (5 * replay.rounding * abs(base.loss) + base.noise) / step
    size = max(squares**0.5, abs(given), *map(abs, slopes), 1e-300)
    return _Pair(given, slopes[0], size, abs(slopes[0] - slopes[1]) + rounding)


def _direction(weight: Tensor, gradient: Tensor, *, seed: int, fine: bool) -> Tensor:
    """Return a random direction; in coarse precision, one along which the loss changes clearly."""
    generator = torch.Generator(weight.device).manual_seed(seed)
    random = torch.empty_like(weight).normal_(generator=generator)
    if fine:
        return random
    norm = float(gradient.double().norm()) or 1.0
    return gradient / norm * (random > 0)
