"""What an earlier attachment on the same optimizer promises, and a later one would break."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from bridle.errors import UsageError
from bridle.modules.attachment import PenaltyRule, attachments_of
from bridle.modules.decaying import penalties_among
from bridle.modules.rules import plain
from bridle.modules.sparsity_target import SparsityTarget
from bridle.penalties import NuclearNorm, Sparsity

__all__ = ["refuse_later", "rules_before"]


def refuse_later(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    chosen: Mapping[str, tuple[PenaltyRule, ...]],
    targets: Sequence[SparsityTarget],
    mode: str,
) -> None:
    """Refuse rules that act after those of an earlier attachment, and undo them.

    Raises
    ------
    UsageError
        If a weight with a target sparsity gets another one, or proximal penalties or a decay; or if
        a weight with a constraint gets a nuclear norm.
    """
    sparse, constrained = _promises(optimizer)
    for target in targets:
        for name, weight in target.parameters.items():
            if id(weight) in sparse:
                raise UsageError(
                    f"{name} has a target sparsity already, {sparse[id(weight)]}: detach that one, "
                    f"or leave {name} out of {target.rule}"
                )
    for name, rules in chosen.items() if mode == "proximal" else ():
        key = id(parameters[name])
        if key in sparse:
            raise UsageError(
                f"{name} has the target sparsity {sparse[key]} of an earlier attachment, after "
                f"which {rules[-1]} would move its zeros: give both in one call"
            )
        mixing = [each for each in penalties_among(rules) if isinstance(plain(each), NuclearNorm)]
        if key in constrained and mixing:
            raise UsageError(
                f"{name} has the constraint {constrained[key]} of an earlier attachment, which "
                f"{mixing[0]} would break after it: give both in one call"
            )


def rules_before(optimizer: torch.optim.Optimizer) -> dict[int, list[tuple[str, PenaltyRule]]]:
    """Return the rules of earlier attachments with their modes, by the identity of a weight.

    Those of joint groups are among them, once for each of the weights that they join.
    """
    found: dict[int, list[tuple[str, PenaltyRule]]] = {}
    for earlier in attachments_of(optimizer):
        for name, rules in earlier.rules.items():
            key = id(earlier.parameters[name])
            found.setdefault(key, []).extend((earlier.mode, rule) for rule in rules)
        for joint in earlier.joint:
            for weight in joint.parameters.values():
                found.setdefault(id(weight), []).extend((joint.mode, rule) for rule in joint.rules)
    return found


def _promises(
    optimizer: torch.optim.Optimizer,
) -> tuple[dict[int, Sparsity], dict[int, PenaltyRule]]:
    """Return the target sparsity and the constraint that weights have, by their identity."""
    sparse: dict[int, Sparsity] = {}
    constrained: dict[int, PenaltyRule] = {}
    for earlier in attachments_of(optimizer):
        for target in earlier.sparsity:
            sparse |= {id(weight): target.rule for weight in target.parameters.values()}
        for name, rules in earlier.rules.items():
            for rule in penalties_among(rules):
                if plain(rule).constraint:
                    constrained[id(earlier.parameters[name])] = rule
    return sparse, constrained
