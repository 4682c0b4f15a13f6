"""An ONNX graph that is built node by node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import numpy as np

from bridle.errors import UsageError

__all__ = ["Graph", "needs_onnx"]

_OPSETS = {"": 20, "ai.onnx.ml": 3, "com.microsoft": 1}
_IR_VERSION = 9  # of the same time as opset 20
_MAX_BYTES = 2**31 - 2**20  # a protocol buffer has at most 2 GiB


def needs_onnx() -> Any:
    """Import the package onnx.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        return import_module("onnx")
    except ImportError as error:
        raise UsageError(
            "the export needs the package onnx; install it with `pip install 'bridle[onnx]'`"
        ) from error


class Graph:
    """A graph whose values are named by what they are.

    Parameters
    ----------
    inputs : iterable of str
        The names of the inputs, which no other value may have.
    """

    def __init__(self, inputs: Iterable[str]) -> None:
        self._onnx = needs_onnx()
        self._taken = set(inputs)
        self._used: Counter[str] = Counter()
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._domains = {""}

    def _new(self, wanted: str) -> str:
        name = wanted
        while name in self._taken:
            self._used[wanted] += 1
            name = f"{wanted}_{self._used[wanted] + 1}"
        self._taken.add(name)
        return name

    def input(self, name: str, *, strings: bool) -> str:
        """Add an input ``[rows]`` of strings, or of doubles."""
        proto = self._onnx.TensorProto
        kind = proto.STRING if strings else proto.DOUBLE
        self._inputs.append(self._onnx.helper.make_tensor_value_info(name, kind, ["rows"]))
        return name

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Add a constant tensor. Strings are given as an object array."""
        array = np.ascontiguousarray(np.asarray(values, dtype=dtype))
        array = array.reshape(np.shape(values))  # a scalar stays one
        name = self._new("constant")
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        name = self._new(operator.lower())
        self._domains.add(domain)
        self._nodes.append(
            self._onnx.helper.make_node(
                operator, list(inputs), [name], name=name, domain=domain, **attributes
            )
        )
        return name

    def counted(self, values: str) -> tuple[str, str]:
        """Return the distinct int64 of ``[length]``, and how often each is there."""
        distinct, counts = self._new("unique"), self._new("counts")
        outputs = [distinct, "", "", counts]
        self._nodes.append(self._onnx.helper.make_node("Unique", [values], outputs, sorted=1))
        return distinct, counts

    def split(self, texts: str, delimiter: str) -> str:
        """Return the pieces of strings ``[rows]``, ``[rows, most]``; no piece is ""."""
        pieces, counts = self._new("pieces"), self._new("counts")
        outputs = [pieces, counts]
        self._nodes.append(
            self._onnx.helper.make_node("StringSplit", [texts], outputs, delimiter=delimiter)
        )
        return pieces

    def cast(self, value: str, dtype: Any) -> str:
        """Convert to the type of a NumPy dtype."""
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.node("Cast", value, to=kind)

    def joined(self, values: list[str], axis: int = 1) -> str:
        """Concatenate tensors."""
        return values[0] if len(values) == 1 else self.node("Concat", *values, axis=axis)

    def side_by_side(self, values: list[str]) -> str:
        """Return tensors ``[rows]`` as the columns of one, ``[rows, count]``."""
        flat = self.joined(values, axis=0)
        shape = self.constant([len(values), -1], np.int64)
        return self.node("Transpose", self.node("Reshape", flat, shape), perm=[1, 0])

    def columns(self, table: str, places: list[int], count: int) -> str:
        """Return some of the columns of ``[rows, count]``."""
        if places == list(range(count)):
            return table
        return self.node("Gather", table, self.constant(places, np.int64), axis=1)

    def column(self, value: str) -> str:
        """Return ``[rows]`` as ``[rows, 1]``."""
        return self.node("Unsqueeze", value, self.constant([1], np.int64))

    def looked_up(self, texts: str, table: dict[str, int], default: int) -> str:
        """Return the int64 that belongs to each string."""
        return self.node(
            "LabelEncoder",
            texts,
            domain="ai.onnx.ml",
            keys_strings=list(table),
            values_int64s=list(table.values()),
            default_int64=default,
        )

    def output(self, value: str, wanted: str, dtype: Any, *shape: int) -> str:
        """Make a value an output ``[rows, *shape]``, and return its name."""
        name = self._new(wanted)
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self._outputs.append(self._onnx.helper.make_tensor_value_info(name, kind, ["rows", *shape]))
        return name

    def model(self, version: str, metadata: dict[str, str]) -> Any:
        """Return the graph as a model.

        Raises
        ------
        UsageError
            If it is larger than an ONNX file can be.
        """
        helper = self._onnx.helper
        size = sum(each.ByteSize() for each in self._constants)
        if size > _MAX_BYTES:
            raise UsageError(
                f"the model has {size / 2**30:.1f} GiB of weights, and an ONNX file at most 2; "
                "export a model of fewer networks, such as that of search(answer='best')"
            )
        graph = helper.make_graph(
            self._nodes, "bridle", self._inputs, self._outputs, self._constants
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(d, _OPSETS[d]) for d in sorted(self._domains)],
            ir_version=_IR_VERSION,
            producer_name="bridle",
            producer_version=version,
        )
        helper.set_model_props(model, metadata)
        return model
