"""Penalties on any optimizer of torch: attached by its step hooks, and taken off again."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import RegularizationWarning, UsageError
from bridle.modules.select import Selector, kind_of, select_parameters
from bridle.penalties import Annealed, Penalty, apply_prox, at_step, check_application
from bridle.penalties.annealing import kind_of_penalty

__all__ = [
    "Attachment",
    "PenaltyRule",
    "attach",
    "attachments_of",
    "decayed_biases",
    "penalties_by_name",
]

PenaltyRule = Penalty | Annealed
Penalties = PenaltyRule | Sequence[PenaltyRule]


class Attachment:
    """Penalties that act at every step of an optimizer; :func:`bridle.attach` makes one.

    Attributes
    ----------
    penalties : dict of str to tuple of Penalty
        What acts on each parameter, by its qualified name: annealed ones as they are now.
    rules : dict of str to tuple of Penalty or Annealed
        The same, as given.
    parameters : dict of str to Parameter
    mode, metric : str
        How they act; see :func:`bridle.attach`.
    step : int
        How many steps the optimizer has made since: the step of annealed penalties.

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
    ) -> None:
        self.parameters = parameters
        self.rules = rules
        self.mode = mode
        self.metric = metric
        self.step = 0
        alike: dict[tuple[int, ...], tuple[tuple[PenaltyRule, ...], list[nn.Parameter]]] = {}
        for name, each in rules.items():
            key = tuple(map(id, each))
            alike.setdefault(key, (each, []))[1].append(parameters[name])
        self._alike = list(alike.values())  # one call acts on all weights of the same penalties
        self._handles = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]

    def __repr__(self) -> str:
        return f"<Attachment on {len(self.rules)} parameters, {self.mode}>"

    def __str__(self) -> str:
        """Return a line for each parameter."""
        how = "coupled" if self.mode == "coupled" else f"proximal, {self.metric}"
        width = max(map(len, self.rules), default=0)
        return "\n".join(
            f"{name:<{width}}  {', '.join(map(str, penalties))}  ({how})"
            for name, penalties in self.rules.items()
        )

    @property
    def penalties(self) -> dict[str, tuple[Penalty, ...]]:
        """What acts on each parameter at the next step."""
        return {name: at_step(each, self.step) for name, each in self.rules.items()}

    def state_dict(self) -> dict[str, int]:
        """Return the count of steps: save it in a checkpoint where penalties are annealed."""
        return {"step": self.step}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from a checkpoint."""
        self.step = int(state["step"])

    def value(self) -> Tensor:
        """Return R(w), the sum of all penalties: a scalar that gradients go through."""
        return torch.stack(
            [
                penalty.value(self.parameters[name]).sum()
                for name, penalties in self.penalties.items()
                for penalty in penalties
            ]
        ).sum()

    def detach(self) -> None:
        """Take the penalties off the optimizer. Doing it again does nothing."""
        for handle in self._handles:
            handle.remove()

    @torch.no_grad()
    def _add_gradients(self, optimizer: torch.optim.Optimizer, scale: Tensor | None = None) -> None:
        held = _held(optimizer)
        for name, penalties in self.penalties.items():
            weight = self.parameters[name]
            # one without a gradient was in no loss, and makes no step
            if weight.grad is None or id(weight) not in held:
                continue
            if weight.grad.is_sparse:
                raise UsageError(
                    f"{name} has a sparse gradient, which a penalty makes dense: "
                    "use mode='proximal'"
                )
            sign = -1 if held[id(weight)].get("maximize") else 1
            for penalty in penalties:
                gradient = penalty.gradient(weight)
                weight.grad.add_(gradient if scale is None else gradient * scale, alpha=sign)

    def _before(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        if self.mode != "coupled":
            return None
        # args begins with the optimizer itself
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is None:
            # a fused optimizer gets gradients that the gradient scaler has multiplied
            self._add_gradients(optimizer, getattr(optimizer, "grad_scale", None))
            return None
        wrapped = self._with_gradients(optimizer, closure)
        if len(args) > 1:
            return (args[0], wrapped, *args[2:]), kwargs
        return args, kwargs | {"closure": wrapped}

    def _with_gradients(
        self, optimizer: torch.optim.Optimizer, closure: Callable[[], Any]
    ) -> Callable[[], Any]:
        """Return a closure that adds the gradients, since the closure makes them anew."""
        total = isinstance(optimizer, torch.optim.LBFGS)

        def wrapped() -> Any:
            loss = closure()
            self._add_gradients(optimizer)
            # a line search looks at the value, which must be that of what has the gradient
            return loss + self.value().detach() if total else loss

        return wrapped

    def _after(
        self, optimizer: torch.optim.Optimizer, *_: tuple[Any, ...] | dict[str, Any]
    ) -> None:
        overflow = getattr(optimizer, "found_inf", None)
        if overflow is not None and float(overflow):
            return  # the gradient scaler has skipped this step
        held = _held(optimizer)
        for rules, weights in self._alike if self.mode == "proximal" else ():
            stepped = [w for w in weights if w.grad is not None and id(w) in held]
            apply_prox(optimizer, stepped, at_step(rules, self.step), metric=self.metric)
        self.step += 1


def attach(
    optimizer: torch.optim.Optimizer,
    penalties: Mapping[Selector, Penalties],
    *,
    model: nn.Module,
    mode: str = "proximal",
    metric: str = "euclidean",
) -> Attachment:
    """Let penalties act at every step of an optimizer, whichever of torch's it is.

    Works with fused and foreach variants, gradient accumulation, gradient scalers, closures and
    compiled steps, since it hangs on the optimizer's step hooks. A parameter without a gradient
    makes no step and is not penalized in it, as torch has it for weight decay.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    penalties : mapping of selector to penalty, or to a sequence of penalties
        See :data:`bridle.modules.Selector`; ``"*"`` is all weights, without biases and without
        normalisation layers. A parameter that several selectors match gets them all, and of two
        penalties of one class the later. :class:`bridle.Annealed` penalties change with the steps
        of the optimizer.
    model : torch.nn.Module
        Whose names the selectors speak of.
    mode : {"proximal", "coupled"}
        Proximal applies ``w ← prox(w, step)`` after the optimizer's step, so that L1 gives exact
        zeros and L2 is decoupled decay. Coupled adds the penalty's gradient to the loss's.
    metric : {"euclidean", "adaptive"}
        The step of the prox; see :func:`bridle.penalties.apply_prox`. With Adam, RMSprop and
        Adagrad "adaptive" keeps the meaning that a strength has in the objective.

    Returns
    -------
    Attachment
        With ``value()``, ``detach()``, and a line for each parameter when printed.

    Raises
    ------
    UsageError
        If a selector matches nothing, or nothing that the optimizer updates; if penalties do not
        fit mode, metric and optimizer.

    Warns
    -----
    RegularizationWarning
        If a parameter has L2 and the optimizer's weight decay; if the optimizer decays biases or
        normalisation layers.

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
    chosen = penalties_by_name(model, penalties)
    for each in chosen.values():
        check_application(at_step(each, 0), mode, metric)
    _check_optimizer(optimizer, mode, metric)
    everything = dict(model.named_parameters())
    parameters = {name: everything[name] for name in chosen}
    _check_held(optimizer, parameters)
    _warn(optimizer, model, parameters, chosen)
    return Attachment(optimizer, parameters, chosen, mode=mode, metric=metric)


def attachments_of(optimizer: torch.optim.Optimizer) -> list[Attachment]:
    """Return what is attached to an optimizer, in the order in which it was."""
    hooks = optimizer._optimizer_step_post_hooks.values()
    owners = [getattr(hook, "__self__", None) for hook in hooks]
    return [owner for owner in owners if isinstance(owner, Attachment)]


def penalties_by_name(
    model: nn.Module, rules: Mapping[Selector, Penalties]
) -> dict[str, tuple[PenaltyRule, ...]]:
    """Return the penalties of each parameter that a rule selects, in the model's order."""
    if not rules or not hasattr(rules, "items"):
        raise UsageError("there are no penalties; give a mapping such as {'*': bridle.L2(1e-4)}")
    found: dict[str, dict[type, PenaltyRule]] = {}
    for selector, given in rules.items():
        each: list[Any] = list(given) if isinstance(given, Sequence) and given else [given]
        for penalty in each:
            # a class of penalties has the attributes of one too
            if isinstance(penalty, type) or not isinstance(penalty, Penalty | Annealed):
                raise UsageError(
                    f"{penalty!r} for {selector!r} is no penalty; give one such as bridle.L2(1e-4)"
                )
        for name in select_parameters(model, selector):
            found.setdefault(name, {}).update({kind_of_penalty(rule): rule for rule in each})
    order = [name for name, _ in model.named_parameters() if name in found]
    return {name: tuple(found[name].values()) for name in order}


def _check_optimizer(optimizer: torch.optim.Optimizer, mode: str, metric: str) -> None:
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise UsageError(f"{optimizer!r} is no torch.optim.Optimizer; give the one that steps")
    name = type(optimizer).__name__
    if mode == "proximal" and isinstance(optimizer, torch.optim.LBFGS):
        raise UsageError("LBFGS makes no steps of a known size: use mode='coupled'")
    second = (torch.optim.Adam, torch.optim.RMSprop, torch.optim.Adagrad)
    if mode == "proximal" and metric == "adaptive" and not isinstance(optimizer, second):
        raise UsageError(
            f"{name} has no second moments for the adaptive metric: use metric='euclidean', or "
            "Adam, AdamW, RMSprop or Adagrad"
        )


def _held(optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Any]]:
    return {id(p): group for group in optimizer.param_groups for p in group["params"]}


def _check_held(optimizer: torch.optim.Optimizer, parameters: dict[str, nn.Parameter]) -> None:
    held = _held(optimizer)
    missing = [name for name, value in parameters.items() if id(value) not in held]
    if len(missing) == len(parameters):
        raise UsageError(
            f"none of {', '.join(map(repr, missing[:4]))} is among the optimizer's parameters; "
            "build the optimizer from this model's parameters"
        )
    trainable = [name for name in missing if parameters[name].requires_grad]
    if trainable:
        _say(f"{', '.join(trainable[:4])}: selected, but not among the optimizer's parameters")


def decayed_biases(optimizer: torch.optim.Optimizer, model: nn.Module) -> list[str]:
    """Return the names of biases and norms that the optimizer's weight decay acts on."""
    held = _held(optimizer)
    return [
        f"{path}.{name}" if path else name
        for path, module in model.named_modules()
        for name, value in module.named_parameters(recurse=False)
        if kind_of(name, value, module) != "weight"
        and float(held.get(id(value), {}).get("weight_decay", 0))
    ]


def _warn(
    optimizer: torch.optim.Optimizer,
    model: nn.Module,
    parameters: dict[str, nn.Parameter],
    chosen: dict[str, tuple[PenaltyRule, ...]],
) -> None:
    held = _held(optimizer)
    earlier = {
        id(other.parameters[name]): name
        for other in attachments_of(optimizer)
        for name, penalties in other.rules.items()
        if has_l2(penalties)
    }
    for name, penalties in chosen.items():
        if not has_l2(penalties):
            continue
        decay = float(held.get(id(parameters[name]), {}).get("weight_decay", 0))
        if decay or id(parameters[name]) in earlier:
            other = f"the optimizer's weight_decay={decay:g}" if decay else "an earlier attachment"
            _say(f"{name} is penalized twice, by L2 and by {other}: turn one of them off")
            break
    biases = decayed_biases(optimizer, model)
    if biases:
        _say(
            f"the optimizer's weight_decay acts on biases and norms too ({', '.join(biases[:3])}"
            f"{' …' if len(biases) > 3 else ''}): give them a parameter group with weight_decay=0"
        )


def has_l2(penalties: Sequence[PenaltyRule]) -> bool:
    """Whether one of the penalties has a part ``½ λ Σw²``; an annealed one at factor 1."""
    plain = [each.penalty if isinstance(each, Annealed) else each for each in penalties]
    pairs = [penalty.elastic for penalty in plain if penalty.elastic is not None]
    return any(bool(torch.as_tensor(l2).any()) for _, l2 in pairs)


def _say(message: str) -> None:
    warnings.warn(message, RegularizationWarning, stacklevel=4)
