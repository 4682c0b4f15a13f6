"""A configuration trained by a plain torch loop, one network at a time.

The same loss, folds, batch size, steps and evaluations as in the search, with ``nn.Linear``,
``nn.Dropout``, AdamW and the penalties in the loss. DropConnect and max-norm, for which torch has
no module, are left out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from bridle.search.configuration import Configuration
from bridle.search.data import SearchData
from bridle.search.scoring import scores_of

__all__ = ["Builder", "cross_validate", "network_of"]

Builder = Callable[[int, Configuration, int], nn.Module]


def network_of(inputs: int, configuration: Configuration, outputs: int) -> nn.Sequential:
    """Return a ReLU network, with dropout if the configuration has it."""
    layers: list[nn.Module] = []
    if configuration.input_keep_prob < 1:
        layers.append(nn.Dropout(1 - configuration.input_keep_prob))
    for units in configuration.hidden:
        layers += [nn.Linear(inputs, units), nn.ReLU()]
        if configuration.keep_prob < 1:
            layers.append(nn.Dropout(1 - configuration.keep_prob))
        inputs = units
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def _loss(outputs: Tensor, y: Tensor, weight: Tensor | None, smoothing: float) -> Tensor:
    if weight is None:
        return F.mse_loss(outputs[:, 0], y)
    return F.cross_entropy(outputs, y, weight=weight, label_smoothing=smoothing)


def _train(
    data: SearchData,
    rows: Tensor,
    configuration: Configuration,
    steps: int,
    evaluations: int,
    batch_size: int,
    evaluate: Callable[[nn.Module], None],
    build: Builder,
) -> None:
    X = data.inputs[configuration.bins]
    network = build(X.shape[1], configuration, data.outputs)
    average = None
    if configuration.averaging != float("inf"):
        average = torch.optim.swa_utils.AveragedModel(
            network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)
        )
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=configuration.learning_rate,
        betas=(0.9, 0.99),
        weight_decay=configuration.l2,
        fused=True,
    )
    weight = None
    if data.classes:
        counts = torch.bincount(data.y[rows], minlength=data.classes).clamp(min=1)
        weight = (len(rows) / (data.classes * counts)) ** configuration.class_weight
    mixing = torch.distributions.Beta(configuration.mixup or 1.0, configuration.mixup or 1.0)
    order, at = rows[torch.randperm(len(rows))], 0
    every = max(1, steps // evaluations)
    for step in range(1, steps + 1):
        if at + batch_size > len(order):
            order, at = rows[torch.randperm(len(rows))], 0
        batch = order[at : at + batch_size]
        at += batch_size
        x, y = X[batch], data.y[batch]
        if configuration.mixup:
            share = float(mixing.sample())
            outputs = network(share * x + (1 - share) * x.roll(1, 0))
            loss = share * _loss(outputs, y, weight, configuration.label_smoothing)
            loss = loss + (1 - share) * _loss(
                outputs, y.roll(1, 0), weight, configuration.label_smoothing
            )
        else:
            loss = _loss(network(x), y, weight, configuration.label_smoothing)
        if configuration.l1:
            weights = (p for p in network.parameters() if p.ndim > 1)
            loss = loss + configuration.l1 * sum(w.abs().sum() for w in weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if average is not None:
            average.update_parameters(network)
        if step % every == 0 or step == steps:
            judged = network if average is None else average
            judged.eval()
            evaluate(judged)
            judged.train()


def cross_validate(
    data: SearchData,
    configuration: Configuration,
    *,
    steps: int,
    evaluations: int,
    batch_size: int,
    scoring: str,
    after_fold: Callable[[int, float], None] | None = None,
    build: Builder = network_of,
) -> float:
    """Train a network for each fold; return the best evaluation's score over all held-out rows.

    ``after_fold`` gets the number of folds done, and the score of their held-out rows; ``build``
    makes the network from its inputs, the configuration and its outputs.
    """
    outputs_of: list[Tensor] = []  # for each evaluation, outputs of all rows
    X = data.inputs[configuration.bins]
    done = torch.zeros(len(data.y), dtype=torch.bool)
    best = -float("inf")
    for fold in range(data.folds):
        rows, held = data.rows_of(fold)
        done[held] = True
        place = iter(range(evaluations + 1))

        def evaluate(network: nn.Module, held: Tensor = held, place: object = place) -> None:
            at = next(place)  # type: ignore[call-overload]
            if at == len(outputs_of):
                outputs_of.append(torch.zeros(len(data.y), data.outputs))
            with torch.inference_mode():
                outputs_of[at][held] = network(X[held])

        _train(data, rows, configuration, steps, evaluations, batch_size, evaluate, build)
        best = float(scores_of(torch.stack(outputs_of)[:, done], data.y[done], scoring).max())
        if after_fold is not None:
            after_fold(fold + 1, best)
    return best
