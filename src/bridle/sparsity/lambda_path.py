"""The λ path: one network trained at falling strengths, each from where the last one ended."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from bridle.errors import TrainingError, UsageError
from bridle.modules.attach import attach
from bridle.modules.select import Selector, select_parameters
from bridle.penalties import L1, Penalty
from bridle.penalties.protocol import check_strength

__all__ = ["LambdaPath", "lambda_max", "lambda_path"]

Batch = tuple[Tensor, ...]
Loss = Callable[[nn.Module, Any], Tensor]


@dataclass(frozen=True, eq=False)
class LambdaPath:
    """What :func:`lambda_path` found: an entry per strength, from the largest down.

    Attributes
    ----------
    strengths, held_out_loss, training_loss, held_out_score : tuple of float
        Noise off, penalty left out. The score is None where none was asked for.
    zeros : tuple of dict of str to float
        The share of exact zeros in each selected parameter.
    dead_units, dead_inputs : tuple of dict of str to int
        Of each linear or convolutional layer, the units (channels) whose incoming weights are all
        zero, and the inputs (channels) whose outgoing weights in that layer are.
    states : tuple of dict
        ``state_dict()`` of each, on the CPU.
    epochs : tuple of int
        How many were trained.
    """

    strengths: tuple[float, ...]
    held_out_loss: tuple[float, ...]
    training_loss: tuple[float, ...]
    held_out_score: tuple[float, ...] | None
    zeros: tuple[dict[str, float], ...]
    dead_units: tuple[dict[str, int], ...]
    dead_inputs: tuple[dict[str, int], ...]
    states: tuple[dict[str, Any], ...] = field(repr=False)
    epochs: tuple[int, ...]
    _original: nn.Module = field(repr=False)

    @property
    def best(self) -> int:
        """The index of the lowest held-out loss; of equal ones, that of the largest strength."""
        return self.held_out_loss.index(min(self.held_out_loss))

    def model(self, index: int) -> nn.Module:
        """Return a copy of the model, in the mode it was given in, with the weights of an entry."""
        count = len(self.strengths)
        if not -count <= index < count:
            raise UsageError(f"index is {index}; the path has {count} strengths, 0 to {count - 1}")
        model = copy.deepcopy(self._original)
        model.load_state_dict(self.states[index])
        return model

    def __str__(self) -> str:
        """Return a table with a line for each strength; an asterisk marks the best."""
        heads = ["", "λ", "training loss", "held-out loss", "held-out score"]
        table = [[*heads, "zeros", "dead units", "dead inputs", "epochs"]]
        for at, (state, names) in enumerate(zip(self.states, self.zeros, strict=True)):
            numbers = [self.strengths[at], self.training_loss[at], self.held_out_loss[at]]
            score = "-" if self.held_out_score is None else f"{self.held_out_score[at]:.4g}"
            zero = torch.cat([state[name].flatten() == 0 for name in names]).double().mean()
            dead = [sum(each[at].values()) for each in (self.dead_units, self.dead_inputs)]
            cells = ["*" * (at == self.best), *(f"{x:.5g}" for x in numbers), score, f"{zero:.1%}"]
            table.append([*cells, *map(str, dead), str(self.epochs[at])])
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join("  ".join(map(str.rjust, line, widths)) for line in table)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the weights, as values that JSON has."""
        names = [each.name for each in fields(self) if each.name not in ("states", "_original")]
        values = {name: copy.deepcopy(list(getattr(self, name) or ())) for name in names}
        # a score may be nan (R² of one row), which JSON has not
        scores = [value if math.isfinite(value) else None for value in values["held_out_score"]]
        return values | {"held_out_score": scores or None, "best": self.best}


def lambda_max(
    model: nn.Module,
    batch: Any,
    *,
    loss: Loss,
    select: Selector = "*",
    learning_rate: float | None = None,
) -> float:
    """Return the smallest λ at which one proximal L1 step makes all selected weights zero.

    The step is ``w ← soft(w - lr ∇loss, lr λ)``, so that λ is ``max |w / lr - ∇loss|``, to
    rounding. Where the weights are zero it is ``max |∇loss|`` whatever the learning rate, which
    is scikit-learn's ``alpha_max``. The model is left as it is, gradients and mode included.

    Parameters
    ----------
    model : torch.nn.Module
    batch
        Whatever the loss takes.
    loss : callable
        ``loss(model, batch)``, a scalar Tensor.
    select : selector
        The weights; see :data:`bridle.modules.Selector`. Frozen ones make no step and do not count.
    learning_rate : float, optional
        Of the step. Only weights that are all zero can do without.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        If no weights that learn are selected; if a learning rate is needed.
    TrainingError
        If the loss is not finite.

    Examples
    --------
    >>> import torch
    >>> from bridle import lambda_max
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> _ = torch.nn.init.zeros_(model.weight)
    >>> batch = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0], [3.0]])
    >>> lambda_max(model, batch, loss=lambda m, b: 0.5 * (m(b[0]) - b[1]).square().mean())
    3.0
    """
    if learning_rate is not None:
        check_strength("learning_rate", learning_rate, positive=True)
    pairs = _slopes(model, batch, loss, _learning(model, select))
    if learning_rate is None and any(bool(w.any()) for w, _ in pairs):
        raise UsageError(
            "learning_rate is None, and the selected weights are not all zero: "
            "give the learning rate that trains them"
        )
    rate = learning_rate or 1.0
    return max(float((w.double() / rate - g.double()).abs().max()) for w, g in pairs)


def lambda_path(
    model: nn.Module,
    training: Batch,
    held_out: Batch,
    *,
    loss: Loss,
    score: Callable[[nn.Module, Any], Any] | None = None,
    select: Selector = "*",
    penalty: Callable[[float], Penalty] = L1,
    strengths: Sequence[float] | None = None,
    count: int = 20,
    ratio: float = 1e-3,
    learning_rate: float = 1e-2,
    epochs: int = 100,
    batch_size: int | None = None,
    tolerance: float = 0.0,
    optimizer: Callable[[Any], torch.optim.Optimizer] | None = None,
    metric: str = "euclidean",
    seed: int = 0,
) -> LambdaPath:
    """Train a model at each of many strengths, from the largest down, each from the one before.

    The penalty acts by its proximal step (:func:`bridle.attach`), so zeros are exact; a linear
    model with a convex loss gives the lasso path. A network whose weights are all zero may be at a
    saddle: where the next strength's step would leave them so (with L1: ``max |∇loss| ≤ λ``), it
    begins at the initial weights instead. A copy is trained; the model and torch's random state
    stay as they are.

    Parameters
    ----------
    model : torch.nn.Module
    training, held_out : tuple of Tensor
        Such as ``(X, y)``, rows first.
    loss : callable
        ``loss(model, batch)``, a scalar Tensor: the mean over the rows of such a tuple.
    score : callable, optional
        ``score(model, held_out)``, a number for people to read.
    select : selector
        What is penalized; see :data:`bridle.modules.Selector`.
    penalty : callable
        λ → penalty, such as ``bridle.L1`` or ``lambda s: bridle.ElasticNet(l1=s, l2=1e-3)``.
    strengths : sequence of float, optional
        Default: ``count`` of them, geometric from :func:`lambda_max` (L1's, at the optimizer's
        smallest learning rate) down to ``ratio`` of it.
    count, ratio
        Of the default strengths.
    learning_rate : float
        Of the default optimizer, ``torch.optim.SGD``.
    epochs : int
        At each strength, at most.
    batch_size : int, optional
        Default: all rows. Otherwise each epoch shuffles them, by the seed.
    tolerance : float
        Above 0, a strength ends after an epoch that changes no parameter by more.
    optimizer : callable, optional
        Parameters → optimizer, made anew at each strength.
    metric : {"euclidean", "adaptive"}
        See :func:`bridle.attach`.
    seed : int
        Of the shuffles, and of torch's generators in training.

    Returns
    -------
    LambdaPath

    Raises
    ------
    UsageError
        If an argument has a value that it cannot have.
    TrainingError
        If a loss is not finite.

    Examples
    --------
    >>> import torch
    >>> from bridle import lambda_path
    >>> rows = torch.eye(2), torch.tensor([[1.0], [3.0]])
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> _ = torch.nn.init.zeros_(model.weight)
    >>> half = lambda m, b: 0.5 * (m(b[0]) - b[1]).square().mean()
    >>> path = lambda_path(model, rows, rows, loss=half, count=3, ratio=0.2, learning_rate=1.0)
    >>> path.best, [each["weight"] for each in path.zeros]
    (2, [1.0, 0.5, 0.0])
    """
    sizes = {} if batch_size is None else {"batch_size": batch_size}
    _check(training, held_out, {"count": count, "epochs": epochs} | sizes)
    check_strength("learning_rate", learning_rate, positive=True)
    check_strength("tolerance", tolerance)
    if not 0 < ratio <= 1:
        raise UsageError(f"ratio is {ratio}; it must be above 0, and 1 at most")
    make = optimizer or (lambda parameters: torch.optim.SGD(parameters, lr=learning_rate))
    names = _learning(model, select)
    devices = _devices(model)
    with torch.random.fork_rng(devices), torch.enable_grad():
        torch.default_generator.manual_seed(seed)
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(seed)
        shuffles = torch.Generator().manual_seed(seed)
        work = copy.deepcopy(model).train()
        initial = _state(work)
        chosen = tuple(dict(work.named_parameters())[name] for name in names)
        first = make(work.parameters())
        if not isinstance(first, torch.optim.Optimizer):
            raise UsageError(f"optimizer gives a {type(first).__name__}; let it return torch's")
        rate = min(float(group["lr"]) for group in first.param_groups)
        if strengths is None:
            top = lambda_max(work, training, loss=loss, select=chosen, learning_rate=rate)
            strengths = [top * ratio ** (at / max(count - 1, 1)) for at in range(count)]
        if not len(strengths):
            raise UsageError("strengths is empty; give one or more, or None for the default")
        for value in strengths:
            check_strength("a strength", value)
        rows: list[tuple[Any, ...]] = []
        for strength in sorted(map(float, strengths), reverse=True):
            work.train()
            rule = penalty(strength)
            if not isinstance(rule, Penalty):
                raise UsageError(f"penalty gives {rule!r}; let it return one such as bridle.L1(λ)")
            if rows and not any(bool(w.any()) for w in chosen):
                slopes = _slopes(work, training, loss, names)
                if not any(bool(rule.prox(-rate * g, rate).any()) for _, g in slopes):
                    work.load_state_dict(initial)
            stepper = make(work.parameters())
            attached = attach(stepper, {chosen: rule}, model=work, metric=metric)
            done, change = 0, math.inf
            while done < epochs and not change <= tolerance:
                before = [w.detach().clone() for w in work.parameters()] if tolerance else []
                for batch in _batches(training, batch_size, shuffles):
                    stepper.zero_grad()
                    _value(work, batch, loss).backward()
                    stepper.step()
                if tolerance:
                    pairs = zip(before, work.parameters(), strict=True)
                    change = max(float((a - b).detach().abs().max()) for a, b in pairs)
                done += 1
            attached.detach()
            with torch.no_grad():
                work.eval()
                losses = [float(_value(work, part, loss)) for part in (held_out, training)]
                number = None if score is None else float(score(work, held_out))
                zeros = [float((w == 0).double().mean()) for w in chosen]
            shares = dict(zip(names, zeros, strict=True))
            rows.append((strength, *losses, number, shares, *_dead(work), _state(work), done))
    columns: list[Any] = [*zip(*rows, strict=True)]
    if score is None:
        columns[3] = None
    return LambdaPath(*[*columns, copy.deepcopy(model)])


def _check(training: Batch, held_out: Batch, counts: dict[str, Any]) -> None:
    for name, value in counts.items():
        if not isinstance(value, Integral) or value < 1:
            raise UsageError(f"{name} is {value!r}; it must be a whole number, 1 or more")
    for name, part in {"training": training, "held_out": held_out}.items():
        if not isinstance(part, tuple) or not all(isinstance(each, Tensor) for each in part):
            raise UsageError(f"{name} is a {type(part).__name__}; give a tuple of tensors (X, y)")
        lengths = [len(each) if each.ndim else 0 for each in part]
        if len(set(lengths)) != 1 or not lengths[0]:
            raise UsageError(f"{name} has {lengths} rows; give tensors of one number of rows")


def _learning(model: nn.Module, select: Selector) -> list[str]:
    found = select_parameters(model, select)
    learning = [name for name, weight in found.items() if weight.requires_grad]
    if not learning:
        raise UsageError(f"{', '.join(list(found)[:4])}: frozen; select weights that learn")
    return learning


def _devices(model: nn.Module) -> list[int]:
    """Return the GPUs whose random state the model can change."""
    return sorted({p.device.index for p in model.parameters() if p.is_cuda})


def _value(model: nn.Module, batch: Any, loss: Loss) -> Tensor:
    value = loss(model, batch)
    if not isinstance(value, Tensor) or value.ndim:
        shown = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise UsageError(f"the loss is of shape {shown}; let it return a scalar Tensor")
    if not bool(value.isfinite()):
        raise TrainingError(f"the loss is {value.item()}; lower the learning rate, or scale X")
    return value


def _slopes(
    model: nn.Module, batch: Any, loss: Loss, names: list[str]
) -> list[tuple[Tensor, Tensor]]:
    """Return each weight with its gradient."""
    with torch.random.fork_rng(_devices(model)), torch.enable_grad():
        twin = copy.deepcopy(model)  # whose running means the loss may change
        weights = [dict(twin.named_parameters())[name] for name in names]
        value = _value(twin, batch, loss)
        known = (
            torch.autograd.grad(value, weights, allow_unused=True) if value.requires_grad else []
        )
    found = [(w.detach(), g) for w, g in zip(weights, known, strict=False) if g is not None]
    if not found:
        raise UsageError(f"{', '.join(names[:4])}: not in the loss; select weights that are")
    return found


def _batches(rows: Batch, size: int | None, shuffles: torch.Generator) -> list[Batch]:
    if size is None:
        return [rows]
    parts = torch.randperm(len(rows[0]), generator=shuffles).split(size)
    return [tuple(each[part.to(each.device)] for each in rows) for part in parts]


def _state(model: nn.Module) -> dict[str, Any]:
    return {
        name: value.detach().to("cpu", copy=True) if isinstance(value, Tensor) else value
        for name, value in model.state_dict().items()
    }


def _dead(model: nn.Module) -> tuple[dict[str, int], dict[str, int]]:
    """Count the units and the inputs of each layer all of whose weights are zero."""
    units, inputs = {}, {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear | _ConvNd):
            groups = getattr(layer, "groups", 1)
            rows, columns = layer.weight.shape[:2]
            zero = (layer.weight == 0).reshape(groups, rows // groups, columns, -1).all(-1)
            # [groups, out, in], and of a transposed convolution [groups, in, out]
            out, into = (1, 2) if not getattr(layer, "transposed", False) else (2, 1)
            units[name] = int(zero.all(into).sum())
            inputs[name] = int(zero.all(out).sum())
    return units, inputs
