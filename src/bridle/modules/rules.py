"""From rules to the penalties of each parameter: by selector, by layout, by what is computed."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.modules.decaying import decay_among, penalties_among
from bridle.modules.effective import (
    EffectiveWeight,
    OfEffective,
    OnPruned,
    effective_weights,
    refuse_uncalled,
)
from bridle.modules.layout import placed
from bridle.modules.select import Place, Selector, select_places
from bridle.penalties import (
    Annealed,
    Grouped,
    GroupLasso,
    MaxNorm,
    NOfM,
    NuclearNorm,
    Penalty,
    SparseGroupLasso,
    WeightDecay,
    WeightedL1,
    at_step,
    check_application,
)
from bridle.penalties.annealing import inside, kind_of_penalty

__all__ = ["PenaltyRule", "check_rules", "check_weight", "penalties_by_name", "plain"]

PenaltyRule = Penalty | Annealed | WeightDecay
Chosen = dict[str, tuple[PenaltyRule, ...]]
"""The penalties of each parameter, by the parameter's qualified name."""


def penalties_by_name(
    model: nn.Module, rules: Mapping[Selector, PenaltyRule | Sequence[PenaltyRule]]
) -> Chosen:
    """Return the penalties of each selected parameter, in the model's order.

    Penalties of rows know their axes. A penalty of a weight that is computed from parameters is
    given to each of them as a function of it.

    Raises
    ------
    UsageError
        If a rule is no penalty, if a selector matches nothing, or if a penalty cannot act on a
        weight.
    """
    if not rules or not hasattr(rules, "items"):
        raise UsageError("there are no penalties; give a mapping such as {'*': bridle.L2(1e-4)}")
    computed = effective_weights(model)
    found: dict[str, dict[Hashable, PenaltyRule]] = {}
    places: dict[str, Place | EffectiveWeight] = {}
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    for selector, given in rules.items():
        each: list[Any] = list(given) if isinstance(given, Sequence) and given else [given]
        for penalty in each:
            # a penalty class passes the protocol's isinstance check too
            if isinstance(penalty, type) or not isinstance(penalty, PenaltyRule):
                raise UsageError(
                    f"{penalty!r} for {selector!r} is not a penalty; give one such as "
                    "bridle.L2(1e-4)"
                )
        chosen: dict[str, Place | EffectiveWeight] = {}
        for place in select_places(model, selector):
            chosen.setdefault(first[id(place.parameter)], place)
        _join_sources(chosen, computed, model)
        for name, at in chosen.items():
            places.setdefault(name, at)
            found.setdefault(name, {}).update({_kind_of(rule, at, model): rule for rule in each})
    bound: dict[str, list[PenaltyRule]] = {}
    once: dict[tuple[int, str], PenaltyRule] = {}  # one object for weights with equal rows
    for name, at in places.items():
        if isinstance(at, EffectiveWeight):
            _refuse_shared(at, model)
            for key, acting in _of_effective(at, list(found[name].values()), model):
                bound.setdefault(key, []).append(acting)
            continue
        check_weight(name, at.parameter)
        holder = _around(model, at.path)
        for rule in found[name].values():
            if isinstance(rule, WeightDecay):
                bound.setdefault(name, []).append(rule)
                continue
            acting = placed(rule, name, at.module, at.parameter.ndim, holder)
            _check_shape(name, acting, at.parameter)
            bound.setdefault(name, []).append(once.setdefault((id(rule), str(acting)), acting))
    order = [name for name, _ in model.named_parameters() if name in bound]
    return {name: tuple(bound[name]) for name in order}


def check_rules(chosen: Chosen, mode: str, metric: str) -> None:
    """Check that penalties can act in a mode and a metric.

    Raises
    ------
    UsageError
        As for :func:`bridle.penalties.check_application`, and if a penalty of a computed weight has
        no proximal step.
    """
    for given in chosen.values():
        decay, each = decay_among(given), penalties_among(given)
        if decay is not None and mode == "coupled":
            raise UsageError(
                f"{decay} acts beside the gradient, and has no coupled form: attach it with "
                "mode='proximal', in a call of its own"
            )
        penalties = at_step(each, 0)
        for rule in each:
            inner = rule.penalty if isinstance(rule, Annealed) else rule
            if mode == "proximal" and isinstance(inner, OfEffective):
                raise UsageError(inner.refusal())
        check_application(penalties, mode, metric)


def check_weight(name: str, weight: Tensor) -> None:
    """Raise a UsageError if a weight has no dense real numbers."""
    kind = str(weight.dtype).removeprefix("torch.")
    if weight.is_complex() or not weight.is_floating_point():
        way = "keep its real and imaginary parts as two parameters, or " * weight.is_complex()
        raise UsageError(
            f"{name} is {kind}, and penalties are functions of real floating-point weights: {way}"
            "leave it out of the rules"
        )
    if weight.layout != torch.strided:
        layout = str(weight.layout).removeprefix("torch.")
        raise UsageError(f"{name} is a {layout} tensor: store it dense to penalize it")


def _check_shape(name: str, rule: PenaltyRule, weight: Tensor) -> None:
    """Raise a UsageError if groups, runs or weights of a penalty do not fit a weight's shape."""
    penalty = plain(rule)
    if isinstance(penalty, Grouped | SparseGroupLasso | NOfM | NuclearNorm | WeightedL1):
        try:
            penalty.value(torch.empty(weight.shape, device="meta"))
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None


def plain(rule: Any) -> Penalty:
    """Return the penalty inside an annealed one, or one of a computed weight."""
    while isinstance(rule, Annealed | OfEffective | OnPruned):
        rule = rule.penalty
    return rule


def makes_zeros(penalty: Penalty) -> bool:
    """Whether the proximal step of a penalty gives exact zeros, which no average keeps."""
    if penalty.constraint and not isinstance(penalty, NOfM):
        return False
    return penalty.elastic is None or bool(torch.as_tensor(penalty.elastic[0]).any())


def _kind_of(rule: PenaltyRule, at: Place | EffectiveWeight, model: nn.Module) -> Hashable:
    """Return the kind of a rule for a weight; a later rule of one kind replaces it."""
    if isinstance(rule, WeightDecay):
        return WeightDecay
    sources = at.sources.values() if isinstance(at, EffectiveWeight) else (at.parameter,)
    axes = max(each.ndim for each in sources)
    if isinstance(plain(rule), GroupLasso | MaxNorm):  # the module decides the axes
        rule = placed(rule, at.full_name, at.module, axes, _around(model, at.path))
    return kind_of_penalty(rule, axes)


def _join_sources(
    chosen: dict[str, Place | EffectiveWeight],
    computed: Sequence[EffectiveWeight],
    model: nn.Module,
) -> None:
    """Replace the sources of a computed weight by the weight, where all of them are chosen."""
    for weight in computed:
        if any(name in chosen for name in weight.sources):
            refuse_uncalled(weight.path, weight.module, model)
        originals = {
            name: value
            for name, value in weight.sources.items()
            if weight.parametrization is None or name.rpartition(".")[2].startswith("original")
        }
        main = [name for name, value in originals.items() if value.ndim > 1] or list(originals)
        if main and all(name in chosen for name in main):
            for name in weight.sources:
                chosen.pop(name, None)
            chosen[weight.full_name] = weight
        elif len(main) > 1 and main[-1] in chosen and weight.of_norm:
            raise UsageError(
                f"{main[-1]} is the direction of {weight.full_name}, whose length does not change "
                f"the weight: select {weight.full_name!r}, or its lengths {main[0]!r}"
            )


def _refuse_shared(weight: EffectiveWeight, model: nn.Module) -> None:
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    held = dict(model.named_parameters(remove_duplicate=False))
    for name, source in weight.sources.items():
        others = [each for each in names if held[each] is source and each != name]
        if others:
            raise UsageError(
                f"{weight.full_name} is computed from {name}, which is also {others[0]}: leave "
                f"{weight.full_name} out of the rules, or untie the two"
            )


def _of_effective(
    weight: EffectiveWeight, rules: list[PenaltyRule], model: nn.Module
) -> Iterator[tuple[str, PenaltyRule]]:
    with torch.no_grad():
        value = weight.compute()
    check_weight(weight.full_name, value)
    holder = _around(model, weight.path)
    decay = decay_among(rules)
    if decay is not None:
        yield _decay_of_source(decay, weight)
    for rule in penalties_among(rules):
        acting = placed(rule, weight.full_name, weight.module, value.ndim, holder)
        _check_shape(weight.full_name, acting, value)
        for name in weight.sources:
            yield name, _wrap(acting, weight, name)


def _decay_of_source(rule: WeightDecay, weight: EffectiveWeight) -> tuple[str, PenaltyRule]:
    """Return a decay of a pruned weight: that of the parameter under the mask is the same."""
    if weight.method != "pruning":
        raise UsageError(
            f"{weight.full_name} is computed by {weight.method} from "
            f"{' and '.join(weight.sources)}, so that {rule} of these is another decay of the "
            "weight: use L2 with mode='coupled', or select one of them by its name"
        )
    return next(iter(weight.sources)), rule


def _wrap(rule: Penalty | Annealed, weight: EffectiveWeight, source: str) -> PenaltyRule:
    if weight.method == "pruning":
        return inside(rule, lambda penalty: OnPruned(penalty, weight))
    return inside(rule, lambda penalty: OfEffective(penalty, weight, source))


def _around(model: nn.Module, path: str) -> nn.Module:
    """Return the module that holds the module at a path."""
    return model.get_submodule(path.rpartition(".")[0])
