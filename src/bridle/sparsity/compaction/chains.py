"""Chains: what lies between a module and the one layer that reads its output."""

from __future__ import annotations

from torch import Tensor, fx, nn

from bridle.sparsity.compaction.context import Context
from bridle.sparsity.compaction.graph import read
from bridle.sparsity.compaction.recognize import is_layer, reads_only_other_sizes
from bridle.sparsity.compaction.stages import Stage
from bridle.sparsity.compaction.steps import Through
from bridle.sparsity.compaction.tracing import Root, Untraceable

__all__ = ["Chains"]


class Chains:
    """Finds the chains of a model.

    Parameters
    ----------
    model : torch.nn.Module
        A copy; its training mode is changed.
    batch : tuple of Tensor
        Arguments of its forward.
    """

    def __init__(self, model: nn.Module, batch: tuple[Tensor, ...]) -> None:
        self._context: Context | None = None
        self._stages: dict[fx.Node, Stage] = {}
        try:
            self._context = read(Root(model, len(batch)), batch)
        except Untraceable:
            return
        for step in self._context.plan.steps:
            if isinstance(step, Through):
                self._stages[step.node] = step.stage

    def behind(self, path: str, *, itself: bool) -> tuple[list[Stage], str] | None:
        """Return the stages behind a module, and the layer that alone reads them, or None.

        Parameters
        ----------
        path : str
            The module's path in the model.
        itself : bool
            Whether the module is the first of the stages.
        """
        context = self._context
        if context is None:
            return None
        name = f"model.{path}"
        nodes = [
            node
            for node in context.traced.prediction.nodes
            if node.op == "call_module" and node.target == name and node in self._stages
        ]
        if len(nodes) != 1 or context.repeated(name):
            return None
        node = nodes[0]
        if context.reads[0][name] != context.reads[1].get(name):
            return None
        stages = [self._stages[node]] if itself else []
        while True:
            wire, ndim = context.wires[node], len(node.meta["shape"])
            users = [u for u in node.users if not reads_only_other_sizes(u, wire.axis, ndim)]
            if len(users) != 1:
                return None
            after = users[0]
            if after in self._stages:
                stages.append(self._stages[after])
                node = after
                continue
            return (stages, str(after.target)) if _alone(context, node, after) else None


def _alone(context: Context, source: fx.Node, node: fx.Node) -> bool:
    """Whether a node is a layer with a weight of its own, which reads a node's units."""
    name = str(node.target)
    if node.op != "call_module" or not is_layer(context.root.get_submodule(name)):
        return False
    read_by = {(reader.target, reader.source) for reader in context.plan.readers}
    alone = name not in context.shared and context.holders(name) == 1
    return alone and (name, source) in read_by and not context.repeated(name)
