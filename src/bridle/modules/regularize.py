"""``regularize``: add noises to a module and penalties to its optimizer, with a way to undo it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bridle.errors import UsageError
from bridle.modules.attachment import PenaltyRule
from bridle.modules.chosen import chosen_rules
from bridle.modules.computed_noise import ComputedWeightNoise
from bridle.modules.effective import EffectiveWeight
from bridle.modules.noise_hooks import UnitNoise, WeightNoise, let_compilers_see_hooks
from bridle.modules.placement import Before, Planned, check_places, plan
from bridle.modules.ranks import Ranks
from bridle.modules.receipt import Receipt
from bridle.modules.select import Selector
from bridle.modules.streams import free_streams, noises_in
from bridle.noise import Multiplier
from bridle.penalties import Sparsity

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup
    from torch.distributed.device_mesh import DeviceMesh

__all__ = ["Before", "Receipt", "regularize"]

Rule = Multiplier | Before | PenaltyRule | Sparsity
Rules = Mapping[Selector, Rule | Sequence[Rule]]


def regularize(
    model: nn.Module,
    rules: Rules,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    seed: int = 0,
    mode: str = "proximal",
    metric: str = "euclidean",
    process_group: ProcessGroup | None = None,
    mesh: DeviceMesh | None = None,
) -> Receipt:
    """Add noises to a model and penalties to its optimizer, without changing the model itself.

    Noises are forward hooks. Parameters (also tied ones), names, ``state_dict`` keys, dtype,
    device, mode, other hooks and an existing optimizer do not change. A mask has the address
    (seed, stream, step): each noise has its own stream, and each training pass is a step.

    Streams are numbered from 0, without those that the model already has. Parts that were
    regularized separately can have equal streams: at the first training pass that they make in one
    module, one of them moves to a free stream. Where they only meet in a loss, the backward pass
    raises a UsageError. A copy of a model has the masks of the original, as a resumed run has.

    Processes of ``torch.distributed`` with different data have different masks. Without
    ``process_group`` or ``mesh``, these are all processes, except those over which the parameters
    are tensor-parallel: these share the masks of what each of them holds as a whole. Of a DTensor,
    and of an activation that is divided over them, each process has its part of the whole's mask.

    Parameters
    ----------
    model : torch.nn.Module
    rules : mapping of selector to a rule, or to a sequence of rules
        See :data:`bridle.modules.Selector`. ``Dropout`` and its variants act on the output of the
        matching modules (the first element of a tuple), ``Before(Dropout(...))`` on the input,
        ``DropConnect`` on the weights in the forward pass, ``WeightDrop`` on the recurrent weights,
        a penalty or ``WeightDecay`` on the weights, and so does :class:`bridle.Sparsity`. If two
        rules of one kind match the same place, the later one holds.
    optimizer : torch.optim.Optimizer, optional
        Takes the penalties, and the rates that ``ConcreteDropout`` learns. Without it, call
        ``receipt.attach(optimizer)`` later.
    seed : int
        The seed of the masks.
    mode, metric : str
        How penalties act; see :func:`bridle.attach`.
    process_group : torch.distributed.ProcessGroup, optional
        The processes with different data.
    mesh : torch.distributed.device_mesh.DeviceMesh, optional
        Data differ along its dimensions, except along those with names such as "tp". Give one of
        ``process_group`` and ``mesh``.

    Returns
    -------
    Receipt
        Prints one line for each noise and penalty; ``undo()`` restores the model.

    Raises
    ------
    UsageError
        If a selector matches nothing, if a rule cannot act where it is placed, if the place
        already has a noise, under this or another name, or if this process is not in the group or
        the mesh. The model is then unchanged.

    Examples
    --------
    >>> import torch, bridle
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> rules = {nn.ReLU: bridle.Dropout(keep_prob=0.5), "*": bridle.L1(1e-3)}
    >>> receipt = bridle.regularize(model, rules, optimizer=optimizer)
    >>> print(receipt)
    Dropout(keep_prob=0.5, scaling='inverted') after 1 (stream 0)
    0.weight: L1(0.001), attached to SGD
    2.weight: L1(0.001), attached to SGD
    >>> receipt.undo()
    """
    if not isinstance(rules, Mapping) or not rules:
        found = "are no rules" if isinstance(rules, Mapping) else f"is {rules!r} as the rules"
        raise UsageError(
            f"there {found}; give a mapping such as {{'fc*': bridle.Dropout(keep_prob=0.5)}}"
        )
    ranks = Ranks(process_group, mesh)
    planned: Planned = {}
    penalties: dict[Selector, list[PenaltyRule | Sparsity]] = {}
    for selector, given in rules.items():
        for rule in given if isinstance(given, Sequence) else [given]:
            if isinstance(rule, Multiplier | Before):
                planned |= plan(model, selector, rule)
            elif isinstance(rule, PenaltyRule | Sparsity):
                penalties.setdefault(selector, []).append(rule)
            else:
                raise UsageError(
                    f"{rule!r} for {selector!r} is not a rule; give a noise such as Dropout, "
                    "Before(Dropout), a penalty, or WeightDecay"
                )
    check_places(model, planned)
    if penalties:  # check before the model is changed
        chosen_rules(model, penalties, mode=mode, metric=metric)
    noises, handles = _install(model, planned, seed, ranks)
    receipt = Receipt(model, noises, handles, penalties)
    if optimizer is not None and (penalties or receipt.learns):
        try:
            receipt.attach(optimizer, mode=mode, metric=metric)
        except BaseException:
            receipt.undo()
            raise
    return receipt


def _install(
    model: nn.Module, planned: Planned, seed: int, ranks: Ranks
) -> tuple[list[UnitNoise | WeightNoise], list[Any]]:
    if planned:
        let_compilers_see_hooks()
    streams = free_streams(seed, (noise for _, noise in noises_in(model)))
    noises: list[UnitNoise | WeightNoise] = []
    handles: list[Any] = []
    for ((where, name), (module, noise, place)), stream in zip(
        planned.items(), streams, strict=False
    ):
        made: UnitNoise | WeightNoise
        if place is None:
            made = UnitNoise(name, noise, where=where, seed=seed, stream=stream)
        elif isinstance(place, EffectiveWeight):
            made = ComputedWeightNoise(noise, place, seed=seed, stream=stream)
        else:
            made = WeightNoise(
                name, noise, host=place.module, attribute=place.name, seed=seed, stream=stream
            )
        made.ranks = ranks
        noises.append(made)
        handles += made.install(module)
    return noises, handles
