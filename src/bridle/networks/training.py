"""``train_step`` and the one loop around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from bridle.errors import TrainingError, UsageError
from bridle.networks.history import Dataset, History
from bridle.networks.objectives import Objective, objective_of
from bridle.networks.population import Network, predict
from bridle.networks.shared_masks import can_compact, compacted
from bridle.networks.stopping import BestWeights
from bridle.penalties import (
    Annealed,
    Penalty,
    add_gradients,
    apply_prox,
    at_step,
    check_application,
)

__all__ = ["train", "train_step"]

_ROWS_AT_ONCE = 4096  # which bounds the memory of a pass with noise on


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
    """Make one step of training: forward, backward, update.

    Minimises ``loss(f(x; w ∘ masks)) + R(w)`` for every member at once; each member's gradient is
    its own. Advances ``network.steps``, hence the masks. Penalties act on the weights, not on the
    biases.

    With a mask that the batch shares (``Dropout(..., shared=True)``) and one member, forward,
    backward and update touch the rows and columns of the kept units only
    (:mod:`bridle.networks.shared_masks`):
    momentum and decay pass over what was dropped, and the penalties' steps are longer by what they
    are rarer.

    Parameters
    ----------
    network : Network
    batch : tuple of Tensor
        ``(X, y)`` or ``(X, y, weight)``: ``X`` ``[rows, inputs]`` or ``[members, rows, inputs]``,
        ``y`` and ``weight`` ``[rows]`` or ``[members, rows]``. The loss is the mean over the rows
        of weight times loss.
    optimizer : torch.optim.Optimizer
        Any of torch's, over ``network.parameters()``.
    objective : {"cross_entropy", "squared_error"} or Objective
    penalties : sequence of Penalty or Annealed
        :class:`bridle.Annealed` ones as they are at ``network.steps``.
    mode : {"proximal", "coupled"}
        Coupled adds the penalties to the loss, the article's form. Proximal applies
        ``w ← prox(w, step)`` after the optimizer's step, which gives L1's exact zeros.
    metric : {"euclidean", "adaptive"}
        The step of the prox: the learning rate, or Adam's own per weight; see
        :func:`bridle.penalties.apply_prox`.

    Returns
    -------
    Tensor
        The data loss of each member on this batch, noise on, penalty left out: ``[members]``,
        detached.

    Raises
    ------
    UsageError
        If the batch does not fit the network, or the penalties do not fit mode and metric.

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
    acting = at_step(penalties, network.steps)
    check_application(acting, mode, metric)
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
    """Refuse Adam's own step for weights of dropped units, which have had no gradient yet."""
    shared = network.hidden_noise is not None and network.hidden_noise.shared
    if shared and penalties and metric == "adaptive" and not compact:
        raise UsageError(
            "shared dropout with penalties in the adaptive metric needs one member, L1, L2 or "
            "elastic net only, and no DropConnect: use metric='euclidean'"
        )


@torch.no_grad()
def _fit(
    network: Network, data: Dataset, objective: Objective, *, noise: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the mean loss and the score of each member, float64 ``[members]``."""
    outputs = _noisy(network, data.X) if noise else predict(network, data.X)
    rows = objective.loss(outputs, data.y).double()
    weighted = rows if data.weight is None else rows * data.weight
    return weighted.mean(1), objective.score(outputs, data.y).double()


def _noisy(network: Network, X: Tensor) -> Tensor:
    """Return the outputs with noise on, a part at a time: the masks are those of the whole."""
    rows = torch.arange(X.shape[0])
    parts = zip(X.split(_ROWS_AT_ONCE), rows.split(_ROWS_AT_ONCE), strict=True)
    return torch.cat([network(part, noise=True, rows=index) for part, index in parts], dim=1)


@torch.no_grad()
def _penalty(network: Network, penalties: Sequence[Penalty]) -> Tensor:
    """Return R(w) of each member, float64 ``[members]``."""
    total = torch.zeros(network.members, dtype=torch.float64)
    for penalty in penalties:
        for weight in network.weights:
            # a number speaks of one tensor, so that a population asks member by member
            value = penalty.value(weight.double())
            if value.ndim == 0 and network.members > 1:
                value = torch.stack([penalty.value(part.double()) for part in weight])
            total += value
    return total


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
) -> History:
    """Train every member of a network, and write down what happened.

    Parameters
    ----------
    network : Network
        Trained in place.
    training, held_out : Dataset
        Held-out rows are only looked at: for the history, and to keep the best weights of members
        that have a patience.
    objective : {"cross_entropy", "squared_error"} or Objective
    optimizer : torch.optim.Optimizer, optional
        Over ``network.parameters()``. Default: Adam with ``learning_rate``.
    learning_rate : float
        For the default optimizer.
    epochs, batch_size : int
        The rows are shuffled in every epoch; all members see the same batches.
    penalties, mode
        As in :func:`train_step`.
    metric : {"euclidean", "adaptive"}, optional
        As in :func:`train_step`. Default: "adaptive" with the default optimizer, so that a
        strength means what it means in the objective; else "euclidean".
    patience : int, None, or one for each member
        Early stopping: keep the weights of the lowest held-out loss, and stop after so many
        epochs without a lower one. None keeps the last weights. Training ends when every member
        has stopped; a member that stopped before keeps its best weights.
    seed : int
        Of the shuffles.
    on_epoch : callable, optional
        Called with (epoch, epochs) after each epoch, from 1.

    Returns
    -------
    History

    Raises
    ------
    UsageError
        If an argument is out of range.
    TrainingError
        If a loss is no longer a number.

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
    _check_training(training, held_out, epochs=epochs, batch_size=batch_size)
    fitted = objective_of(objective)
    patiences = list(patience) if isinstance(patience, Sequence) else [patience] * network.members
    if len(patiences) != network.members:
        raise UsageError(
            f"patience has {len(patiences)} entries for {network.members} members; give one each"
        )
    if optimizer is None:
        optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)
        metric = metric or _default_metric(network, at_step(penalties, network.steps))
    best = BestWeights(network, patiences)
    shuffle = torch.Generator().manual_seed(seed)
    records: list[Tensor] = []
    network.train()
    for epoch in range(1, epochs + 1):
        order = torch.randperm(training.X.shape[0], generator=shuffle)
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
        acting = at_step(penalties, network.steps)
        records.append(_record(network, training, held_out, fitted, acting))
        if not records[-1][:2].isfinite().all():
            raise TrainingError(
                f"the loss is not a number after epoch {epoch}; "
                f"use a lower learning rate than {optimizer.param_groups[0]['lr']:g}"
            )
        finished = best.see(epoch, records[-1][1])
        if on_epoch is not None:
            on_epoch(epoch, epochs)
        if finished:
            break
    best.restore()
    network.eval()
    columns = torch.stack(records, dim=1).numpy()
    return History(
        train_loss=columns[0],
        held_out_loss=columns[1],
        train_score=columns[2],
        held_out_score=columns[3],
        noise=columns[4],
        penalty=columns[5],
        epochs_kept=best.epoch.numpy(),
        score_name=fitted.score_name,
        rows=(training.X.shape[0], held_out.X.shape[0]),
    )


def _check_training(training: Dataset, held_out: Dataset, **counts: int) -> None:
    for name, data in (("training", training), ("held_out", held_out)):
        if not data.X.shape[0]:
            raise UsageError(f"{name} has 0 rows; it needs one at least")
    for name, count in counts.items():
        if count < 1:
            raise UsageError(f"{name} is {count}; it must be 1 or more")


def _default_metric(network: Network, penalties: Sequence[Penalty]) -> str:
    fits = all(penalty.separable or penalty.constraint for penalty in penalties)
    if network.hidden_noise is not None and network.hidden_noise.shared:
        fits = False  # dropped units have no second moments at first
    return "adaptive" if fits else "euclidean"


def _batch(data: Dataset, rows: Tensor) -> tuple[Tensor, ...]:
    batch = (data.X[rows], data.y[rows])
    return batch if data.weight is None else (*batch, data.weight[rows])


def _record(
    network: Network,
    training: Dataset,
    held_out: Dataset,
    objective: Objective,
    penalties: Sequence[Penalty],
) -> Tensor:
    """Return the entries of one epoch, float64 ``[6, members]``."""
    train_loss, train_score = _fit(network, training, objective)
    held_out_loss, held_out_score = _fit(network, held_out, objective)
    noise = torch.zeros_like(train_loss)
    if network.has_noise:
        noise = _fit(network, training, objective, noise=True)[0] - train_loss
    return torch.stack(
        [
            train_loss,
            held_out_loss,
            train_score,
            held_out_score,
            noise,
            _penalty(network, penalties),
        ]
    )
