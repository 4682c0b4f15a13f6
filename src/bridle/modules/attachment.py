"""``Attachment``: penalties that act through an optimizer's step hooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.modules.decaying import Decays, penalties_among
from bridle.modules.joint_penalty import JointPenalty
from bridle.modules.layers import Layers
from bridle.modules.optimizers import groups_of
from bridle.modules.requests import carried_by, forget
from bridle.modules.rules import PenaltyRule
from bridle.modules.sparsity_target import SparsityTarget
from bridle.modules.step_hooks import hook_into, unhook, was_skipped, with_gradients
from bridle.penalties import Annealed, Penalty, apply_prox, at_step
from bridle.penalties.overlaps import in_order
from bridle.penalties.sharded import gradient_of, value_of

__all__ = ["Attachment", "PenaltyRule", "attachments_of", "groups_of"]


class Attachment:
    """Penalties that act at every step of an optimizer; :func:`bridle.attach` returns one.

    Attributes
    ----------
    penalties : dict of str to tuple of Penalty
        The penalties on each parameter, by qualified name. Annealed penalties have the strength of
        the current step.
    rules : dict of str to tuple of Penalty, Annealed or WeightDecay
        The rules for each parameter, as they were given.
    parameters : dict of str to Parameter
    mode, metric : str
        How the penalties act; see :func:`bridle.attach`.
    step : int
        The number of optimizer steps since the attachment. Annealed penalties and scheduled decays
        read their strength from it.
    joint : tuple of JointPenalty
        The penalties of joint groups, which act after those of single weights.
    sparsity : tuple of SparsityTarget
        The target sparsities, which act after the penalties.

    Examples
    --------
    >>> import torch, bridle
    >>> model = torch.nn.Linear(2, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> attached = bridle.attach(optimizer, {"weight": bridle.L2(0.5)}, model=model)
    >>> bool(attached.value() == 0.25 * model.weight.square().sum())
    True
    >>> attached.detach()
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        parameters: dict[str, nn.Parameter],
        rules: Mapping[str, tuple[PenaltyRule, ...]],
        *,
        mode: str,
        metric: str,
        model: nn.Module | None = None,
        joint: Sequence[JointPenalty] = (),
        sparsity: Sequence[SparsityTarget] = (),
    ) -> None:
        self.parameters = parameters
        self.rules = rules
        self.mode = mode
        self.metric = metric
        self.step = 0
        self._optimizer: torch.optim.Optimizer | None = optimizer
        self._decays = Decays(optimizer, parameters, rules)
        self._places = {} if model is None else _places(model, parameters)
        by_rules: dict[tuple[int, ...], tuple[tuple[Any, ...], list[nn.Parameter]]] = {}
        for name, given in rules.items():
            each = penalties_among(given)
            key = tuple(map(id, each))
            by_rules.setdefault(key, (each, []))[1].append(parameters[name])
        self._by_rules = list(by_rules.values())  # one prox call for all weights of equal rules
        self.joint, self.sparsity = tuple(joint), tuple(sparsity)
        self._layers = None if model is None else Layers(model, self.weights)
        hook_into(optimizer, self)
        for owner in self.several:  # targets act after the penalties
            hook_into(optimizer, owner)

    def __repr__(self) -> str:
        targets = "".join(f", {each}" for each in self.several)
        return f"<Attachment on {len(self.rules)} parameters, {self.mode}{targets}>"

    def __str__(self) -> str:
        """Return one line for each parameter."""
        how = "coupled" if self.mode == "coupled" else f"proximal, {self.metric}"
        shown = []
        for name, rules in self.rules.items():
            acts = how if penalties_among(rules) else "decoupled"
            acts += self.why_idle(self.parameters[name])
            shown.append((name, f"{', '.join(map(str, rules))}  ({acts})"))
        shown += [
            (
                ", ".join(each.parameters),
                f"{each}{self.why_idle(*each.parameters.values())}",
            )
            for each in self.joint
        ]
        shown += [
            (name, f"{each.rule}{self.why_idle(weight, gradient=False)}")
            for each in self.sparsity
            for name, weight in each.parameters.items()
        ]
        width = max((len(name) for name, _ in shown), default=0)
        return "\n".join(f"{name:<{width}}  {text}" for name, text in shown)

    def why_idle(self, *weights: nn.Parameter, gradient: bool = True) -> str:
        """Say why rules of weights, which may need a gradient, do not act now; "" if they do."""
        if gradient and any(not each.requires_grad and each.grad is None for each in weights):
            return "; does not act: frozen, requires_grad is False"
        if self._optimizer is None:
            return "; does not act: detached"
        if self._layers is not None and self._layers.lack(weights):
            return "; does not act: not in the model any more"
        held = groups_of(self._optimizer)
        missing = any(id(weight) not in held for weight in weights)
        return "; does not act: not in the optimizer" if missing else ""

    @property
    def penalties(self) -> dict[str, tuple[Penalty, ...]]:
        """The penalties that act on each parameter at the next step."""
        return {
            name: at_step(penalties_among(each), self.step) for name, each in self.rules.items()
        }

    @property
    def several(self) -> list[JointPenalty | SparsityTarget]:
        """What acts on several weights together, in the order in which it acts."""
        return [*self.joint, *self.sparsity]

    @property
    def weights(self) -> dict[str, nn.Parameter]:
        """The parameters of all rules, by the names that they had when these were attached."""
        found = dict(self.parameters)
        for each in self.several:
            found |= each.parameters
        return found

    def state_dict(self) -> dict[str, int]:
        """Return the step count. Save it in checkpoints if a rule depends on the step."""
        return {"step": self.step}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Restore the step count from a checkpoint."""
        self.step = int(state["step"])
        for each in self.several:
            each.step = self.step

    def value(self) -> Tensor:
        """Return R(w), the sum of all penalties: a differentiable scalar. A decay has no value."""
        values = [each.value() for each in self.joint]
        return sum(values, start=self._value_of_single())

    def _value_of_single(self) -> Tensor:
        """Return the sum of the penalties of single weights: joint ones add theirs themselves."""
        values = [
            value_of(penalty, self.parameters[name]).sum()
            for name, penalties in self.penalties.items()
            for penalty in penalties
        ]
        return torch.stack(values).sum() if values else torch.zeros(())

    def detach(self) -> None:
        """Remove the penalties from the optimizer. A second call does nothing."""
        if self._optimizer is None:
            return
        unhook(self._optimizer, self)
        for each in self.several:
            unhook(self._optimizer, each)
            forget(each.parameters.values())
        self._optimizer = None
        forget(self.parameters.values())

    @torch.no_grad()
    def _add_gradients(self, optimizer: torch.optim.Optimizer, scale: Tensor | None) -> None:
        groups = groups_of(optimizer)
        for name, penalties in self.penalties.items():
            weight = self.parameters[name]
            # a parameter without a gradient is in no loss, and the optimizer does not update it
            if weight.grad is None or id(weight) not in groups:
                continue
            if weight.grad.is_sparse:
                raise UsageError(
                    f"{name} has a sparse gradient, and a coupled penalty would make it dense: "
                    "use mode='proximal'"
                )
            sign = -1 if groups[id(weight)].get("maximize") else 1
            for penalty in penalties:
                gradient = gradient_of(penalty, weight)
                weight.grad.add_(gradient if scale is None else gradient * scale, alpha=sign)

    @torch.compiler.disable(reason="guards of compiled code do not see new layers")  # type: ignore[untyped-decorator]
    def _refuse_replaced(self) -> None:
        """Raise a UsageError if a module has another parameter now, and this one is not used."""
        if self._layers is not None:
            self._layers.refuse_replaced()
        for name, (module, attribute) in self._places.items():
            parameter = self.parameters[name]
            now = module._parameters.get(attribute)
            if now is parameter or (now is not None and parameter.grad is not None):
                continue
            rules = at_step(penalties_among(self.rules[name]), self.step)
            if module._parameters.get(f"{attribute}_orig") is parameter and all(
                penalty.separable for penalty in rules
            ):
                continue  # pruned since; the entries that are left are penalized
            raise UsageError(
                f"{name} has been replaced, pruned or parametrized since penalties were attached "
                "to it: detach them, build the optimizer from the model's parameters, and attach "
                "them again"
            )

    def before_step(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Add the gradients of coupled penalties."""
        self._refuse_replaced()
        for rules, weights in self._by_rules if self.mode == "proximal" else ():
            if len(rules) > 1 and any(isinstance(rule, Annealed) for rule in rules):
                for weight in weights:  # before the optimizer moves them
                    in_order(
                        at_step(rules, self.step), weight, per_weight=self.metric == "adaptive"
                    )
        self._decays.before(optimizer)
        if self.mode != "coupled":
            return None
        return with_gradients(optimizer, args, kwargs, self._add_gradients, self._value_of_single)

    def after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Make the proximal steps."""
        if was_skipped(optimizer):
            self._decays.taken_starts()
            return
        self._decays.after(optimizer, self.step)
        groups = groups_of(optimizer)
        for rules, weights in self._by_rules if self.mode == "proximal" else ():
            updated = [w for w in weights if w.grad is not None and id(w) in groups]
            apply_prox(optimizer, updated, at_step(rules, self.step), metric=self.metric)
        self.step += 1


def attachments_of(optimizer: Any) -> list[Attachment]:
    """Return the attachments of an optimizer, or of the one that it wraps, oldest first."""
    return [owner for owner in carried_by(optimizer) if isinstance(owner, Attachment)]


def _places(
    model: nn.Module, parameters: Mapping[str, nn.Parameter]
) -> dict[str, tuple[nn.Module, str]]:
    """Return each parameter's module and its name there."""
    splits = {name: name.rpartition(".") for name in parameters}
    return {name: (model.get_submodule(path), last) for name, (path, _, last) in splits.items()}
