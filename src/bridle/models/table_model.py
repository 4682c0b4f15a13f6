"""A model of a table: a network with the encoders of the table it was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import torch

from bridle.errors import UsageError
from bridle.models.atomic_write import write_atomically
from bridle.models.predictor import Predictor, Rows, check_temperature
from bridle.models.subnetwork_table import predict_subnetworks
from bridle.networks.array_forward import array_network
from bridle.networks.objectives import CrossEntropy, Objective, SquaredError
from bridle.networks.population import Network, predict
from bridle.statistics.card import Card, HasCard, one_line
from bridle.statistics.scores import Estimate
from bridle.statistics.wording import estimate_text
from bridle.tables import ClassTarget, TableEncoder, ValueTarget
from bridle.tables.options import ReadOptions

__all__ = ["TableModel", "outputs_of"]


def outputs_of(
    network: Network, features: np.ndarray[Any, np.dtype[np.float32]]
) -> np.ndarray[Any, Any]:
    """Return a network's outputs ``[members, rows, outputs]``, with the weights of the moment."""
    arrays = array_network(network)
    if arrays is not None:
        return arrays.predict(features)
    return predict(network, torch.from_numpy(features)).cpu().numpy()


@dataclass(frozen=True, eq=False, repr=False)
class TableModel(HasCard):
    """A trained network with its encoders, which predicts the target of a table's rows.

    Attributes
    ----------
    network : Network
        One or more members. The predictions of several are averaged: probabilities for
        classification, outputs for regression.
    encoder : TableEncoder
        Encodes rows as the network's inputs.
    target : ClassTarget or ValueTarget
        Decodes outputs to classes, or to the target's units.
    target_name : str
        The column to predict.
    facts : dict
        Strengths, scores, seed and versions of the training; JSON values.
    temperature : float
        The averaged probabilities are raised to the power ``1 / temperature`` and normalized. The
        predicted classes do not change. The outputs of ``network`` do not include it.

    Raises
    ------
    UsageError
        If the network's sizes do not fit the encoder and the target, or if the temperature is not
        above 0, or is not 1 for regression.
    """

    network: Network
    encoder: TableEncoder
    target: ClassTarget | ValueTarget
    target_name: str
    facts: dict[str, Any] = field(default_factory=dict)
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_temperature(self.temperature, self.target)
        inputs, outputs = self.network.sizes[0], self.network.sizes[-1]
        wanted = len(self.target.classes) if isinstance(self.target, ClassTarget) else 1
        if inputs != len(self.encoder.feature_names) or outputs != wanted:
            raise UsageError(
                f"the network has {inputs} inputs and {outputs} outputs, but the encoder has "
                f"{len(self.encoder.feature_names)} features and the target needs {wanted} "
                "outputs; give a network of these sizes"
            )

    @property
    def task(self) -> str:
        """Either "classification" or "regression"."""
        return "classification" if isinstance(self.target, ClassTarget) else "regression"

    @property
    def objective(self) -> Objective:
        """The objective for the task."""
        return CrossEntropy() if isinstance(self.target, ClassTarget) else SquaredError()

    @cached_property
    def _predictor(self) -> Predictor:
        """What reads rows for :meth:`predict`; prepared once."""
        outputs = partial(outputs_of, self.network)
        return Predictor(
            self.encoder, self.target, self.target_name, self.facts, outputs, self.temperature
        )

    def predict(
        self,
        table: Rows,
        *,
        subnetworks: int | None = None,
        reading: ReadOptions | None = None,
    ) -> pd.DataFrame:
        """Predict the target of each row.

        Parameters
        ----------
        table : path, DataFrame, dict, list of dicts, Series or array
            A path or a table in memory, as :func:`bridle.fit` takes them. It must have the columns
            that the model was fitted to, in any order. Other columns are ignored. Each column is
            read as it was in training, whatever its cells look like. One row can also be a dict or
            a Series, by the columns' names, and several rows a list of them. A two-dimensional
            array or a list of lists must have the columns in their order in training.
        subnetworks : int, optional
            Average this many subnetworks of each network instead, and return their standard
            deviation too; see :func:`bridle.predict_ensemble`.
        reading : bridle.tables.ReadOptions, optional
            How to read a file, where its own signs are overruled.

        Returns
        -------
        DataFrame
            One row per row of the table, with its index if it is a pandas DataFrame.
            ``prediction`` is the class, or the predicted value. For
            classification there is also ``probability_<class>``, float64; the probabilities sum
            to one. With ``subnetworks`` there is also their standard deviation. For regression it
            is ``std``, in the target's units. For classification it is ``std_<class>``, and there
            is ``mutual_information``, in nats; both are of the subnetworks' own probabilities,
            without the model's temperature. ``attrs["notes"]`` has remarks on the rows: new
            categories, numbers far outside the training range, and dates of another form, which
            are taken as missing.

        Raises
        ------
        DataError
            If the table cannot be read or lacks a column, or if an array has another number of
            columns.
        UsageError
            If ``subnetworks`` is below 1, or the network has no noise.

        Examples
        --------
        >>> import pandas as pd, bridle
        >>> table = pd.DataFrame({"x": range(40), "y": ["no"] * 20 + ["yes"] * 20})
        >>> model = bridle.fit(table, target="y", recipe=bridle.Recipe(epochs=20)).model
        >>> model.predict(table).columns.tolist()
        ['prediction', 'probability_no', 'probability_yes']
        >>> model.predict({"x": 39})["prediction"].item()
        'yes'
        >>> model.predict(table, subnetworks=50).columns.tolist()[3:]
        ['std_no', 'std_yes', 'mutual_information']
        """
        if subnetworks is None:
            return self._predictor.predict(table, reading)
        encoded = self._predictor.encode(table, reading)
        features = torch.from_numpy(encoded.features)
        found = predict_subnetworks(
            self.network, features, self.target, k=subnetworks, temperature=self.temperature
        )
        found.index = encoded.index
        found.attrs["notes"] = encoded.notes
        return found

    def predict_proba(
        self, table: Rows, *, reading: ReadOptions | None = None
    ) -> pd.DataFrame | np.ndarray[Any, np.dtype[np.float64]]:
        """Predict the probability of each class.

        Parameters
        ----------
        table : path, DataFrame, dict, list of dicts, Series or array
            As for :meth:`predict`.
        reading : bridle.tables.ReadOptions, optional
            As for :meth:`predict`.

        Returns
        -------
        DataFrame or ndarray
            float64 ``[rows, classes]``. For an array or a list of lists it is an array, with the
            classes in the order of ``model.target.classes``. Otherwise it is a DataFrame whose
            columns are the classes; its index and ``attrs`` are those of :meth:`predict`.

        Raises
        ------
        DataError
            As for :meth:`predict`.
        UsageError
            If the task is regression.

        Examples
        --------
        >>> import pandas as pd, bridle
        >>> table = pd.DataFrame({"x": range(40), "y": ["no"] * 20 + ["yes"] * 20})
        >>> model = bridle.fit(table, target="y", recipe=bridle.Recipe(epochs=20)).model
        >>> model.predict_proba(table).columns.tolist()
        ['no', 'yes']
        >>> model.predict_proba([[0], [39]]).round()
        array([[1., 0.],
               [0., 1.]])
        """
        return self._predictor.predict_proba(table, reading)

    def to_onnx(self, path: str | PathLike[str] | None = None) -> Any:
        """Return the model as an ONNX graph, and write it to a file.

        The graph has the table's transformers in it. It needs neither bridle nor torch to run. Each
        column of :attr:`encoder` is an input ``[rows]`` of that name:

        - numbers are doubles, and NaN is a missing value;
        - dates are doubles: the seconds since 1970-01-01 in UTC, and NaN is a missing value;
        - categories, booleans and texts are strings, and "" is a missing value.

        The outputs are ``prediction`` ``[rows]`` and, for classification, ``probabilities``
        ``[rows, classes]``, double, in the order of the classes. If a column has such a name, the
        output's name ends in ``_2``. They equal those of :meth:`predict` up to rounding. A row with
        an infinite number, which :meth:`predict` refuses, or with a date after the year 9999, has
        the prediction NaN (a class that is a string is "", an integer is the lowest int64) and
        probabilities of NaN.

        The metadata have the version of bridle, the task, the target's name, and as JSON the
        classes and the columns. The graph has the operators of opset 20. A model with a column of
        free text also has operators of onnxruntime, and runs there only.

        Parameters
        ----------
        path : path, optional
            Where to write it; the customary extension is ``.onnx``.

        Returns
        -------
        onnx.ModelProto

        Raises
        ------
        UsageError
            If the package onnx is not installed, or the model cannot be exported: a column has no
            name, or the weights are larger than an ONNX file can be.
        DataError
            If the file cannot be written.
        """
        from bridle.models.export.onnx_model import to_onnx

        made = to_onnx(self)
        if path is not None:
            write_atomically(path, made.SerializeToString(deterministic=True))
        return made

    def _card(self) -> Card:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.encoder.summary().items())
        weights = [weight.detach() for weight in self.network.weights]
        zeros = [f"{100 * float((each == 0).double().mean()):.0f}" for each in weights]
        sizes = "-".join(map(str, self.network.sizes))
        many = f"{self.network.members} networks {sizes}, averaged"
        rows = [
            ("columns", f"{len(self.encoder.columns)} ({kinds})"),
            ("network", sizes if self.network.members == 1 else many),
            ("exact zeros by layer", ", ".join(zeros) + " %" + self._padded),
        ]
        if isinstance(self.target, ClassTarget):
            shown = ", ".join(one_line(repr(name), 40) for name in self.target.classes[:20])
            more = len(self.target.classes) - 20
            rows.insert(0, ("classes", shown + (f" and {more} more" if more > 0 else "")))
        if self.network.embedding is not None:
            own = int(self.network.embedding.weight.detach().flatten(1).any(1).sum())
            members, numbers = self.network.members, self.network.embedding.shape[0]
            some = f", in {own} of {members} networks" if own < members else ""
            rows.append(("embedding", f"of {numbers} numbers{some}"))
        if self.temperature != 1.0:
            rows.append(("temperature", f"{self.temperature:.3g}, of the averaged probabilities"))
        fitted = self.facts.get("fitted") or {}
        if "test" in fitted and None not in fitted["test"].values():
            found, share = fitted["diagnosis"], self.task == "classification"
            score = Estimate(**fitted["test"])
            told = estimate_text(score, share=share, unit=" %" if share else "")
            rows.append((f"test {'accuracy' if share else 'R²'}", told))
            rows.append(("verdict of its fit", str(found["verdict"])))
        if "strengths" in self.facts:
            acting = {n: v for n, v in self.facts["strengths"].items() if v not in (0.0, 1.0, None)}
            strengths = ", ".join(f"{name} {value:.3g}" for name, value in acting.items())
            rows.append(("strengths", strengths or "none"))
        return Card(
            f"Model of {self.target_name!r} ({self.task})",
            rows,
            next_steps="model.predict(table), bridle.diagnose(model, table), "
            "bridle.save_model(model, path)",
        )

    @property
    def _padded(self) -> str:
        """A remark if some of the networks that are averaged lack inputs of the others."""
        kinds = {
            (bool(each.get("bins")), bool(each.get("embedding")))
            for each in self.facts.get("together", ())
        }
        return ", with those of inputs that some networks lack" if len(kinds) > 1 else ""

    def subnetwork(self, k: int, *, member: int = 0) -> TableModel:
        """Return the model of one subnetwork; see :meth:`bridle.Network.subnetwork`.

        Parameters
        ----------
        k : int
            The number of the subnetwork, from 0.
        member : int
            The network to take it from, if the model averages several.

        Returns
        -------
        TableModel
            Its network is smaller, has one member and no noise.

        Raises
        ------
        UsageError
            If there is no such member, or the network has no noise.

        Examples
        --------
        >>> import pandas as pd, bridle
        >>> table = pd.DataFrame({"x": range(40), "y": ["no"] * 20 + ["yes"] * 20})
        >>> recipe = bridle.Recipe(hidden=(8, 8), epochs=2)
        >>> model = bridle.fit(table, target="y", recipe=recipe).model
        >>> model.subnetwork(3).network.sizes
        (1, 3, 4, 2)
        """
        if not 0 <= member < self.network.members:
            raise UsageError(
                f"member is {member}; the model has {self.network.members} networks, which are "
                "counted from 0"
            )
        if not self.network.has_noise:
            raise UsageError(
                "the network has no noise, so it has no subnetworks: fit with keep_prob, "
                "input_keep_prob or drop_connect_keep_prob below 1"
            )
        small = self.network.take([member]).subnetwork(k)
        facts = {**self.facts, "subnetwork": {"k": k, "member": member}}
        return replace(self, network=small, facts=facts)

    def subnetworks(self, names: Iterable[int], *, member: int = 0) -> Iterator[TableModel]:
        """Yield the models of several subnetworks, such as ``range(50)``."""
        return (self.subnetwork(k, member=member) for k in names)
