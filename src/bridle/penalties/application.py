"""How penalties act: on the gradients before an optimizer's step, or on the weights after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops import elastic_prox
from bridle.ops.sharding import is_sharded
from bridle.penalties.annealing import Scaled, refuse_annealed
from bridle.penalties.grouped import Grouped, GroupLasso, MaxNorm
from bridle.penalties.overlaps import in_order, l2_of, shortened
from bridle.penalties.protocol import Penalty, Strength, per_member, takes_steps, widened
from bridle.penalties.sharded import gradient_of, prox_of

__all__ = [
    "add_gradients",
    "apply_prox",
    "check_application",
    "check_momentum",
    "follow_iterate",
    "step_of",
]

MODES = ("proximal", "coupled")


def check_application(penalties: Sequence[Penalty], mode: str, metric: str) -> None:
    """Check that penalties can act in a mode and a metric.

    Parameters
    ----------
    penalties : sequence of Penalty
    mode : {"proximal", "coupled"}
    metric : {"euclidean", "adaptive"}

    Raises
    ------
    UsageError
        If the mode or the metric is unknown, if the mode is "coupled" and a penalty is a
        constraint, or if a penalty has no closed-form proximal step in the metric or is not convex.

    Examples
    --------
    >>> import bridle
    >>> from bridle.penalties import check_application
    >>> check_application([bridle.L1(0.1)], "proximal", "adaptive")
    >>> try:
    ...     check_application([bridle.MaxNorm(1.0)], "coupled", "euclidean")
    ... except bridle.UsageError as error:
    ...     print(str(error).partition("; ")[2])
    use mode='proximal'
    """
    if mode not in MODES:
        raise UsageError(f"mode is {mode!r}; it must be one of {', '.join(map(repr, MODES))}")
    if metric not in ("euclidean", "adaptive"):
        raise UsageError(f"metric is {metric!r}; it must be 'euclidean' or 'adaptive'")
    refuse_annealed(penalties)
    for penalty in penalties:
        if mode == "coupled" and penalty.constraint:
            raise UsageError(f"{penalty} is a constraint and has no gradient; use mode='proximal'")
        if mode == "proximal" and metric == "adaptive" and not _metric_fits(penalty):
            reason = "has no closed-form proximal step in the adaptive metric"
            if penalty.separable:
                reason = (
                    "is not convex: in the adaptive metric, steps grow as gradients vanish, and "
                    "its proximal step would set large weights to zero where the loss is at its "
                    "minimum"
                )
            raise UsageError(f"{penalty} {reason}; use metric='euclidean'")


def check_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Raise a UsageError if an optimizer's steps are not bounded, as a proximal step needs."""
    for group in optimizer.param_groups:
        _rate(optimizer, group, {}, "euclidean")


def _metric_fits(penalty: Penalty) -> bool:
    return takes_steps(penalty) or penalty.constraint


@torch.no_grad()
def add_gradients(weights: Iterable[Tensor], penalties: Sequence[Penalty]) -> None:
    """Add the penalties' gradients to ``weight.grad``: the coupled form.

    The update is the same as with the penalties added to the loss, without the cost of autograd.
    Call it between ``backward()`` and ``step()``.

    Parameters
    ----------
    weights : iterable of Tensor
        Parameters. A parameter without a gradient gets one.
    penalties : sequence of Penalty

    Examples
    --------
    >>> import torch, bridle
    >>> from bridle.penalties import add_gradients
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> add_gradients([w], [bridle.L2(0.5)])
    >>> w.grad
    tensor([ 0.5000, -1.0000])
    """
    refuse_annealed(penalties)
    for weight in weights:
        for penalty in penalties:
            gradient = gradient_of(penalty, weight)
            weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)


@torch.no_grad()
def apply_prox(
    optimizer: torch.optim.Optimizer,
    weights: Iterable[Tensor],
    penalties: Sequence[Penalty],
    *,
    metric: str = "euclidean",
    times: Sequence[float] | None = None,
) -> None:
    """Apply the penalties' proximal steps to weights, with the step size of the optimizer.

    Call it after ``optimizer.step()``.

    In the Euclidean metric the step size is the learning rate, so that L2 is decoupled weight
    decay. With momentum it is ``lr / (1 - momentum)``, the distance that SGD moves for a constant
    gradient of 1. In the adaptive metric each weight has the step size that the optimizer used for
    it: ``lr / (√v̂ + eps)`` with Adam. A stationary weight then satisfies ``0 ∈ ∂loss + ∂R``, the
    condition for a minimum of loss plus penalty. The Euclidean step has this
    property with SGD but not with Adam. A constraint's prox is the Euclidean projection in both
    metrics.

    With a schedule-free optimizer (Defazio et al. 2024), the step is made at the iterate z, and
    the iterates x and y follow.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        The optimizer that has just made its step.
    weights : iterable of Tensor
        Parameters of the optimizer to penalize.
    penalties : sequence of Penalty
        L1, L2 and elastic nets act together: one pass over the weight makes the exact proximal
        step of their sum. The other penalties follow, those of small groups first, with the step
        size ``s / (1 + s l2)``; groups of two penalties that overlap must be nested, so that this
        is the step of the sum, too. ``NonNegative`` and ``NOfM`` come before groups, whose
        shrinking keeps them; other constraints, such as ``MaxNorm``, come last. What a penalty of
        your own is, bridle cannot know: its step comes first.
    metric : {"euclidean", "adaptive"}
        "adaptive" needs Adam, AdamW, RMSprop or Adagrad.
    times : sequence of float, optional
        A factor on the step size, for each weight tensor. Default: 1.

    Raises
    ------
    UsageError
        If a weight is not a parameter of the optimizer, if the metric does not fit the optimizer,
        if its momentum is 1, or if the sum of two penalties has no closed-form proximal step.

    Examples
    --------
    >>> import torch, bridle
    >>> from bridle.penalties import apply_prox
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -0.01]))
    >>> sgd = torch.optim.SGD([w], lr=0.1)
    >>> apply_prox(sgd, [w], [bridle.L1(0.5)])
    >>> w.data
    tensor([0.9500, 0.0000])
    """
    refuse_annealed(penalties)
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    elastic = _sum_of([penalty.elastic for penalty in penalties if penalty.elastic is not None])
    weights = list(weights)
    for weight, factor in zip(weights, times or [1.0] * len(weights), strict=True):
        if id(weight) not in groups:
            raise UsageError(
                f"a weight of shape {list(weight.shape)} is not among the optimizer's parameters; "
                "build the optimizer from the same network"
            )
        group = groups[id(weight)]
        state = optimizer.state.get(weight, {})
        if "train_mode" in group:
            _schedule_free_step(weight, penalties, group, state, factor)
            continue
        moment = _second_moment(optimizer, group, state) if metric == "adaptive" else {}
        rate = factor * _rate(optimizer, group, state, metric)
        if elastic is not None:
            _elastic_step(weight, *elastic, rate=rate, **moment)
        others = in_order(penalties, weight, per_weight=bool(moment))
        if others:
            _other_steps(others, weight, _step(rate, **moment), elastic)


def _other_steps(
    penalties: Sequence[Penalty],
    weight: Tensor,
    step: float | Tensor,
    elastic: tuple[Tensor, Tensor] | None,
) -> None:
    """Make the proximal steps of penalties in their order, after the one of L1 and L2."""
    if elastic is not None:
        step = shortened(step, elastic[1], weight)
    for penalty in penalties:
        if isinstance(step, Tensor) and step.shape != weight.shape:  # one for each member
            moved = weight.detach().clone()
            for size in step.unique().tolist():
                moved = torch.where(step == size, prox_of(penalty, weight, size), moved)
            weight.copy_(moved)
        elif not _shorten(penalty, weight, step):
            weight.copy_(prox_of(penalty, weight, step))
        step = shortened(step, l2_of(penalty), weight)  # of a pruned weight


def _shorten(penalty: Penalty, weight: Tensor, step: float | Tensor) -> bool:
    """Multiply groups in place, without a copy of the weight, if that is the proximal step."""
    factor = penalty.factor if isinstance(penalty, Scaled) else 1.0
    plain = penalty.penalty if isinstance(penalty, Scaled) else penalty
    if not isinstance(plain, Grouped | GroupLasso | MaxNorm) or isinstance(step, Tensor):
        return False
    if is_sharded(weight) or not factor:
        return False
    data = weight.detach()
    plain.groups.scale(data, plain.factors(plain.groups.norms(data), step * factor))
    return True


def _schedule_free_step(
    weight: Tensor,
    penalties: Sequence[Penalty],
    group: dict[str, Any],
    state: dict[str, Any],
    factor: float,
) -> None:
    """Make the proximal step of schedule-free learning, at the iterate z that the gradients move.

    The evaluated x is an average of all z, with the share c of the last one, and gradients are
    taken at y = (1 - β) z + β x. So y moves by (1 - β + β c) times what z moves.
    """
    z = state.get("z")
    if z is None:
        return
    moved = z.clone()
    rate = factor * float(group["scheduled_lr"])
    elastic = _sum_of([penalty.elastic for penalty in penalties if penalty.elastic is not None])
    if elastic is not None:
        _elastic_step(moved, *elastic, rate=rate)
    _other_steps(in_order(penalties, moved, per_weight=False), moved, rate, elastic)
    follow_iterate(weight, z, moved - z, group)


def follow_iterate(weight: Tensor, z: Tensor, moved: Tensor, group: dict[str, Any]) -> None:
    """Move the iterate z of a schedule-free optimizer, and y, the weight, with it."""
    z.add_(moved)
    last = float(group["k"]) ** group["r"] * float(group["lr_max"]) ** group["weight_lr_power"]
    share = last / float(group["weight_sum"]) if group["weight_sum"] else 0.0
    beta = float(group["momentum"] if "momentum" in group else group["betas"][0])
    weight.add_(moved, alpha=1 - beta + beta * share)


def _sum_of(strengths: Sequence[tuple[Strength, Strength]]) -> tuple[Tensor, Tensor] | None:
    """Return the l1 and l2 strengths of a sum of penalties, float64 ``[1 or members]``."""
    if not strengths:
        return None
    l1, l2 = (sum(side[1:], start=side[0]) for side in zip(*strengths, strict=True))
    return _as_tensor(l1), _as_tensor(l2)


def _as_tensor(strength: Strength) -> Tensor:
    return torch.as_tensor(strength, dtype=torch.float64, device="cpu").reshape(-1)


def _elastic_step(weight: Tensor, l1: Tensor, l2: Tensor, **step: Any) -> None:
    """Make the exact proximal step of the sum, in place."""
    members = weight.detach()
    if max(l1.numel(), l2.numel()) == 1:
        members = members[None]
    else:
        per_member(l1 + l2, weight)  # checks that there is one strength per member
    if step.get("second_moment") is not None:
        step["second_moment"] = step["second_moment"].view(members.shape)
    elastic_prox(members, l1, l2, in_place=True, **step)


def step_of(
    optimizer: torch.optim.Optimizer, group: dict[str, Any], weight: Tensor, metric: str
) -> float | Tensor:
    """Return the step size of a weight's proximal step: one number, or one for each entry.

    ``group`` is the optimizer's parameter group with the weight.
    """
    state = optimizer.state.get(weight, {})
    moment = _second_moment(optimizer, group, state) if metric == "adaptive" else {}
    return _step(_rate(optimizer, group, state, metric), **moment)


def _rate(
    optimizer: torch.optim.Optimizer, group: dict[str, Any], state: dict[str, Any], metric: str
) -> float:
    """Return how far the optimizer moves per step for a constant gradient of 1, in its metric."""
    rate = float(group["lr"])
    if isinstance(optimizer, torch.optim.SGD | torch.optim.RMSprop):
        momentum = float(group["momentum"])
        if momentum >= 1:
            raise UsageError(
                f"with a momentum of {momentum:g}, {type(optimizer).__name__} has no bounded step "
                "for the prox: use a momentum below 1, or mode='coupled'"
            )
        rate *= (1 - float(group.get("dampening", 0))) / (1 - momentum)
    if isinstance(optimizer, torch.optim.Adagrad) and metric == "adaptive":
        rate /= 1 + (float(state["step"]) - 1) * float(group["lr_decay"])
    return rate


def _second_moment(
    optimizer: torch.optim.Optimizer, group: dict[str, Any], state: dict[str, Any]
) -> dict[str, Any]:
    """Return the parts of the optimizer's divisor: second moments, eps, bias correction."""
    moment, correction = None, 1.0
    if isinstance(optimizer, torch.optim.Adam) and "exp_avg_sq" in state:  # AdamW is one
        moment = state["max_exp_avg_sq" if group["amsgrad"] else "exp_avg_sq"]
        correction = 1 / (1 - float(group["betas"][1]) ** float(state["step"]))
    elif isinstance(optimizer, torch.optim.RMSprop) and "square_avg" in state:
        moment = state["square_avg"]
        if group["centered"]:
            moment = moment - state["grad_avg"].square()
    elif isinstance(optimizer, torch.optim.Adagrad) and "sum" in state:
        moment = state["sum"]
    if moment is None:
        raise UsageError(
            f"{type(optimizer).__name__} has no second moments of its gradients (yet); "
            "use metric='euclidean', or Adam after its first step"
        )
    return {"second_moment": moment, "eps": float(group["eps"]), "correction": correction}


def _step(
    rate: float, *, second_moment: Tensor | None = None, eps: float = 0, correction: float = 1
) -> float | Tensor:
    """Return the size of the last step: one number, or one for each weight."""
    if second_moment is None:
        return rate
    # in half precision, eps is 0
    return rate / ((widened(second_moment) * correction).sqrt() + eps)
