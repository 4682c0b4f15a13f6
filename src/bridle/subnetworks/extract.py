"""The subnetworks of any module that :func:`bridle.regularize` put noises into."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils import _pytree as pytree

from bridle.errors import UsageError
from bridle.modules.noise_hooks import UnitNoise, WeightNoise, noises_of
from bridle.networks.population import Network
from bridle.networks.thinning import addresses, check_name, check_noise
from bridle.sparsity.compaction import compact
from bridle.sparsity.compaction.recognize import is_layer
from bridle.sparsity.compaction.stages import Pool, Spread
from bridle.sparsity.compaction.walk import Link, Root, Untraceable, plan_of

__all__ = ["FixedMask", "subnetwork"]


class FixedMask(nn.Module):
    """Multiplies by a mask that stays the same.

    Parameters
    ----------
    mask : Tensor
        ``[1, ...]``: of one row, a buffer.

    Examples
    --------
    >>> import torch
    >>> FixedMask(torch.tensor([[0.0, 2.0]]))(torch.ones(3, 2))[0]
    tensor([0., 2.])
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, X: Tensor) -> Tensor:
        """Return the product; what is dropped is 0."""
        return X * self.mask


def subnetwork(
    model: nn.Module, k: int, example: Tensor | tuple[Tensor, ...] | None = None
) -> nn.Module:
    """Return the ``k``-th subnetwork of a model with noises: a plain module, smaller, without any.

    Of each noise it has the mask of the address (seed, stream, ``k``), row 0: what the first row
    of the batch met in the ``k``-th training pass, counted from 0. Masks are folded into the
    weights, and :func:`bridle.compact` takes out the units that are dropped, in chains of Linear,
    Conv2d and batch normalization. Where units cannot go (a mask that differs from pixel to pixel,
    or in front of an activation that a mask cannot pass), they stay, times the mask:
    :class:`FixedMask`, which holds for the example's sizes. Its outputs are those of the masked
    model, to rounding, with all else as in ``eval()``; this is made sure of on the example.

    Parameters
    ----------
    model : torch.nn.Module
        With noises by :func:`bridle.regularize`; it is not changed. Or a :class:`bridle.Network`,
        whose own ``subnetwork`` this calls.
    k : int
        The number of the subnetwork, from 0.
    example : Tensor or tuple of Tensor, optional
        A batch of the arguments that ``model`` takes, for its shapes. A model whose first layer is
        a Linear needs none.

    Returns
    -------
    torch.nn.Module
        In the mode of the given one.

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
    check_name(k)
    if isinstance(model, Network):
        return model.subnetwork(k)
    if not noises_of(model):
        raise UsageError(
            f"{type(model).__name__} has no noise, so that it has no subnetworks: put one in with "
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
        small = _smaller(copy.deepcopy(plain), masks, batch)
        found = small if small is not None and _same(masked, small, batch) else masked
    return found.train(model.training)


Place = tuple[str, UnitNoise]
Masked = tuple[str, UnitNoise, Tensor]
Seen = Tensor | PackedSequence
Act = Callable[[Any], Tensor]


def _first_linear(model: nn.Module) -> Tensor:
    first = next((each for each in model.modules() if each._parameters), None)
    if not isinstance(first, nn.Linear):
        raise UsageError(
            f"the shapes in {type(model).__name__} depend on its input: give an example, a batch "
            "as its forward takes it"
        )
    return torch.zeros(1, first.in_features).to(first.weight)


def _without_noises(model: nn.Module, k: int) -> tuple[nn.Module, list[Place]]:
    """Return a copy in ``eval()`` with its weights masked, and where its noises on units stood."""
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
                elif hooks is module._forward_hooks:  # it has two hooks
                    _mask_weight(owner, k)
    return plain, list(places.values())


def _mask_weight(place: WeightNoise, k: int) -> None:
    weight = place.host._parameters[place.attribute]
    if weight is None:
        return
    seed, stream = place.counter.next_address[:2].tolist()
    masked = place.noise.train(weight.detach(), addresses(seed, stream, [k])[0])
    # a parameter of its own: where the weight is tied, the others read it as it was
    new = nn.Parameter(masked.clone(), requires_grad=weight.requires_grad)
    setattr(place.host, place.attribute, new)


def _masks(
    plain: nn.Module, places: list[Place], k: int, batch: tuple[Tensor, ...]
) -> list[Masked]:
    """Return what each noise on units multiplies row 0 by, ``[1, ...]``."""
    probe = copy.deepcopy(plain)
    seen: list[list[Seen]] = []
    for path, place in places:
        met: list[Seen] = []
        seen.append(met)
        _hook(probe.get_submodule(path), place, _Witness(met))
    try:
        _outputs(probe, batch)
    except Exception as error:  # user code can raise anything
        shapes = ", ".join(str(list(part.shape)) for part in batch)
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"the example of shape {shapes} does not fit the model ({reason}); give a batch as its "
            "forward takes it, a Tensor or a tuple of Tensors"
        ) from error
    masks = []
    for (path, place), met in zip(places, seen, strict=True):
        if len(met) > 1:
            raise UsageError(
                f"{place.name!r} runs {len(met)} times in a pass, each with a mask of its own, so "
                "that no one subnetwork computes it"
            )
        check_noise(place.noise)
        noise: Any = place.noise
        for x in met:
            if isinstance(x, PackedSequence) or place.noise.rows_of(x) != x.shape[0]:
                raise UsageError(
                    f"{place.noise} at {place.name!r} has its examples in another place than the "
                    "first axis, where a subnetwork's mask is taken: give batch_first=True, or "
                    "leave this noise out"
                )
            seed, stream = place.counter.next_address[:2].tolist()
            rows = torch.zeros(1, dtype=torch.int64, device=x.device)
            address = addresses(seed, stream, [k])[0]
            masks.append((path, place, noise.train(torch.ones_like(x[:1]), address, rows=rows)))
    return masks


class _Witness:
    """Notes what it is called with, and hands it on."""

    def __init__(self, met: list[Seen]) -> None:
        self.met = met

    def __call__(self, x: Seen) -> Tensor:
        self.met.append(x)
        return x.data if isinstance(x, PackedSequence) else x


class _Acting:
    """The hooks of a noise on units, with another action."""

    def __init__(self, place: UnitNoise, act: Act) -> None:
        self.place, self.act = place, act

    def after(self, module: nn.Module, args: Any, output: Any) -> Any:  # noqa: ARG002
        return self.place._on_first(output, self.act)

    def before(self, module: nn.Module, args: Any, kwargs: Any) -> Any:  # noqa: ARG002
        if args:
            return (self.place._on_first(args[0], self.act), *args[1:]), kwargs
        return args, self.place._on_first(kwargs, self.act)


def _hook(module: nn.Module, place: UnitNoise, act: Act) -> None:
    acting = _Acting(place, act)
    if place.where == "after":
        module.register_forward_hook(acting.after)
    else:
        module.register_forward_pre_hook(acting.before, with_kwargs=True)


def _smaller(model: nn.Module, masks: list[Masked], batch: tuple[Tensor, ...]) -> nn.Module | None:
    """Return the model with masks in its weights where they can be, and dropped units cut out."""
    try:
        links = plan_of(Root(copy.deepcopy(model), len(batch)), batch).links
    except Untraceable:
        links = []
    modules, whole = dict(model.named_modules()), model
    for path, place, mask in masks:
        module = modules[path]
        if _fold(modules, links, path, place.where, mask):
            continue
        both = nn.Sequential()
        parts = [("layer", module), ("mask", FixedMask(mask))]
        for name, part in parts if place.where == "after" else reversed(parts):
            both.add_module(name, part)
        if module is model:
            whole = both
        for parent in list(model.modules()):
            for key, child in parent._modules.items():
                if child is module and parent is not both:
                    parent._modules[key] = both
    try:
        return compact(whole, batch).model
    except UsageError:  # a Sequential cannot stand where forward reads a module's attributes
        return None


def _fold(
    modules: dict[str, nn.Module], links: list[Link], path: str, where: str, mask: Tensor
) -> bool:
    """Put a mask into the weights beside it; return whether that could be."""
    layer = modules[path]
    if _plain_layer(layer):
        if where == "after":
            return _scale(layer, 0, _by_unit(mask))
        return _scale(layer, 1, _by_unit(mask))
    for link in links:
        for index, stage in enumerate(link.stages):
            if stage.name != path:
                continue
            behind = link.stages[index + (where == "after") :]
            if not all(isinstance(each, Pool | Spread) for each in behind):
                return False  # an activation or a norm, which a factor cannot pass
            factors = _by_unit(mask)
            if factors is None and all(isinstance(each, Spread) for each in behind):
                factors = mask.flatten()
            elif factors is not None:
                for each in behind:
                    factors = factors.repeat_interleave(each.factor)
            consumer = modules[link.consumer.removeprefix("model").removeprefix(".")]
            return _scale(consumer, 1, factors)
    return False


def _plain_layer(module: nn.Module) -> bool:
    return is_layer(module) and set(module._parameters) == {"weight", "bias"}


def _by_unit(mask: Tensor) -> Tensor | None:
    """Return a mask's factor for each unit, or None where it differs within one."""
    if mask.ndim == 4:
        flat = mask[0].flatten(1)
        return flat[:, 0].clone() if bool((flat == flat[:, :1]).all()) else None
    flat = mask.reshape(-1, mask.shape[-1])
    return flat[0].clone() if bool((flat == flat[:1]).all()) else None


def _scale(layer: nn.Module, axis: int, factors: Tensor | None) -> bool:
    """Multiply a layer's rows (its units, with the bias) or columns; return whether it could be."""
    weight = cast(Tensor, layer.weight)
    grouped = isinstance(layer, nn.Conv2d) and layer.groups != 1 and axis == 1
    if factors is None or grouped or len(factors) != weight.shape[axis]:
        return False
    shape = [1] * weight.ndim
    shape[axis] = -1
    bias = cast("Tensor | None", layer.bias)
    for name, value, factor in (
        ("weight", weight, factors.view(shape)),
        ("bias", bias, factors),
    ):
        if value is not None and (name == "weight" or axis == 0):
            scaled = nn.Parameter(value.detach() * factor, requires_grad=value.requires_grad)
            setattr(layer, name, scaled)  # of its own, where the weights are tied
    return True


def _outputs(model: nn.Module, batch: tuple[Tensor, ...]) -> Any:
    return model(*(part.clone() for part in batch))


def _same(masked: nn.Module, small: nn.Module, batch: tuple[Tensor, ...]) -> bool:
    """Whether both compute the same, to rounding: a last safeguard."""
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
