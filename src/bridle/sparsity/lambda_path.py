"""The λ path: one network trained at falling strengths, each from the weights of the last."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.modules.select import Selector, select_parameters
from bridle.penalties import L1, Grouped, Grouping, Penalty
from bridle.penalties.groupings import as_grouping
from bridle.penalties.protocol import check_strength
from bridle.sparsity.path_result import LambdaPath
from bridle.sparsity.path_training import (
    Batch,
    Loss,
    PathTrainer,
    bound_groups,
    gpus_of,
    loss_gradients,
)

__all__ = ["lambda_max", "lambda_path"]


def lambda_max(
    model: nn.Module,
    batch: Any,
    *,
    loss: Loss,
    select: Selector = "*",
    learning_rate: float | None = None,
    groups: Grouping | str = "elements",
) -> float:
    """Return the smallest λ at which one proximal L1 step makes all selected weights zero.

    The step is ``w ← soft(w - lr ∇loss, lr λ)``, so this λ is ``max |w / lr - ∇loss|``, up to
    rounding. If all weights are zero, it is ``max |∇loss|`` at any learning rate, which is
    scikit-learn's ``alpha_max``. The model does not change, nor do its gradients and its mode. Of
    groups, it is the largest norm of a group of ``w / lr - ∇loss``, for the group lasso.

    Parameters
    ----------
    model : torch.nn.Module
    batch
        The second argument of ``loss``.
    loss : callable
        ``loss(model, batch)``, a scalar Tensor.
    select : selector
        The weights; see :data:`bridle.modules.Selector`. Frozen weights are ignored.
    learning_rate : float, optional
        The step's learning rate. Optional only if all selected weights are zero.
    groups : Grouping or str
        See :class:`bridle.Grouping`.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        If no trainable weights are selected, or if a learning rate is needed.
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
    names = _trainable(model, select)
    pairs = loss_gradients(model, batch, loss, names)
    if learning_rate is None and any(bool(w.any()) for _, w, _ in pairs):
        raise UsageError(
            "learning_rate is None, but some of the selected weights are not zero: "
            "give the learning rate of the training"
        )
    rate = learning_rate or 1.0
    places = bound_groups(model, names, as_grouping(groups))
    return max(
        float(places[name].norms(w.double() / rate - g.double()).max()) for name, w, g in pairs
    )


def lambda_path(
    model: nn.Module,
    training: Batch,
    held_out: Batch,
    *,
    loss: Loss,
    score: Callable[[nn.Module, Any], Any] | None = None,
    select: Selector = "*",
    penalty: Callable[[float], Penalty] = L1,
    groups: Grouping | str = "elements",
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
    """Train a model at many strengths, from the largest down, each from the weights of the last.

    The penalty acts by its proximal step (:func:`bridle.attach`), so zeros are exact. For a linear
    model with a convex loss this is the lasso path. A network whose weights are all zero may be at
    a saddle point: if a step at the next strength keeps them zero (with L1: ``max |∇loss| ≤ λ``),
    training restarts from the initial weights. A copy is trained; the model and torch's random
    state do not change.

    Parameters
    ----------
    model : torch.nn.Module
    training, held_out : tuple of Tensor
        Such as ``(X, y)``, rows first.
    loss : callable
        ``loss(model, batch)``, a scalar Tensor: the mean over the rows of ``batch``, a tuple like
        ``training``.
    score : callable, optional
        ``score(model, held_out)``, a number to report. It is not used for selection.
    select : selector
        The penalized parameters; see :data:`bridle.modules.Selector`.
    penalty : callable
        λ → penalty, such as ``bridle.L1`` or ``lambda s: bridle.ElasticNet(l1=s, l2=1e-3)``.
    groups : Grouping or str
        Of anything but elements, the penalty acts on the norms of groups (:class:`bridle.Grouped`):
        ``penalty=bridle.MCP, groups="units"``.
    strengths : sequence of float, optional
        Default: a geometric grid of ``count`` strengths, from :func:`lambda_max` (of L1 and these
        groups, at the optimizer's smallest learning rate) down to ``ratio`` times that.
    count, ratio
        The size and the range of the default grid.
    learning_rate : float
        The learning rate of the default optimizer, ``torch.optim.SGD``.
    epochs : int
        The maximum number of epochs at each strength.
    batch_size : int, optional
        Default: all rows in one batch. Otherwise the rows are shuffled in each epoch.
    tolerance : float
        If above 0, training at a strength stops after an epoch that changes no parameter by more
        than this.
    optimizer : callable, optional
        Parameters → optimizer. It is called once for each strength.
    metric : {"euclidean", "adaptive"}
        See :func:`bridle.attach`.
    seed : int
        The seed of the shuffles and of torch's generators during training.

    Returns
    -------
    LambdaPath

    Raises
    ------
    UsageError
        If an argument has an invalid value.
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
        raise UsageError(f"ratio is {ratio}; it must be above 0 and at most 1")
    grouping = as_grouping(groups)
    devices = gpus_of(model)
    names = _trainable(model, select)
    with torch.random.fork_rng(devices), torch.enable_grad():
        torch.default_generator.manual_seed(seed)
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(seed)
        trainer = PathTrainer(
            model,
            names,
            training,
            loss=loss,
            optimizer=optimizer or (lambda weights: torch.optim.SGD(weights, lr=learning_rate)),
            batch_size=batch_size,
            metric=metric,
            seed=seed,
        )
        if strengths is None:
            top = lambda_max(
                trainer.model,
                training,
                loss=loss,
                select=trainer.weights,
                learning_rate=trainer.learning_rate,
                groups=grouping,
            )
            strengths = [top * ratio ** (at / max(count - 1, 1)) for at in range(count)]
        rows: list[tuple[Any, ...]] = []
        for strength in _falling(strengths):
            rule = penalty(strength)
            if not isinstance(rule, Penalty):
                raise UsageError(
                    f"penalty returned {rule!r}; return a penalty such as bridle.L1(λ)"
                )
            if grouping != Grouping.elements():
                rule = Grouped(rule, grouping)
            if rows:
                trainer.leave_saddle(rule)
            done = trainer.train(rule, epochs=epochs, tolerance=tolerance)
            rows.append((strength, *trainer.evaluate(held_out, score), done))
    columns: list[Any] = [*zip(*rows, strict=True)]
    if score is None:
        columns[3] = None
    return LambdaPath(*[*columns, copy.deepcopy(model)])


def _falling(strengths: Sequence[float]) -> list[float]:
    """Check the strengths, and return them from the largest down."""
    if not len(strengths):
        raise UsageError("strengths is empty; give one or more, or None for the default")
    for value in strengths:
        check_strength("a strength", value)
    return sorted(map(float, strengths), reverse=True)


def _check(training: Batch, held_out: Batch, counts: dict[str, Any]) -> None:
    for name, value in counts.items():
        if not isinstance(value, Integral) or value < 1:
            raise UsageError(f"{name} is {value!r}; it must be a whole number, 1 or more")
    for name, part in {"training": training, "held_out": held_out}.items():
        if not isinstance(part, tuple) or not all(isinstance(each, Tensor) for each in part):
            raise UsageError(f"{name} is a {type(part).__name__}; give a tuple of tensors (X, y)")
        lengths = [len(each) if each.ndim else 0 for each in part]
        if len(set(lengths)) != 1 or not lengths[0]:
            raise UsageError(f"{name} has {lengths} rows; give tensors of equal length")


def _trainable(model: nn.Module, select: Selector) -> list[str]:
    found = select_parameters(model, select)
    trainable = [name for name, weight in found.items() if weight.requires_grad]
    if not trainable:
        raise UsageError(f"{', '.join(list(found)[:4])}: frozen weights; select trainable ones")
    return trainable
