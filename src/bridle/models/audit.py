"""Audit a model of a table: rebuild its regularizers from its facts, and check that they act."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bridle.audit import Audit, audit
from bridle.errors import DataError, UsageError
from bridle.models.reading import Rows, read_for_model
from bridle.models.recipe import Strengths, penalties_of
from bridle.models.table_model import TableModel
from bridle.modules.attach import attach
from bridle.networks.population import Network
from bridle.tables import ClassTarget

__all__ = ["audit_model"]

_ROWS = 256


def audit_model(model: TableModel, table: Rows | None = None) -> Audit:
    """Audit the regularizers that a model was trained with; see :func:`bridle.audit`.

    The optimizer and the penalties are rebuilt from the strengths that the model states. They then
    take steps with copies of its network.

    Parameters
    ----------
    model : TableModel
    table : path, DataFrame or (X, y), optional
        Rows for the steps, with the target column; at most 256 are used. Default: random numbers,
        which show the effect of the regularizers as well.

    Returns
    -------
    Audit

    Raises
    ------
    UsageError
        If the model does not state its regularizers.
    DataError
        If the table lacks a column.

    Examples
    --------
    >>> import pandas as pd, bridle
    >>> table = pd.DataFrame({"x": range(40), "y": ["no"] * 20 + ["yes"] * 20})
    >>> model = bridle.fit(table, target="y", recipe=bridle.Recipe(epochs=2)).model
    >>> bridle.audit_model(model, table).passed
    True
    """
    if "strengths" not in model.facts:
        raise UsageError(
            "the model has no record of its regularizers; fit it with bridle.fit or bridle.search"
        )
    strengths = Strengths(**model.facts["strengths"])
    together = [Strengths.among(each) for each in model.facts.get("together", [])]
    each_has = model.network.members // max(1, len(together))
    members = [one for one in together or [strengths] for _ in range(each_has)]
    network = model.network.take(range(model.network.members)).train()  # as it was trained
    rate = float(model.facts.get("recipe", {}).get("learning_rate", 1e-3))
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    penalties = penalties_of(members)
    if penalties:
        attach(optimizer, {"weights.*": penalties}, model=network, metric="adaptive")
    batch = _random_rows(model) if table is None else _rows(model, table)

    def loss(net: nn.Module, rows: Any) -> Tensor:
        X, y = rows
        value = model.objective.loss(net(X), y).mean()
        if isinstance(net, Network):
            net.steps += 1  # as in a training step, so that the next masks are sampled
        return value

    return audit(network, optimizer, batch, loss=loss)


def _random_rows(model: TableModel) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(_ROWS, model.network.sizes[0], generator=generator)
    if isinstance(model.target, ClassTarget):
        return X, torch.arange(_ROWS) % len(model.target.classes)
    return X, torch.randn(_ROWS, generator=generator)


def _rows(model: TableModel, table: Rows) -> tuple[Tensor, Tensor]:
    frame, target = read_for_model(model, table).frame, model.target_name
    if target not in frame.columns:
        raise DataError(f"the table lacks the column {target!r}, the model's target; add it")
    frame = frame[frame[target].notna()].head(_ROWS)
    if not len(frame):
        raise DataError(f"the target {target!r} is missing in every row; give rows that have it")
    X = torch.from_numpy(model.encoder.transform(frame))
    y: np.ndarray[Any, Any] = model.target.transform(frame[target])
    return X, torch.from_numpy(y)
