"""Attention modules whose heads can be removed: torch's, Hugging Face's and timm's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from bridle.sparsity.compaction.multihead import CompactedAttention
from bridle.sparsity.compaction.recognize import Barrier, is_layer

__all__ = ["Heads", "Projection", "describe", "finish", "is_attention", "sources_of"]


@dataclass(frozen=True)
class Projection:
    """Rows of a weight (and of a bias) of a module; ``first`` is the first row."""

    module: str
    first: int
    weight: str = "weight"
    bias: str = "bias"


@dataclass(frozen=True)
class Heads:
    """How an attention module splits its projections into heads.

    Without ``output``, the module returns the heads themselves, for a Linear outside of it.
    """

    query: Projection
    key: Projection
    value: Projection
    output: str | None
    heads: int
    groups: int
    dim: int


def is_attention(module: nn.Module) -> bool:
    """Whether a module is a known kind of attention."""
    return _kind(module) is not None


def _kind(module: nn.Module) -> str | None:
    if type(module) in (nn.MultiheadAttention, CompactedAttention):
        return "torch"
    library = type(module).__module__.partition(".")[0]
    linears = {
        name for name, child in module.named_children() if any(True for _ in child.parameters())
    }
    plain = all(is_layer(getattr(module, name)) for name in linears) and not module._parameters
    if library == "transformers" and plain:
        if linears == {"query", "key", "value"} and hasattr(module, "all_head_size"):
            return "bert"
        if linears == {"q_proj", "k_proj", "v_proj", "o_proj"}:
            return "llama" if hasattr(module, "num_key_value_groups") else None
    if library == "timm" and plain and linears == {"qkv", "proj"} and hasattr(module, "attn_dim"):
        return "timm"
    return None


def describe(module: Any, name: str) -> Heads:
    """Return the heads of an attention module.

    Raises
    ------
    Barrier
        If its options do not let heads go.
    """
    kind = _kind(module)
    if kind == "torch":
        return _describe_torch(module, name)
    if kind == "bert":
        query, key, value = (Projection(f"{name}.{part}", 0) for part in ("query", "key", "value"))
        heads = module.num_attention_heads
        return Heads(query, key, value, None, heads, heads, module.attention_head_size)
    if kind == "llama":
        query, key, value = (Projection(f"{name}.{part}_proj", 0) for part in "qkv")
        groups = module.k_proj.out_features // module.head_dim
        heads = groups * module.num_key_value_groups
        return Heads(query, key, value, f"{name}.o_proj", heads, groups, module.head_dim)
    width = module.attn_dim
    query, key, value = (Projection(f"{name}.qkv", place * width) for place in range(3))
    heads = module.num_heads
    return Heads(query, key, value, f"{name}.proj", heads, heads, module.head_dim)


def _describe_torch(module: Any, name: str) -> Heads:
    if module.in_proj_weight is None:
        raise Barrier("has separate projections for keys and values of another width")
    if getattr(module, "bias_k", None) is not None:
        raise Barrier("has add_bias_kv=True")
    if getattr(module, "add_zero_attn", False):
        raise Barrier("has add_zero_attn=True")
    width = module.num_heads * module.head_dim
    query, key, value = (
        Projection(name, place * width, "in_proj_weight", "in_proj_bias") for place in range(3)
    )
    heads = module.num_heads
    return Heads(query, key, value, f"{name}.out_proj", heads, heads, module.head_dim)


def sources_of(node: fx.Node, module: nn.Module) -> list[fx.Node]:
    """Return the nodes of query, key and value."""
    names = ("query", "key", "value")
    if _kind(module) != "torch":
        source = (
            node.args[0] if node.args else node.kwargs.get("hidden_states", node.kwargs.get("x"))
        )
        return [source] * 3 if isinstance(source, fx.Node) else []
    found = [
        node.args[place] if len(node.args) > place else node.kwargs.get(part)
        for place, part in enumerate(names)
    ]
    return [source for source in found if isinstance(source, fx.Node)]


def finish(module: Any, kept: Tensor, groups: int) -> nn.Module:
    """Return an attention module that fits its cut projections.

    Parameters
    ----------
    module : torch.nn.Module
        It is changed in place, but for torch's, which another one replaces.
    kept : Tensor
        int64: the heads that are left.
    groups : int
        How many key/value heads are left.
    """
    kind = _kind(module)
    if kind == "bert":
        module.num_attention_heads = len(kept)
        module.all_head_size = len(kept) * module.attention_head_size
    elif kind == "llama":
        module.num_key_value_groups = len(kept) // groups
    elif kind == "timm":
        module.num_heads, module.attn_dim = len(kept), len(kept) * module.head_dim
    else:
        old = isinstance(module, CompactedAttention)
        numbers = module.heads.cpu() if old else torch.arange(module.num_heads)
        return CompactedAttention(
            module.in_proj_weight,
            module.in_proj_bias,
            module.out_proj,
            head_dim=module.head_dim,
            heads=numbers[kept].to(module.in_proj_weight.device),
            original_heads=module.original_heads if old else module.num_heads,
            dropout=module.dropout,
            batch_first=module.batch_first,
        ).train(module.training)
    return module
