"""A network with the table transformers that it was trained with: what predicts rows of a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import torch

from bridle.errors import UsageError
from bridle.network import Network, predict
from bridle.objectives import CrossEntropy, Objective, SquaredError
from bridle.table import ClassTarget, TableEncoder, ValueTarget, read_table

__all__ = ["TableModel"]


@dataclass(frozen=True, eq=False)
class TableModel:
    """A trained network that takes rows of a table and predicts their target.

    Attributes
    ----------
    network : Network
        One member or more; the outputs of several are averaged (probabilities, or values).
    encoder : TableEncoder
        Turns rows into the network's inputs.
    target : ClassTarget or ValueTarget
        Turns outputs into classes or values.
    target_name : str
        The column that is predicted.
    facts : dict
        How the model came about: strengths, scores, seed, versions; JSON values.

    Raises
    ------
    UsageError
        If the network does not take the encoder's features to the target's outputs.
    """

    network: Network
    encoder: TableEncoder
    target: ClassTarget | ValueTarget
    target_name: str
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inputs, outputs = self.network.sizes[0], self.network.sizes[-1]
        wanted = len(self.target.classes) if isinstance(self.target, ClassTarget) else 1
        if inputs != len(self.encoder.feature_names) or outputs != wanted:
            raise UsageError(
                f"the network takes {inputs} inputs to {outputs} outputs, the table has "
                f"{len(self.encoder.feature_names)} features and the target needs {wanted} outputs"
            )

    @property
    def task(self) -> str:
        """Either "classification" or "regression"."""
        return "classification" if isinstance(self.target, ClassTarget) else "regression"

    @property
    def objective(self) -> Objective:
        """The objective that suits the target."""
        return CrossEntropy() if isinstance(self.target, ClassTarget) else SquaredError()

    def predict(self, table: str | PathLike[str] | pd.DataFrame) -> pd.DataFrame:
        """Predict the target of each row.

        Parameters
        ----------
        table : path or DataFrame
            With the columns that the model was trained on, in any order; others are ignored.

        Returns
        -------
        DataFrame
            One row per row of the table. ``prediction``: the class or the value. For classes also
            ``probability_<class>``, float64, which sum to one.

        Raises
        ------
        DataError
            If the table cannot be read or lacks a column.

        Examples
        --------
        >>> import pandas as pd, bridle
        >>> table = pd.DataFrame({"x": range(40), "y": ["no"] * 20 + ["yes"] * 20})
        >>> model = bridle.fit(table, target="y", recipe=bridle.Recipe(epochs=20)).model
        >>> model.predict(table).columns.tolist()
        ['prediction', 'probability_no', 'probability_yes']
        """
        features = torch.from_numpy(self.encoder.transform(read_table(table)))
        outputs = predict(self.network, features).double()
        if isinstance(self.target, ValueTarget):
            values = outputs[..., 0].mean(0).numpy()
            return pd.DataFrame({"prediction": self.target.inverse(values)})
        probabilities = outputs.softmax(-1).mean(0).numpy()
        columns = {
            f"probability_{name}": probabilities[:, code]
            for code, name in enumerate(self.target.classes)
        }
        codes = np.argmax(probabilities, axis=1)
        return pd.DataFrame({"prediction": self.target.inverse(codes), **columns})
