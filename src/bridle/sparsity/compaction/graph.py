"""Reads the traced forward pass: which layer feeds which, and which units cannot be removed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx, nn

from bridle.networks.population import Network
from bridle.sparsity.compaction.recognize import (
    Barrier,
    is_layer,
    is_norm,
    label,
    layer_label,
    quoted,
    reads_only_other_sizes,
    recognize,
)
from bridle.sparsity.compaction.stages import Normalize, Stage

__all__ = ["Link", "Plan", "Root", "Untraceable", "plan_of"]


class Untraceable(Exception):  # noqa: N818
    """Raised if the forward pass cannot be traced; the message is the reason."""


class Root(nn.Module):
    """Wraps a model to take its arguments as one tuple; other arguments keep their defaults."""

    def __init__(self, model: nn.Module, arguments: int) -> None:
        super().__init__()
        self.model = model
        self.arguments = arguments

    def forward(self, example: tuple[Tensor, ...]) -> Any:
        """Call the model, and return its output."""
        return self.model(*(example[place] for place in range(self.arguments)))


@dataclass(frozen=True)
class Link:
    """A layer whose units are read by exactly one other layer."""

    producer: str
    stages: tuple[Stage, ...]
    consumer: str


@dataclass
class Plan:
    """What can be removed from a model; layers have their names under the root.

    Attributes
    ----------
    layers : list of str
        In the order of the forward pass.
    links : list of Link
        In the same order.
    barriers : dict
        For each layer whose units cannot be removed, the reason.
    first : set of str
        Layers that read the model's input, so that their inputs can be selected.
    others : list of str
        One line for each module with parameters that compaction does not support.
    """

    layers: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    barriers: dict[str, str] = field(default_factory=dict)
    first: set[str] = field(default_factory=set)
    others: list[str] = field(default_factory=list)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        known = isinstance(m, Network) or is_layer(m) or is_norm(m)
        return known or super().is_leaf_module(m, module_qualified_name)


class _Shapes(fx.Interpreter):
    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            n.meta["shape"] = tuple(result.shape)
        return result


def _trace(root: Root) -> fx.Graph:
    mode = "training" if root.training else "prediction"
    try:
        return _Tracer().trace(root)
    except Exception as error:  # user code, run on proxies, can raise anything
        first = (str(error).splitlines() or [""])[0]
        reason = f"forward cannot be traced in {mode} ({type(error).__name__}: {first})"
        raise Untraceable(reason) from error


def plan_of(root: Root, example: tuple[Tensor, ...]) -> Plan:
    """Return which layers of a model can shrink, in prediction and in training.

    Parameters
    ----------
    root : Root
        A wrapped copy of the model; its training mode is changed.
    example : tuple of Tensor
        The model's arguments.

    Returns
    -------
    Plan

    Raises
    ------
    Untraceable
        If the forward pass depends on the data, or if ``torch.fx`` cannot trace it.
    """
    training = _trace(root.train())
    graph = _trace(root.eval())
    try:
        _Shapes(fx.GraphModule(root, graph)).run(example)
    except Exception as error:  # the trace differs from the forward pass
        raise Untraceable(f"the traced forward pass fails ({type(error).__name__})") from error
    return _GraphReader(root, graph, training).plan


def _reads(graph: fx.Graph, root: nn.Module) -> dict[str, Counter[object]]:
    """Return the operations that use each module's outputs, up to the next layers."""
    found: dict[str, Counter[object]] = {}
    for start in graph.nodes:
        if start.op != "call_module":
            continue
        seen, open_nodes = {start}, [start]
        reached: Counter[object] = Counter()
        while open_nodes:
            for user in open_nodes.pop().users:
                if user not in seen:
                    seen.add(user)
                    reached[user.op, user.target] += 1
                    layer = user.op == "call_module" and is_layer(root.get_submodule(user.target))
                    open_nodes += [] if layer else [user]
        found[start.target] = found.get(start.target, Counter()) + reached
    return found


class _GraphReader:
    """Reads a graph node by node, and builds ``plan``."""

    def __init__(self, root: Root, graph: fx.Graph, training: fx.Graph) -> None:
        self.root = root
        self.calls = [
            Counter(node.target for node in traced.nodes if node.op == "call_module")
            for traced in (graph, training)
        ]
        self.reads = [_reads(traced, root) for traced in (graph, training)]
        self.touched = {
            node.target.rpartition(".")[0]
            for traced in (graph, training)
            for node in traced.nodes
            if node.op == "get_attr"
        }
        self.holders: Counter[int] = Counter(
            parameter.data_ptr() for _, parameter in root.named_parameters(remove_duplicate=False)
        )
        # a module with two names holds its parameters only once
        self.aliases = Counter(id(m) for _, m in root.named_modules(remove_duplicate=False))
        self.plan = Plan()
        for node in graph.nodes:
            if node.op == "call_module":
                self._visit(node)
        self._unused()

    def _visit(self, node: fx.Node) -> None:
        name, module = str(node.target), self.root.get_submodule(str(node.target))
        if is_layer(module):
            if name in self.plan.layers:
                return
            self.plan.layers.append(name)
            try:
                self.plan.links.append(self._link(node))
            except Barrier as barrier:
                self.plan.barriers[name] = str(barrier)
            if self._fault(name) is None and self._reads_input(node):
                self.plan.first.add(name)
        elif not is_norm(module) and any(True for _ in module.parameters()):
            kind = type(module).__name__
            line = f"module {label(node)}: {kind} is not a Linear, Conv2d or BatchNorm"
            if isinstance(module, Network):
                line = f"module {label(node)}: compact a bridle Network by itself"
            if line not in self.plan.others:
                self.plan.others.append(line)

    def _fault(self, name: str) -> str | None:
        """Return why a module's parameters cannot be cut, or None if they can."""
        module = self.root.get_submodule(name)
        own = list(module.parameters(recurse=False))
        if any(calls[name] > 1 for calls in self.calls):
            return "is called more than once"
        if name in self.touched:
            return "has parameters that forward uses directly"
        if any(self.holders[p.data_ptr()] > self.aliases[id(module)] for p in own if p.numel()):
            return "shares parameters with another module"
        if set(module._parameters) != {"weight", "bias"}:
            return "has computed parameters: remove the pruning or parametrization first"
        if isinstance(module, nn.Conv2d) and module.groups != 1:
            return f"has {module.groups} groups"
        if any(not p.is_floating_point() for p in own):
            return f"has weights of {own[0].dtype}"
        return None

    def _link(self, start: fx.Node) -> Link:
        name = str(start.target)
        module = self.root.get_submodule(name)
        fault = self._fault(name)
        if fault is not None:
            raise Barrier(f"it {fault}")
        if self.reads[0][name] != self.reads[1].get(name):
            raise Barrier("training and prediction use them in different ways")
        if "shape" not in start.meta:
            raise Barrier("a hook changes them")
        node, stages = start, list[Stage]()
        shape = start.meta["shape"]
        axis = len(shape) - (3 if isinstance(module, nn.Conv2d) else 1)
        features = shape[axis]
        while True:
            user = self._only_user(node, axis)
            target = self.root.get_submodule(str(user.target)) if user.op == "call_module" else None
            if target is not None and is_layer(target):
                return self._closed(name, tuple(stages), user, target, len(shape), axis)
            stage, axis_after = recognize(user, node, axis, features, self.root)
            if isinstance(stage, Normalize) and (fault := self._fault(stage.target)):
                raise Barrier(f"{quoted(stage.name)} {fault}")
            stages.append(stage)
            node, axis, features = user, axis_after, features * stage.factor
            shape = node.meta["shape"]

    def _only_user(self, node: fx.Node, axis: int) -> fx.Node:
        ndim = len(node.meta["shape"])
        users = [user for user in node.users if not reads_only_other_sizes(user, axis, ndim)]
        if any(user.op == "output" for user in users):
            raise Barrier("the model returns them")
        if not users:
            raise Barrier("nothing reads them")
        if len(users) > 1:
            raise Barrier(f"{' and '.join(label(user) for user in users)} read them")
        return users[0]

    def _closed(
        self,
        name: str,
        stages: tuple[Stage, ...],
        user: fx.Node,
        target: nn.Module,
        ndim: int,
        axis: int,
    ) -> Link:
        fault = self._fault(str(user.target))
        if fault is not None:
            raise Barrier(f"{label(user)}, which reads them, {fault}")
        if axis != ndim - (3 if isinstance(target, nn.Conv2d) else 1):
            raise Barrier(f"{label(user)} reads another axis")
        return Link(name, stages, str(user.target))

    def _reads_input(self, node: fx.Node) -> bool:
        """Whether a layer's input is the model's input, at most reshaped or mapped elementwise."""
        while True:
            # nodes of sizes are sources too; they have no shape
            sources = [
                s for s in node.all_input_nodes if s.op == "placeholder" or "shape" in s.meta
            ]
            if len(sources) != 1:
                return False
            node = sources[0]
            if node.op == "placeholder":
                return True
            if node.op == "call_module":
                module = self.root.get_submodule(str(node.target))
                if any(True for _ in module.parameters()) and not is_norm(module):
                    return False

    def _unused(self) -> None:
        """Report the layers that prediction never calls."""
        for name, module in self.root.named_modules():
            called = any(name == other or name.startswith(f"{other}.") for other in self.calls[0])
            if is_layer(module) and not called:
                direct = name in self.touched
                what = "has weights that forward uses directly" if direct else "is not called"
                self.plan.others.append(f"{layer_label(name)} {what} at prediction")
