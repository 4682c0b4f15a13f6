"""``subnetwork``: subnetwork k of any module with noises from :func:`bridle.regularize`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils import _pytree as pytree

from bridle.errors import UsageError
from bridle.modules.computed_noise import ComputedWeightNoise
from bridle.modules.noise_hooks import UnitNoise, WeightNoise, noises_of
from bridle.networks.population import Network
from bridle.networks.thinning import addresses, check_index, check_noise
from bridle.sparsity.probing import misfit
from bridle.subnetworks.mask_folding import FixedMask, PlacedMask, fold_masks
from bridle.subnetworks.placed_noises import HookedAct

__all__ = ["subnetwork"]


def subnetwork(
    model: nn.Module, k: int, example: Tensor | tuple[Tensor, ...] | None = None
) -> nn.Module:
    """Return subnetwork ``k`` of a model with noises: a smaller module without noise.

    Each noise has the mask of the address (seed, stream, ``k``), row 0: the mask of the batch's
    first row in training pass ``k``, counted from 0. Masks are folded into the weights, and
    :func:`bridle.compact` removes the dropped units. A unit cannot be removed if its mask differs
    from pixel to pixel, or if the mask stands before an activation. Such units stay, and a
    :class:`FixedMask` multiplies them by the mask; it is valid for inputs of the example's size.
    The outputs equal those of the masked model in ``eval()`` mode, up to rounding. This is checked
    on the example.

    Parameters
    ----------
    model : torch.nn.Module
        A model with noises from :func:`bridle.regularize`; it is not changed. For a
        :class:`bridle.Network` this calls its own ``subnetwork``.
    k : int
        The number of the subnetwork, from 0.
    example : Tensor or tuple of Tensor, optional
        A batch, or the tuple of arguments that ``model`` takes; only its shapes matter. Not needed
        if the first layer is a Linear.

    Returns
    -------
    torch.nn.Module
        In the same mode (training or evaluation) as ``model``.

    Raises
    ------
    UsageError
        If ``k`` is negative, if the model has no noise, if an example is needed or does not fit,
        or if a module with a noise runs more than once in a pass.

    Examples
    --------
    >>> import torch, bridle
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> receipt = bridle.regularize(model, {nn.ReLU: bridle.Dropout(keep_prob=0.5)})
    >>> small = bridle.subnetwork(model, 0)
    >>> small
    Sequential(
      (0): Linear(in_features=4, out_features=2, bias=True)
      (1): ReLU()
      (2): Linear(in_features=2, out_features=2, bias=True)
    )
    >>> X = torch.randn(1, 4)
    >>> torch.allclose(model(X), small(X), atol=1e-6)  # the first training pass
    True
    """
    check_index(k)
    if isinstance(model, Network):
        return model.subnetwork(k)
    if not noises_of(model):
        raise UsageError(
            f"{type(model).__name__} has no noise, so it has no subnetworks: add noise with "
            "bridle.regularize(model, {...: bridle.Dropout(keep_prob=0.5)})"
        )
    given = _first_linear(model) if example is None else example
    batch = given if isinstance(given, tuple) else (given,)
    with torch.no_grad():
        plain, places = _without_noises(model, k)
        masks = _masks(plain, places, k, batch)
        masked = copy.deepcopy(plain)
        for path, place, mask in masks:
            _hook(masked.get_submodule(path), place, FixedMask(mask))
        small = fold_masks(copy.deepcopy(plain), masks, batch)
        found = small if small is not None and _same(masked, small, batch) else masked
    return found.train(model.training)


Place = tuple[str, UnitNoise]
Input = Tensor | PackedSequence


def _first_linear(model: nn.Module) -> Tensor:
    first = next((each for each in model.modules() if each._parameters), None)
    if not isinstance(first, nn.Linear):
        raise UsageError(
            f"the first layer of {type(model).__name__} is not a Linear, so the input's shape is "
            "unknown: give example=, a batch as its forward takes it"
        )
    return torch.zeros(1, first.in_features).to(first.weight)


def _without_noises(model: nn.Module, k: int) -> tuple[nn.Module, list[Place]]:
    """Return a copy in ``eval()`` mode with masked weights, and the places of its unit noises."""
    plain = copy.deepcopy(model).eval()
    places: dict[int, Place] = {}
    for path, module in plain.named_modules():
        for hooks, beside in (
            (module._forward_pre_hooks, [module._forward_pre_hooks_with_kwargs]),
            (
                module._forward_hooks,
                [module._forward_hooks_with_kwargs, module._forward_hooks_always_called],
            ),
        ):
            for key, hook in list(hooks.items()):
                owner = getattr(hook, "__self__", None)
                if not isinstance(owner, UnitNoise | WeightNoise):
                    continue
                for each in (hooks, *beside):
                    each.pop(key, None)
                if isinstance(owner, UnitNoise):
                    places[id(owner)] = path, owner
                elif hooks is module._forward_hooks:  # a weight noise has two hooks; mask once
                    _mask_weight(owner, k)
    return plain, list(places.values())


def _mask_weight(place: WeightNoise, k: int) -> None:
    if isinstance(place, ComputedWeightNoise):
        raise UsageError(
            f"{place.name} is computed by {place.weight.method}, and a subnetwork has plain "
            "weights: make it plain first, by remove_parametrizations or prune.remove"
        )
    weight = place.host._parameters[place.attribute]
    if weight is None:
        return
    seed, stream = place.counter.next_address[:2].tolist()
    masked = place.noise.train(weight.detach(), addresses(seed, stream, [k])[0])
    # a new parameter: if the weight is tied, the other modules keep the unmasked one
    new = nn.Parameter(masked.clone(), requires_grad=weight.requires_grad)
    setattr(place.host, place.attribute, new)


def _masks(
    plain: nn.Module, places: list[Place], k: int, batch: tuple[Tensor, ...]
) -> list[PlacedMask]:
    """Return the mask of each unit noise for row 0, ``[1, ...]``."""
    probe = copy.deepcopy(plain)
    inputs: list[list[Input]] = []
    for path, place in places:
        recorded: list[Input] = []
        inputs.append(recorded)
        _hook(probe.get_submodule(path), place, _InputRecorder(recorded))
    try:
        _outputs(probe, batch)
    except Exception as error:  # user code can raise anything
        raise misfit(batch, error) from error
    masks = []
    for (path, place), recorded in zip(places, inputs, strict=True):
        if len(recorded) > 1:
            raise UsageError(
                f"{place.name!r} runs {len(recorded)} times in a pass, each time with another "
                "mask, so no single subnetwork computes it: leave this noise out"
            )
        check_noise(place.noise)
        noise: Any = place.noise
        for x in recorded:
            if isinstance(x, PackedSequence) or place.noise.rows_of(x) != x.shape[0]:
                raise UsageError(
                    f"{place.noise} at {place.name!r} does not have its examples on the first "
                    "axis: give batch_first=True, or leave this noise out"
                )
            seed, stream = place.counter.next_address[:2].tolist()
            rows = torch.zeros(1, dtype=torch.int64, device=x.device)
            address = addresses(seed, stream, [k])[0]
            masks.append((path, place, noise.train(torch.ones_like(x[:1]), address, rows=rows)))
    return masks


class _InputRecorder:
    """Records its inputs, and returns them unchanged."""

    def __init__(self, inputs: list[Input]) -> None:
        self.inputs = inputs

    def __call__(self, x: Input) -> Tensor:
        self.inputs.append(x)
        return x.data if isinstance(x, PackedSequence) else x


def _hook(module: nn.Module, place: UnitNoise, act: Callable[[Any], Tensor]) -> None:
    hooks = HookedAct(place, act)
    if place.where == "after":
        module.register_forward_hook(hooks.after)
    else:
        module.register_forward_pre_hook(hooks.before, with_kwargs=True)


def _outputs(model: nn.Module, batch: tuple[Tensor, ...]) -> Any:
    return model(*(part.clone() for part in batch))


def _same(masked: nn.Module, small: nn.Module, batch: tuple[Tensor, ...]) -> bool:
    """Whether both models give the same outputs, up to rounding: a final check."""
    try:
        pairs = zip(
            pytree.tree_leaves(_outputs(copy.deepcopy(masked).eval(), batch)),
            pytree.tree_leaves(_outputs(copy.deepcopy(small).eval(), batch)),
            strict=True,
        )
        for old, new in pairs:
            if isinstance(old, Tensor) and old.is_floating_point():
                slack = torch.finfo(old.dtype).eps ** 0.5
                largest = max(float(old.abs().max()) if old.numel() else 0.0, slack)
                if not torch.allclose(new, old, 0.0, slack * largest, equal_nan=True):
                    return False
    except (ValueError, RuntimeError, AttributeError, TypeError):
        return False
    return True
