"""Maps the nodes of a traced forward pass to stages."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from math import prod
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import fx, nn

from bridle.sparsity.compaction.stages import Elementwise, Flatten, Normalize, Pool, Stage

__all__ = [
    "Barrier",
    "is_embedding",
    "is_layer",
    "is_norm",
    "label",
    "layer_label",
    "node_name",
    "quoted",
    "reads_only_other_sizes",
    "recognize",
    "user_name",
]


class Barrier(Exception):  # noqa: N818
    """Raised where units cannot be traced further; the message is the reason."""


# for each operation, all of torch's forms: module classes, functions, method names
_MAPS: set[object] = {
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Tanh, nn.Sigmoid, nn.LogSigmoid, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish),
    *(nn.Softplus, nn.Softsign, nn.Tanhshrink, nn.Hardshrink, nn.Softshrink, nn.Threshold),
    *(torch.relu, torch.relu_, torch.tanh, torch.sigmoid, torch.clamp, torch.neg, torch.abs),
    *(F.relu, F.relu6, F.leaky_relu, F.elu, F.celu, F.selu, F.gelu, F.silu, F.mish, F.logsigmoid),
    *(F.hardtanh, F.hardsigmoid, F.hardswish, F.softplus, F.softsign, F.tanhshrink),
    *(F.hardshrink, F.softshrink, F.threshold),
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.neg),
    *("relu", "relu_", "tanh", "tanh_", "sigmoid", "sigmoid_", "clamp", "clip", "neg", "abs"),
}
_IDENTITIES: set[object] = {
    *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
    *(nn.AlphaDropout, nn.FeatureAlphaDropout, "contiguous", "clone", "to", "float", "double"),
}
_DROPOUTS: set[object] = {
    *(F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout)
}
_POOLS: set[object] = {
    *(nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
    *(F.max_pool2d, torch.max_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d),
}
_AVERAGES: set[object] = {nn.AvgPool2d, F.avg_pool2d}
_FLATTENS: set[object] = {nn.Flatten, torch.flatten, "flatten"}
_VIEWS: set[object] = {"view", "reshape", torch.reshape}
_MEANS: set[object] = {torch.mean, "mean"}
_ALL = _MAPS | _IDENTITIES | _DROPOUTS | _POOLS | _AVERAGES | _FLATTENS | _VIEWS | _MEANS


def _inherits(module: nn.Module, kind: type[nn.Module], *methods: str) -> bool:
    """Whether a module is of that class, or of a subclass that does not override its methods."""
    return isinstance(module, kind) and all(
        getattr(type(module), method) is getattr(kind, method) and method not in vars(module)
        for method in ("forward", *methods)
    )


def is_layer(module: nn.Module) -> bool:
    """Whether a module is a Linear or a Conv2d."""
    return _inherits(module, nn.Linear) or _inherits(module, nn.Conv2d, "_conv_forward")


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a BatchNorm1d or a BatchNorm2d."""
    return _inherits(module, nn.BatchNorm1d) or _inherits(module, nn.BatchNorm2d)


def is_embedding(module: nn.Module) -> bool:
    """Whether a module is an Embedding."""
    return _inherits(module, nn.Embedding)


def recognize(
    node: fx.Node, source: fx.Node, axis: int, features: int, root: nn.Module
) -> tuple[Stage, int]:
    """Return the stage of a node, and the axis of the units in its output.

    Parameters
    ----------
    node, source : torch.fx.Node
        The node, and the node whose output has the units. The output shapes are in their ``meta``.
    axis, features : int
        The units' axis in the output of ``source``, and the number of features there.
    root : torch.nn.Module
        The module that the graph was traced from.

    Returns
    -------
    tuple
        The stage and the axis.

    Raises
    ------
    Barrier
        If the node is not a stage; the message says why.
    """
    module = root.get_submodule(str(node.target)) if node.op == "call_module" else None
    name = node_name(node)
    what: object = node.target if module is None else type(module)
    shape: tuple[int, ...] = source.meta["shape"]
    others = [other for other in node.all_input_nodes if other is not source]
    norm = module is not None and is_norm(module)
    if not norm and what not in _ALL:
        raise Barrier(f"{_described(node, module)} reads them")
    if "shape" not in node.meta:
        raise Barrier(f"{quoted(name)} returns more than one tensor")
    if norm:
        if axis != 1 or module.num_features != features:  # type: ignore[union-attr]
            raise Barrier(f"{quoted(name)} normalizes another axis")
        return Normalize(name, str(node.target)), axis
    if what in _VIEWS:  # its sizes may be other nodes
        return _view(node, name, shape, axis), axis
    if others:
        raise Barrier(f"{quoted(name)} also reads {label(others[0])}")
    if what in _MAPS:
        return Elementwise(name, node), axis
    if what in _DROPOUTS:
        drops = what not in (F.alpha_dropout, F.feature_alpha_dropout)  # the default
        if _argument(node, module, 2, "training", drops):
            raise Barrier(f"{quoted(name)} drops at prediction too: give it training=self.training")
        return Pool(name), axis
    if what in _IDENTITIES:
        return Pool(name), axis
    if what in _FLATTENS:
        return _flatten(node, module, name, shape, axis)
    if what in _MEANS:
        return _mean(node, name, len(shape), axis)
    if axis != len(shape) - 3:
        raise Barrier(f"{quoted(name)} pools over another axis")
    return Pool(name, only_zero=what in _AVERAGES and _changes_constants(node, module)), axis


def _argument(
    node: fx.Node, module: nn.Module | None, place: int, name: str, default: object
) -> Any:
    if module is not None:
        return getattr(module, name)
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)


def _changes_constants(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether an average pool changes a constant input, at the edges or everywhere."""
    padding = _argument(node, module, 3, "padding", 0)
    padded = any(padding) if isinstance(padding, tuple | list) else bool(padding)
    counted = bool(_argument(node, module, 5, "count_include_pad", True))
    return (padded and counted) or _argument(node, module, 6, "divisor_override", None) is not None


def _flatten(
    node: fx.Node, module: nn.Module | None, name: str, shape: tuple[int, ...], axis: int
) -> tuple[Stage, int]:
    ndim = len(shape)
    start = _argument(node, module, 1, "start_dim", 0) % ndim
    end = _argument(node, module, 2, "end_dim", -1) % ndim
    if start < axis <= end:
        raise Barrier(f"{quoted(name)} mixes them with another axis")
    if axis == start:
        return Flatten(name, prod(shape[axis + 1 : end + 1])), axis
    return Pool(name), axis - (end - start) * (axis > end)


def _view(node: fx.Node, name: str, shape: tuple[int, ...], axis: int) -> Stage:
    sizes = node.args[1:]
    if len(sizes) == 1 and isinstance(sizes[0], tuple | list):
        sizes = tuple(sizes[0])
    rows_kept = len(sizes) == 2 and sizes[0] != -1 and node.meta["shape"][0] == shape[0]
    if axis != 1 or not rows_kept or sizes[1] != -1:
        raise Barrier(f"{quoted(name)} has fixed sizes: write flatten(1)")
    return Flatten(name, prod(shape[2:]))


def _mean(node: fx.Node, name: str, ndim: int, axis: int) -> tuple[Stage, int]:
    dim = _argument(node, None, 1, "dim", None)
    dims = [dim] if isinstance(dim, int) else list(dim or range(ndim))
    places = {place % ndim for place in dims}
    if axis in places:
        raise Barrier(f"{quoted(name)} is taken over them")
    lost = 0 if _argument(node, None, 2, "keepdim", False) else sum(p < axis for p in places)
    return Pool(name), axis - lost


def reads_only_other_sizes(user: fx.Node, axis: int, ndim: int) -> bool:
    """Whether a node reads only a tensor's type, or sizes of axes other than the units'."""
    if user.op == "call_method" and user.target in ("dim", "ndimension"):
        return True
    if user.op == "call_method" and user.target == "size":
        dim = _argument(user, None, 1, "dim", None)
        if dim is not None:
            return isinstance(dim, int) and dim % ndim != axis
    elif user.op != "call_function" or user.target is not getattr:
        return False
    elif user.args[1] in ("ndim", "dtype", "device"):
        return True
    elif user.args[1] != "shape":
        return False
    return all(
        item.target is operator.getitem
        and isinstance(item.args[1], int)
        and (not item.users or item.args[1] % ndim != axis)
        for item in user.users
    )


def user_name(name: str) -> str:
    """Return a module's name in the user's model, from its name under the root."""
    return name.removeprefix("model").removeprefix(".") or "the model"


def quoted(name: str) -> str:
    """Return a name with quotes, for messages; "the model" has none."""
    return name if name.startswith("the model") else repr(name)


def layer_label(name: str) -> str:
    """Return "layer '0'" or "the model", from a layer's name under the root."""
    own = user_name(name)
    return own if own == "the model" else f"layer {own!r}"


def label(node: fx.Node) -> str:
    """Return a node's name for messages, with quotes."""
    return quoted(node_name(node))


def node_name(node: fx.Node) -> str:
    """Return the name of the module, function or method that a node calls."""
    if node.op == "call_module":
        return user_name(str(node.target))
    if any(source.op == "placeholder" for source in node.all_input_nodes):
        return "the model's input"
    if node.target is getattr:
        return f".{node.args[1]}"
    if node.op == "call_function":
        return _function_name(node.target)  # type: ignore[arg-type]
    return str(node.target)


def _function_name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", str(function))
    if name != "fn":
        return name
    # torch dispatches some pools through a nameless function
    known = inspect.getmembers(F, lambda value: value is function)
    return known[0][0] if known else name


def _described(node: fx.Node, module: nn.Module | None) -> str:
    return label(node) if module is None else f"{label(node)} ({type(module).__name__})"
