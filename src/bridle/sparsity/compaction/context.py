"""What the graph reader knows: the traces, the parameters, and the units found so far."""

from __future__ import annotations

from collections import Counter
from typing import cast

from torch import Tensor, fx

from bridle.sparsity.compaction.plan import Plan, Reader
from bridle.sparsity.compaction.recognize import label, quoted, user_name
from bridle.sparsity.compaction.tracing import Root, Trace
from bridle.sparsity.compaction.wires import Wire

__all__ = ["Context"]


class Context:
    """The state of reading a graph.

    Attributes
    ----------
    wires : dict
        The units in the outputs of nodes.
    parts : dict
        The units of each part, where a node returns several.
    fixed_sizes : bool
        Whether a size that is a number is one in the source code.
    shared : set of str
        Modules whose parameters others hold, too.
    """

    def __init__(self, root: Root, traced: Trace) -> None:
        self.root = root
        self.traced = traced
        graphs = traced.prediction, traced.training
        self.calls = [
            Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
            for graph in graphs
        ]
        self.reads = traced.reads(root)
        held = {
            str(node.target) for graph in graphs for node in graph.nodes if node.op == "get_attr"
        }
        self.touched = {name.rpartition(".")[0] for name in held}
        self.plan = Plan()
        self.wires: dict[fx.Node, Wire] = {}
        self.parts: dict[fx.Node, list[Wire]] = {}
        self.shared: set[str] = set()
        self.fixed_sizes = True
        self._axes: dict[tuple[int, int], Tensor] = {}

    def axis(self, module: str, name: str, axis: int) -> Tensor:
        """Return the ids along an axis of a parameter or buffer; tied ones have the same."""
        tensor = cast(Tensor, getattr(self.root.get_submodule(module), name))
        key = id(tensor), axis
        if key not in self._axes:
            self._axes[key] = self.plan.units.new(tensor.shape[axis])
        self.plan.cuts[module, name, axis] = self._axes[key]
        return self._axes[key]

    def rows(self, module: str, weight: str = "weight", bias: str = "bias") -> Tensor:
        """Return the ids of a layer's units, along its weight and its bias."""
        ids = self.axis(module, weight, 0)
        if getattr(self.root.get_submodule(module), bias, None) is not None:
            self.plan.units.join(ids, self.axis(module, bias, 0))
        return ids

    def pin(self, ids: Tensor | None, reason: str) -> None:
        """Keep units, for a reason; the first reason counts."""
        if ids is not None:
            self.plan.pins.append((ids, reason))

    def fault(self, name: str) -> str | None:
        """Return why a module's parameters cannot be cut, or None if they can."""
        module = self.root.get_submodule(name)
        own = list(module.parameters(recurse=False))
        if name in self.touched:
            return "has parameters that forward uses directly"
        names = set(module._parameters)
        if "parametrizations" in module._modules or not names >= {"weight"}:
            return "has computed parameters: remove the pruning or parametrization first"
        if any(not p.is_floating_point() for p in own):
            return f"has weights of {own[0].dtype}"
        return None

    def block(self, node: fx.Node, reason: str) -> None:
        """Keep all units that a node reads."""
        for source in node.all_input_nodes:
            if source in self.wires:
                self.pin(self.wires[source].ids, reason)

    def check_output(self, node: fx.Node, name: str, ids: Tensor, *, parts: bool = False) -> None:
        """Pin units that training and prediction use in different ways, or that a hook changes."""
        if self.reads[0][name] != self.reads[1].get(name):
            self.pin(ids, "training and prediction use them in different ways")
        elif "shape" not in node.meta and not parts:
            self.pin(ids, "a hook changes them")

    def repeated(self, name: str) -> bool:
        """Whether a module is called more than once."""
        return any(calls[name] > 1 for calls in self.calls)

    def holders(self, name: str) -> int:
        """Return how many modules hold a module's weight."""
        weight = self.root.get_submodule(name).weight
        return sum(
            any(parameter is weight for parameter in module._parameters.values())
            for module in self.root.modules()
        )

    def read(
        self,
        source: fx.Node,
        target: str,
        ids: Tensor,
        axis: int,
        *,
        rows: slice = slice(None),
        names: tuple[str, str] = ("weight", "bias"),
        caller: str = "",
    ) -> None:
        """Join a weight's columns to the units that they read, or keep them.

        Parameters
        ----------
        source : fx.Node
            The input.
        target : str
            The module of the weight.
        ids : Tensor
            Its columns.
        axis : int
            The input's axis that it reads, counted from the last.
        rows : slice
            The part of the weight.
        names : tuple of str
            Of the weight and the bias.
        caller : str
            The module that calls it, if ``target`` has no node of its own.
        """
        wire = self.wires.get(source)
        if wire is None:
            self.pin(ids, f"they are tied to what reads {label(source)}")
            return
        if wire.axis != len(source.meta["shape"]) + axis or len(wire.ids) != len(ids):
            self.pin(wire.ids, f"{quoted(user_name(target))} reads another axis")
            self.pin(ids, "they are tied to what reads another axis")
            return
        self.plan.units.join(wire.ids, ids)
        folds = not self.repeated(caller or target)
        self.plan.readers.append(Reader(target, *names, rows, ids, source, folds))
