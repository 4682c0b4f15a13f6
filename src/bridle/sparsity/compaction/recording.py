"""Records a forward pass as a graph, where ``torch.fx`` cannot trace it symbolically.

The model runs once. The torch functions and leaf modules that it calls become the nodes of a
:class:`torch.fx.Graph`. Control flow is the one of this run, so a Python value that is computed
from the input or the weights, such as ``if x.sum() > 0``, is refused.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

__all__ = ["DataDependent", "record"]

_OPERATORS: dict[str, Callable[..., Any]] = {
    **{f"__{name}__": getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "neg")},
    **{f"__r{name}__": getattr(operator, name) for name in ("add", "mul")},
    **{f"__i{name}__": getattr(operator, name) for name in ("add", "sub", "mul", "truediv")},
    "__getitem__": operator.getitem,
}
_READS = {
    *("__bool__", "__int__", "__float__", "__index__", "__contains__", "item", "tolist", "numpy"),
    *("equal", "allclose", "is_nonzero"),
}
_IN_PLACE = {"__setitem__", "copy_", "index_copy_", "masked_fill_", "scatter_", "fill_", "zero_"}
# transformers' branches depend on padding alone; no name stands for every function
_MASKS = frozenset({("transformers.masking_utils", "")})
# torch's write into a tensor of their own, or read whether a mask is causal, which is only a hint
_MASKS_OF_TORCH = frozenset(
    {
        ("torch.nn.functional", "_canonical_mask"),
        ("torch.nn.modules.transformer", "_detect_is_causal_mask"),
    }
)


class DataDependent(Exception):  # noqa: N818
    """Raised if the forward pass cannot be recorded; the message is the reason."""


def record(
    root: nn.Module, arguments: tuple[Any, ...], is_leaf: Callable[[nn.Module, str], bool]
) -> fx.Graph:
    """Run a module, and return what it called; the shapes are in the nodes' ``meta``.

    Parameters
    ----------
    root : torch.nn.Module
    arguments : tuple
        What the module takes.
    is_leaf : callable
        Takes a module and its name, and returns whether its call is one node.

    Returns
    -------
    torch.fx.Graph

    Raises
    ------
    DataDependent
        If a Python value is computed from the activations, or one is changed in place by parts.
    """
    recorder = _Recorder(root, is_leaf)
    inputs = [part for part in pytree.tree_leaves(arguments) if isinstance(part, Tensor)]
    for place, part in enumerate(inputs):
        node = recorder.graph.placeholder(f"example_{place}")
        recorder.name(part, node, computed=part.is_floating_point())
        recorder.given.add(node)
    plain_call = nn.Module.__call__
    fast = torch.backends.mha.get_fastpath_enabled()

    def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        name = recorder.paths.get(id(module))
        if recorder.paused or name is None or not is_leaf(module, name):
            return plain_call(module, *args, **kwargs)
        return recorder.call_leaf(plain_call, module, name, args, kwargs)

    nn.Module.__call__ = call  # type: ignore[method-assign]
    torch.backends.mha.set_fastpath_enabled(False)  # it calls no modules
    try:
        with recorder:
            result = root(*arguments)
    finally:
        nn.Module.__call__ = plain_call  # type: ignore[method-assign]
        torch.backends.mha.set_fastpath_enabled(fast)
    leaves = [part for part in pytree.tree_leaves(result) if isinstance(part, Tensor)]
    recorder.graph.output(tuple(recorder.nodes_of(leaves)))
    return recorder.graph


class _Recorder(TorchFunctionMode):
    """Turns the calls of torch functions into nodes."""

    def __init__(self, root: nn.Module, is_leaf: Callable[[nn.Module, str], bool]) -> None:
        super().__init__()
        self.graph = fx.Graph()
        self.is_leaf = is_leaf
        self.paused = False
        self.paths = {id(module): name for name, module in root.named_modules()}
        self.state = {
            id(tensor): name for name, tensor in (*root.named_buffers(), *root.named_parameters())
        }
        self.nodes: dict[int, fx.Node] = {}
        self.alive: list[Tensor] = []  # an id is reused after its tensor
        self.computed: set[fx.Node] = set()  # from the weights or the real inputs
        self.given: set[fx.Node] = set()  # from integer inputs: tokens, masks

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if self.paused:
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in _READS | _IN_PLACE:
            self._refuse_values(name, args)
        self.paused = True  # composite functions are one node
        try:
            result = func(*args, **kwargs)
        finally:
            self.paused = False
        if any(isinstance(part, Tensor) for part in pytree.tree_leaves(result)):
            if name in _OPERATORS:
                self._add("call_function", _OPERATORS[name], args, kwargs, result)
            elif name in ("__get__", "__set__") or not isinstance(
                getattr(Tensor, name, None), type(func)
            ):
                self._add("call_function", func, args, kwargs, result)
            else:
                self._add("call_method", name, args, kwargs, result)
        return result

    def _refuse_values(self, name: str, args: tuple[Any, ...]) -> None:
        if _called_by(_MASKS_OF_TORCH):
            return
        read = args[:1] if name in _IN_PLACE else args
        for part in pytree.tree_leaves(read):
            node = self._node_of(part) if isinstance(part, Tensor) else None
            if node in self.computed or (node in self.given and not _called_by(_MASKS)):
                what = "is changed in place" if name in _IN_PLACE else "is read as a Python value"
                raise DataDependent(f"a tensor {what} by {name}")

    def call_leaf(
        self,
        plain_call: Callable[..., Any],
        module: nn.Module,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Call a leaf module, and add its node."""
        self.paused = True
        try:
            result = plain_call(module, *args, **kwargs)
        finally:
            self.paused = False
        self._add("call_module", name, args, kwargs, result)
        return result

    def _add(
        self, op: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        node_args, node_kwargs = self._as_nodes(args), self._as_nodes(kwargs)
        node = self.graph.create_node(op, target, node_args, node_kwargs)
        computed = op == "call_module" or any(n in self.computed for n in node.all_input_nodes)
        if any(n in self.given for n in node.all_input_nodes):
            self.given.add(node)
        if isinstance(result, Tensor):
            self.name(result, node, computed=computed)
            return
        if computed:
            self.computed.add(node)
        if isinstance(result, tuple | list):
            for place, part in enumerate(result):
                if isinstance(part, Tensor):
                    item = self.graph.call_function(operator.getitem, (node, place))
                    self.name(part, item, computed=computed)
                    self.given |= {item} if node in self.given else set()

    def name(self, tensor: Tensor, node: fx.Node, *, computed: bool) -> None:
        """Make a node the one of a tensor."""
        node.meta["shape"] = tuple(tensor.shape)
        self.nodes[id(tensor)] = node
        self.alive.append(tensor)
        if computed:
            self.computed.add(node)

    def _node_of(self, tensor: Tensor) -> fx.Node:
        node = self.nodes.get(id(tensor))
        if node is None:
            known = self.state.get(id(tensor))
            node = self.graph.create_node("get_attr", known or "_constant")
            self.name(tensor, node, computed=known is not None)
        return node

    def nodes_of(self, tensors: list[Tensor]) -> list[fx.Node]:
        """Return the nodes of tensors."""
        return [self._node_of(tensor) for tensor in tensors]

    def _as_nodes(self, value: Any) -> Any:
        """Replace the tensors in arguments by their nodes; keep plain values, and drop objects."""
        if isinstance(value, Tensor):
            return self._node_of(value)
        if isinstance(value, tuple | list):
            return (
                type(value)(map(self._as_nodes, value))
                if type(value) in (tuple, list)
                else (tuple(map(self._as_nodes, value)))
            )
        if isinstance(value, dict):
            return {str(key): self._as_nodes(part) for key, part in value.items()}
        if isinstance(value, slice):
            return slice(*map(self._as_nodes, (value.start, value.stop, value.step)))
        plain = (bool, int, float, str, torch.dtype, torch.device, type(None), type(Ellipsis))
        return value if isinstance(value, plain) else None


def _called_by(functions: frozenset[tuple[str, str]]) -> bool:
    """Whether one of some functions is running, each given as its module and its name."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if (module, frame.f_code.co_name) in functions or (module, "") in functions:
            return True
        frame = frame.f_back
    return False
