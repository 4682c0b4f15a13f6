"""``train_step`` makes one optimizer step; ``train`` is the loop over epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from bridle.errors import TrainingError, UsageError, flag_of
from bridle.networks.eager_adam import EagerAdam
from bridle.networks.epochs import CompiledSteps
from bridle.networks.evaluation import evaluate_epoch, evaluate_held_out, history_of
from bridle.networks.history import Dataset, History
from bridle.networks.objectives import Objective, objective_of
from bridle.networks.population import Network
from bridle.networks.shared_masks import can_compact, compacted
from bridle.networks.shared_members import check_plain
from bridle.networks.stopping import BestWeights
from bridle.penalties import (
    Annealed,
    Penalty,
    add_gradients,
    apply_prox,
    at_step,
    check_application,
)
from bridle.penalties.members import penalties_of_members
from bridle.penalties.overlaps import in_order
from bridle.penalties.protocol import takes_steps

__all__ = ["train", "train_keeping", "train_step"]


def train_step(
    network: Network,
    batch: tuple[Tensor, ...],
    *,
    optimizer: torch.optim.Optimizer,
    objective: str | Objective = "cross_entropy",
    penalties: Sequence[Penalty | Annealed] = (),
    mode: str = "proximal",
    metric: str = "euclidean",
) -> Tensor:
    """Make one training step: forward, backward, update.

    Minimizes ``loss(f(x; w ∘ masks)) + R(w)`` for all members at once; the members' gradients are
    independent. Increments ``network.steps``, so that the next step has new masks. Penalties act
    on the weights and not on the biases.

    With one member and a mask that the batch shares (``Dropout(..., shared=True)``), the step
    computes with the rows and columns of the kept units only
    (:mod:`bridle.networks.shared_masks`). Momentum and decay then skip the dropped units. The
    penalties' steps are longer in proportion, because each weight is updated less often.

    Parameters
    ----------
    network : Network
    batch : tuple of Tensor
        ``(X, y)`` or ``(X, y, weight)``: ``X`` ``[rows, inputs]`` or ``[members, rows, inputs]``,
        ``y`` and ``weight`` ``[rows]`` or ``[members, rows]``. The loss is the mean over the rows
        of ``weight`` times the row's loss.
    optimizer : torch.optim.Optimizer
        Any torch optimizer over ``network.parameters()``.
    objective : {"cross_entropy", "squared_error"} or Objective
    penalties : sequence of Penalty or Annealed
        :class:`bridle.Annealed` penalties have their strength at step ``network.steps``.
    mode : {"proximal", "coupled"}
        "coupled" adds the penalties to the loss. "proximal" applies
        ``w ← prox(w, step)`` after the optimizer's step, so that L1 gives exact zeros.
    metric : {"euclidean", "adaptive"}
        The step size of the prox: the learning rate, or the step that Adam took for each weight;
        see :func:`bridle.penalties.apply_prox`.

    Returns
    -------
    Tensor
        The loss of each member on this batch, with noise and without the penalty: ``[members]``,
        detached.

    Raises
    ------
    UsageError
        If the batch does not fit the network, or a penalty does not fit the mode or the metric; or
        if the network is a SharedNetwork.

    Examples
    --------
    >>> import torch, bridle
    >>> network = bridle.Network([4, 8, 8, 3], hidden_noise=bridle.Dropout(keep_prob=0.5))
    >>> optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    >>> X, y = torch.eye(4), torch.tensor([0, 1, 2, 0])
    >>> before = objective_of("cross_entropy").loss(bridle.predict(network, X), y).mean()
    >>> for _ in range(50):
    ...     loss = bridle.train_step(
    ...         network, (X, y), optimizer=optimizer, penalties=[bridle.L1(1e-3)]
    ...     )
    >>> after = objective_of("cross_entropy").loss(bridle.predict(network, X), y).mean()
    >>> bool(after < before), network.steps
    (True, tensor([50]))
    """
    check_plain(network)
    acting = at_step(penalties_of_members(penalties), network.steps)
    check_application(acting, mode, metric)
    if mode == "proximal" and len(acting) > 1:  # before anything changes
        for weight in network.weights:
            in_order(acting, weight, per_weight=metric == "adaptive")
    X, y, *rest = batch
    optimizer.zero_grad(set_to_none=True)
    compact = can_compact(network, optimizer, acting, mode)
    _check_shared(network, acting, metric, compact=compact)
    with compacted(network, optimizer) if compact else nullcontext() as part:
        outputs = network(X, noise=True) if part is None else part.forward(X)
        losses = objective_of(objective).loss(outputs, y)
        loss = (losses * rest[0] if rest else losses).mean(1)
        loss.sum().backward()
        if part is not None:
            part.give_gradients()
        if mode == "coupled":
            add_gradients(network.weights, acting)
        optimizer.step()
        if mode == "proximal" and acting:
            times = None if part is None else part.times
            apply_prox(optimizer, network.weights, acting, metric=metric, times=times)
    network.steps += 1
    return loss.detach()


def _check_shared(
    network: Network, penalties: Sequence[Penalty], metric: str, *, compact: bool
) -> None:
    """Refuse the adaptive metric if dropped units may have no second moments yet."""
    shared = network.hidden_noise is not None and network.hidden_noise.shared
    if shared and penalties and metric == "adaptive" and not compact:
        raise UsageError(
            "metric='adaptive' with shared dropout needs one member, no DropConnect, and only L1, "
            "L2 or elastic net penalties; use metric='euclidean'"
        )


def train(
    network: Network,
    training: Dataset,
    held_out: Dataset,
    *,
    objective: str | Objective = "cross_entropy",
    optimizer: torch.optim.Optimizer | None = None,
    learning_rate: float = 1e-3,
    epochs: int = 100,
    batch_size: int = 128,
    penalties: Sequence[Penalty | Annealed] = (),
    mode: str = "proximal",
    metric: str | None = None,
    patience: int | Sequence[int | None] | None = None,
    seed: int = 0,
    on_epoch: Callable[[int, int], None] | None = None,
    training_curves: bool = True,
    keep_interrupted: bool = False,
) -> History:
    """Train every member of a network, and return the learning curves.

    Parameters
    ----------
    network : Network
        Trained in place.
    training, held_out : Dataset
        Held-out rows are only evaluated: for the history, and for early stopping.
    objective : {"cross_entropy", "squared_error"} or Objective
    optimizer : torch.optim.Optimizer, optional
        Over ``network.parameters()``. Default: Adam with ``learning_rate``.
    learning_rate : float
        For the default optimizer.
    epochs, batch_size : int
        The rows are shuffled in every epoch. All members get the same batches.
    penalties, mode
        As in :func:`train_step`.
    metric : {"euclidean", "adaptive"}, optional
        As in :func:`train_step`. Default: "adaptive" with the default optimizer, which minimizes
        the loss plus the penalty as stated; else "euclidean".
    patience : int, None, or one for each member
        Early stopping: stop after this many epochs without a lower held-out loss, and restore the
        weights of the epoch with the lowest one. None trains for all epochs and keeps the last
        weights. Training ends when every member has stopped.
    seed : int
        Seed of the shuffles.
    on_epoch : callable, optional
        Called with (epoch, epochs) after each epoch; the first epoch is 1.
    training_curves : bool
        With False the history has NaN for the training loss, its score, the noise and the penalty,
        and an epoch takes less time: only the held-out rows are evaluated after it.
    keep_interrupted : bool
        End the training at a KeyboardInterrupt after the first epoch, instead of raising it.

    Returns
    -------
    History

    Raises
    ------
    UsageError
        If an argument is out of range, or the network is a SharedNetwork.
    TrainingError
        If a loss becomes NaN or infinite.

    Examples
    --------
    >>> import torch, bridle
    >>> X = torch.linspace(-1, 1, 64)[:, None]
    >>> data = bridle.Dataset(X, X[:, 0] ** 2)
    >>> network = bridle.Network([1, 16, 16, 1])
    >>> history = bridle.train(
    ...     network, data, data, objective="squared_error", batch_size=8, epochs=60
    ... )
    >>> bool(history.held_out_score[-1, 0] > 0.5)
    True
    """
    check_plain(network)
    _check_training(training, held_out, epochs=epochs, batch_size=batch_size)
    patiences = list(patience) if isinstance(patience, Sequence) else [patience] * network.members
    if len(patiences) != network.members:
        raise UsageError(
            f"patience has {len(patiences)} entries for {network.members} members; "
            "give one per member"
        )
    return train_keeping(
        BestWeights(network, patiences),
        training,
        held_out,
        objective=objective,
        optimizer=optimizer,
        learning_rate=learning_rate,
        epochs=epochs,
        batch_size=batch_size,
        penalties=penalties,
        mode=mode,
        metric=metric,
        seed=seed,
        on_epoch=on_epoch,
        training_curves=training_curves,
        keep_interrupted=keep_interrupted,
    )


def train_keeping(
    best: BestWeights,
    training: Dataset,
    held_out: Dataset,
    *,
    objective: str | Objective,
    learning_rate: float,
    epochs: int,
    batch_size: int,
    penalties: Sequence[Penalty | Annealed],
    seed: int,
    on_epoch: Callable[[int, int], None] | None,
    optimizer: torch.optim.Optimizer | None = None,
    mode: str = "proximal",
    metric: str | None = None,
    training_curves: bool = True,
    keep_interrupted: bool = False,
) -> History:
    """Do what :func:`train` does, for the members of ``best`` and the weights that it keeps."""
    network, penalties = best.trained, penalties_of_members(penalties)
    fitted = objective_of(objective)
    steps = None
    if optimizer is None:
        acting = at_step(penalties, network.steps)
        metric = metric or _default_metric(network, acting)
        check_application(acting, mode, metric)
        fits = CompiledSteps.fit(network, training, fitted, penalties, batch_size)
        if fits and (not penalties or (mode, metric) == ("proximal", "adaptive")):
            steps = CompiledSteps(network, training, fitted, acting, learning_rate)
        optimizer = EagerAdam(network.parameters(), lr=learning_rate, fused=True)
    shuffle = torch.Generator().manual_seed(seed)
    curves: list[Tensor] = []
    training_curves = flag_of("training_curves", training_curves)
    keep_interrupted = flag_of("keep_interrupted", keep_interrupted)
    network.train()
    interrupted = False
    try:
        for epoch in range(1, epochs + 1):
            order = torch.randperm(training.X.shape[0], generator=shuffle)
            if steps is not None:
                steps.epoch(order, batch_size)
            else:
                for rows in order.split(batch_size):
                    train_step(
                        network,
                        _batch(training, rows),
                        optimizer=optimizer,
                        objective=fitted,
                        penalties=penalties,
                        mode=mode,
                        metric=metric or "euclidean",
                    )
            if training_curves:
                acting = at_step(penalties, network.steps)
                found = evaluate_epoch(network, training, held_out, fitted, acting)
                losses = found[:2]
            else:
                found = evaluate_held_out(network, held_out, fitted)
                losses = found[1]
            if not losses.isfinite().all():
                raise TrainingError(
                    f"the loss is not a finite number after epoch {epoch}; "
                    f"use a lower learning rate than {optimizer.param_groups[0]['lr']:g}"
                )
            curves.append(found)
            finished = best.update(epoch, found[1])
            if on_epoch is not None:
                on_epoch(epoch, epochs)
            if finished:
                break
    except KeyboardInterrupt:
        if not keep_interrupted or not int(best.epoch.min()):
            raise
        interrupted = True
    best.restore()
    best.network.eval()
    rows_of = (training.X.shape[0], held_out.X.shape[0])
    return history_of(curves, best, fitted, rows=rows_of, interrupted=interrupted)


def _check_training(training: Dataset, held_out: Dataset, **counts: int) -> None:
    for name, data in (("training", training), ("held_out", held_out)):
        if not data.X.shape[0]:
            raise UsageError(f"{name} has 0 rows; give at least one row")
    for name, count in counts.items():
        if count < 1:
            raise UsageError(f"{name} is {count}; it must be 1 or more")


def _default_metric(network: Network, penalties: Sequence[Penalty]) -> str:
    fits = all(
        (penalty.separable and takes_steps(penalty)) or penalty.constraint for penalty in penalties
    )
    if network.hidden_noise is not None and network.hidden_noise.shared:
        fits = False  # at first, dropped units have no second moments
    return "adaptive" if fits else "euclidean"


def _batch(data: Dataset, rows: Tensor) -> tuple[Tensor, ...]:
    batch = (data.X[rows], data.y[rows])
    return batch if data.weight is None else (*batch, data.weight[rows])
