"""Traces a model's forward pass in prediction and in training."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn

from bridle.networks.population import Network
from bridle.sparsity.compaction.attention import is_attention
from bridle.sparsity.compaction.norms import is_width_norm
from bridle.sparsity.compaction.recognize import is_embedding, is_layer, is_norm
from bridle.sparsity.compaction.recording import DataDependent, record

__all__ = ["Root", "Trace", "Untraceable", "trace"]

_OPENED = (
    *(nn.Transformer, nn.TransformerEncoder, nn.TransformerDecoder),
    *(nn.TransformerEncoderLayer, nn.TransformerDecoderLayer),
)


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
class Trace:
    """A forward pass in prediction, with shapes, and in training.

    In a recorded graph, all sizes are numbers, whatever they are computed from.
    """

    prediction: fx.Graph
    training: fx.Graph
    recorded: bool

    def reads(self, root: nn.Module) -> list[dict[str, Counter[object]]]:
        """Return the operations that use each module's outputs, up to the next layers."""
        return [_reads(graph, root) for graph in (self.prediction, self.training)]


def _is_leaf(module: nn.Module) -> bool:
    kinds = (is_layer, is_embedding, is_norm, is_width_norm, is_attention)
    return isinstance(module, Network) or any(known(module) for known in kinds)


class _Tracer(fx.Tracer):
    def __init__(self, root: nn.Module) -> None:
        super().__init__()
        # decided before the trace: during it, parameters are proxies
        self.leaves = {id(module) for module in root.modules() if _is_leaf(module)}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if id(m) in self.leaves:
            return True
        return not isinstance(m, _OPENED) and super().is_leaf_module(m, module_qualified_name)


class _Shapes(fx.Interpreter):
    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            n.meta["shape"] = tuple(result.shape)
        return result


def trace(root: Root, example: tuple[Tensor, ...]) -> Trace:
    """Return a model's forward pass, traced symbolically, or else recorded on the example.

    Parameters
    ----------
    root : Root
        A wrapped copy of the model; its training mode and statistics are changed.
    example : tuple of Tensor
        The model's arguments.

    Returns
    -------
    Trace

    Raises
    ------
    Untraceable
        If the forward pass depends on the data.
    """
    try:
        training = _symbolic(root.train())
        graph = _symbolic(root.eval())
        _fill_shapes(root, graph, example)
        return Trace(graph, training, recorded=False)
    except Untraceable as reason:
        try:
            graph = _record(root.eval(), example)
            training = _record(root.train(), example)
        except DataDependent as data:
            raise Untraceable(f"{reason}; {data}") from data
        except Exception as error:  # user code can raise anything, in training for one
            raise reason from error
        finally:
            root.eval()
        return Trace(graph, training, recorded=True)


def _symbolic(root: Root) -> fx.Graph:
    mode = "training" if root.training else "prediction"
    try:
        return _Tracer(root).trace(root)
    except Exception as error:  # user code, run on proxies, can raise anything
        first = (str(error).splitlines() or [""])[0]
        reason = f"forward cannot be traced in {mode} ({type(error).__name__}: {first})"
        raise Untraceable(reason) from error


def _fill_shapes(root: Root, graph: fx.Graph, example: tuple[Tensor, ...]) -> None:
    try:
        _Shapes(fx.GraphModule(root, graph)).run(example)
    except Exception as error:  # the trace differs from the forward pass
        raise Untraceable(f"the traced forward pass fails ({type(error).__name__})") from error


def _record(root: Root, example: tuple[Tensor, ...]) -> fx.Graph:
    batch = tuple(part.clone() for part in example)
    return record(root, (batch,), _Tracer(root).is_leaf_module)


def _reads(graph: fx.Graph, root: nn.Module) -> dict[str, Counter[object]]:
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
                    stop = user.op == "call_module" and _is_leaf(root.get_submodule(user.target))
                    open_nodes += [] if stop else [user]
        found[start.target] = found.get(start.target, Counter()) + reached
    return found
