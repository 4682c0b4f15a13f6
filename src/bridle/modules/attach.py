"""``attach``: penalties at every step of any torch optimizer; ``regularize`` adds noise, too."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn

from bridle.errors import RegularizationWarning, UsageError
from bridle.modules.attachment import Attachment, PenaltyRule, attachments_of, groups_of
from bridle.modules.chosen import chosen_rules
from bridle.modules.decaying import (
    decay_among,
    decay_arguments,
    double,
    own_decay,
    penalties_among,
    refuse_no_rate,
)
from bridle.modules.earlier import refuse_later, rules_before
from bridle.modules.joint_penalty import JointPenalty
from bridle.modules.optimizers import check_optimizer, optimizer_for
from bridle.modules.overlaps import refuse_overlaps
from bridle.modules.ranks import refuse_flattened
from bridle.modules.requests import requests_of
from bridle.modules.rules import check_rules, makes_zeros, plain
from bridle.modules.select import Selector, kind_of
from bridle.modules.sparsity_target import SparsityTarget
from bridle.penalties import Sparsity, WeightDecay

__all__ = ["attach", "decayed_biases", "has_l2"]

Rule = PenaltyRule | Sparsity
Penalties = Rule | Sequence[Rule]


def attach(
    optimizer: torch.optim.Optimizer,
    penalties: Mapping[Selector, Penalties],
    *,
    model: nn.Module,
    mode: str = "proximal",
    metric: str = "euclidean",
) -> Attachment:
    """Let penalties act at every step of any torch optimizer.

    The penalties use the optimizer's step hooks. They work with fused and foreach variants,
    gradient accumulation, gradient scalers, closures and compiled steps. A parameter without a
    gradient is not updated and not penalized in that step, like torch's weight decay.

    Penalties go along when optimizer and model are copied or saved together. A weight that is
    computed from parameters is penalized itself: what is left of a pruned one, or the result of a
    parametrization, which takes coupled penalties only.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Or a wrapper with such an optimizer inside, as those of Accelerate and Fabric, or SAM.
    penalties : mapping of selector to penalty or WeightDecay, or to a sequence of them
        See :data:`bridle.modules.Selector` and, for groups of several weights,
        :class:`bridle.Joint`; ``"*"`` selects all weights, without biases and
        normalization layers. If several selectors match a parameter, all their penalties act on
        it; of two penalties of the same class (and of the same groups) only the later one does.
        :class:`bridle.Annealed`
        penalties follow the optimizer's step count. Rules of two calls act one after the other, so
        give those of one weight in one call. A :class:`bridle.WeightDecay` acts after the
        step and before the proximal steps, on the weights before the step, of which the optimizer's
        step keeps a copy. :class:`bridle.Sparsity` takes the place of a penalty where a share of
        zeros is to be reached.
    model : torch.nn.Module
        The model whose modules and parameters the selectors match.
    mode : {"proximal", "coupled"}
        "proximal" applies ``w ← prox(w, step)`` after the optimizer's step: L1 gives exact zeros,
        and L2 is decoupled weight decay. "coupled" adds the penalty's gradient to the gradient of
        the loss.
    metric : {"euclidean", "adaptive"}
        The step size of the prox; see :func:`bridle.penalties.apply_prox`. With Adam, RMSprop and
        Adagrad, "adaptive" keeps the meaning that a strength has in the objective.

    Returns
    -------
    Attachment
        Has ``value()``, ``sparsity`` and ``detach()``. Prints one line for each parameter.

    Raises
    ------
    UsageError
        If a selector matches nothing, if the optimizer updates none of the selected parameters, or
        if a penalty does not support the mode, the metric, the optimizer or the weight; if
        ``FullyShardedDataParallel`` has flattened the weights; if a
        parameter with a ``WeightDecay`` has another decay; if an earlier attachment gave one a
        target sparsity or a constraint that this one would undo. The optimizer's step raises it if
        a penalized parameter has been replaced.

    Warns
    -----
    RegularizationWarning
        If a parameter has both L2 and the optimizer's weight decay, or if the optimizer decays
        biases or normalization layers.

    Examples
    --------
    >>> import torch, bridle
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0)
    >>> rules = {"*": bridle.L1(1e-3), "2.*": bridle.L2(0.1)}
    >>> print(bridle.attach(optimizer, rules, model=model))
    0.weight  L1(0.001)  (proximal, euclidean)
    2.weight  L1(0.001), L2(0.1)  (proximal, euclidean)
    """
    try:
        found = chosen_rules(model, penalties, mode=mode, metric=metric)
    except UsageError:  # there may be no weights to select
        refuse_flattened(model)
        raise
    refuse_flattened(model, found.by_name())
    chosen, joint, targets = found.single, found.joint, found.targets
    check_rules(chosen, mode, metric)
    # exact zeros need the optimizer's step to be the last change of a weight
    optimizer = optimizer_for(optimizer, "proximal" if targets else mode)
    decays = {name: rule for name, each in chosen.items() if (rule := decay_among(each))}
    refuse_no_rate(optimizer, decays.values())
    check_optimizer(optimizer, mode, metric)
    if mode == "proximal":
        _refuse_zeros_in_averages(optimizer, chosen, joint)
    if targets:
        _refuse_optimizer(optimizer, targets)
    everything = dict(model.named_parameters())
    parameters = {name: everything[name] for name in chosen}
    _check_membership(optimizer, parameters)
    penalized, every_rule = found.penalties(), found.by_name()
    refuse_later(optimizer, everything, penalized, targets, mode)
    _refuse_double_decay(optimizer, everything, penalized, decays)
    if mode == "coupled":
        _refuse_sparse_gradients(model, penalized)
    _warn_about_weight_decay(optimizer, model, everything, penalized)
    for weights in [each.parameters for each in joint] + [each.parameters for each in targets]:
        _check_membership(optimizer, weights, required=True)
    if mode == "proximal":
        for each in joint if metric == "euclidean" else ():
            each.step_size(optimizer, groups_of(optimizer))
        refuse_overlaps(parameters, chosen, joint, metric, attachments_of(optimizer))
    attached = Attachment(
        optimizer,
        parameters,
        chosen,
        mode=mode,
        metric=metric,
        model=model,
        joint=joint,
        sparsity=targets,
    )
    requests_of(model).attach({name: everything[name] for name in every_rule}, every_rule)
    return attached


def _refuse_optimizer(optimizer: torch.optim.Optimizer, targets: Sequence[SparsityTarget]) -> None:
    """Refuse a target sparsity where zeros would not stay, or change what an optimizer assumes."""
    if isinstance(optimizer, torch.optim.LBFGS):
        raise UsageError(
            f"LBFGS assumes that only its own steps change weights: leave out {targets[0]}"
        )
    if any("train_mode" in group for group in optimizer.param_groups):
        raise UsageError(
            f"{type(optimizer).__name__} evaluates an average of its iterates, in which the zeros "
            f"of {targets[0].rule} do not survive: use another optimizer"
        )


def _refuse_zeros_in_averages(
    optimizer: torch.optim.Optimizer,
    chosen: dict[str, tuple[PenaltyRule, ...]],
    joint: Sequence[JointPenalty],
) -> None:
    """Refuse penalties that promise zeros, where an average of the iterates is evaluated."""
    if not any("train_mode" in group for group in optimizer.param_groups):
        return
    if joint:
        raise UsageError(
            f"{type(optimizer).__name__} evaluates an average of its iterates, where the steps of "
            f"{joint[0]} are not known: use mode='coupled', or another optimizer"
        )
    rules = [rule for each in chosen.values() for rule in penalties_among(each)]
    for penalty in {plain(rule): None for rule in rules}:
        if makes_zeros(penalty):
            raise UsageError(
                f"{type(optimizer).__name__} evaluates an average of its iterates, in which the "
                f"zeros of {penalty} do not survive: use mode='coupled', which gives small weights "
                "instead of zeros, or another optimizer"
            )


def _refuse_double_decay(
    optimizer: torch.optim.Optimizer,
    parameters: dict[str, nn.Parameter],
    chosen: dict[str, tuple[PenaltyRule, ...]],
    decays: dict[str, WeightDecay],
) -> None:
    """Refuse a decay where something else decays, or moves the weight between step and decay."""
    groups, kind = groups_of(optimizer), type(optimizer).__name__
    arguments = decay_arguments(optimizer)
    earlier = rules_before(optimizer)
    for name, rule in decays.items():
        group = groups.get(id(parameters[name]))
        own = None if group is None else own_decay(arguments, group)
        if own is not None:
            raise UsageError(double(name, rule, kind, own))
        attached = earlier.get(id(parameters[name]), [])
        before = [each for _, each in attached]
        if has_l2(chosen[name]) or has_l2(before) or decay_among(before):
            other = " and ".join(map(str, penalties_among(chosen[name]))) or "an earlier attachment"
            raise UsageError(
                f"{name} would decay twice, by {rule} and by {other}: leave one of them out"
            )
        if any(mode == "proximal" for mode, _ in attached):
            raise UsageError(
                f"{name} has proximal penalties of an earlier attachment, which would move it "
                f"between the step and {rule}: attach them in one call"
            )


def _refuse_sparse_gradients(model: nn.Module, names: Iterable[str]) -> None:
    for name in names:
        if getattr(model.get_submodule(name.rpartition(".")[0]), "sparse", False) is True:
            raise UsageError(
                f"{name} has a sparse gradient, and a coupled penalty would make it dense: "
                "use mode='proximal'"
            )


def _check_membership(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    *,
    required: bool = False,
) -> None:
    """Check that the optimizer has the parameters: one of them, or all if ``required``."""
    groups = groups_of(optimizer)
    missing = [name for name, value in parameters.items() if id(value) not in groups]
    if missing and (required or len(missing) == len(parameters)):
        raise UsageError(
            f"the optimizer has none of the parameters {', '.join(map(repr, missing[:4]))}; "
            "build the optimizer from this model's parameters"
        )
    trainable = [name for name in missing if parameters[name].requires_grad]
    if trainable:
        _emit(f"{', '.join(trainable[:4])}: penalized, but not among the optimizer's parameters")


def decayed_biases(optimizer: torch.optim.Optimizer, model: nn.Module) -> list[str]:
    """Return the biases and normalization parameters that the optimizer's weight decay acts on."""
    groups = groups_of(optimizer)
    return [
        f"{path}.{name}" if path else name
        for path, module in model.named_modules()
        for name, value in module.named_parameters(recurse=False)
        if kind_of(name, value, module) != "weight"
        and float(groups.get(id(value), {}).get("weight_decay", 0))
    ]


def _warn_about_weight_decay(
    optimizer: torch.optim.Optimizer,
    model: nn.Module,
    parameters: dict[str, nn.Parameter],
    chosen: dict[str, tuple[PenaltyRule, ...]],
) -> None:
    groups = groups_of(optimizer)
    earlier = {
        key
        for key, attached in rules_before(optimizer).items()
        if has_l2(rules := [rule for _, rule in attached]) or decay_among(rules)
    }
    for name, penalties in chosen.items():
        if not has_l2(penalties):
            continue
        decay = float(groups.get(id(parameters[name]), {}).get("weight_decay", 0))
        if decay or id(parameters[name]) in earlier:
            other = f"the optimizer's weight_decay={decay:g}" if decay else "an earlier attachment"
            _emit(f"{name} is penalized twice, by L2 and by {other}: turn one of them off")
            break
    biases = decayed_biases(optimizer, model)
    if biases:
        _emit(
            "the optimizer's weight_decay also acts on biases and normalization layers "
            f"({', '.join(biases[:3])}{' …' if len(biases) > 3 else ''}): give them a parameter "
            "group with weight_decay=0"
        )


def has_l2(penalties: Sequence[PenaltyRule]) -> bool:
    """Whether one of the penalties has a term ``½ λ Σw²``; annealed ones count at factor 1."""
    each = map(plain, penalties_among(penalties))
    pairs = [penalty.elastic for penalty in each if penalty.elastic is not None]
    return any(bool(torch.as_tensor(l2).any()) for _, l2 in pairs)


def _emit(message: str) -> None:
    warnings.warn(message, RegularizationWarning, stacklevel=4)
