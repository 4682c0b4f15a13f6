"""``CompactedAttention``: :class:`torch.nn.MultiheadAttention` with fewer heads or a new width."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from bridle.sparsity.compaction.nested import lengths_of, nest, pad

__all__ = ["CompactedAttention"]


class CompactedAttention(nn.Module):
    """Multi-head attention whose heads need not fill the width of its input.

    It is called as :class:`torch.nn.MultiheadAttention` is. The attention weights that it returns
    are those of its own heads.

    Parameters
    ----------
    in_proj_weight : Parameter
        ``[3 · heads · head_dim, width]``: the rows of queries, keys and values.
    in_proj_bias : Parameter or None
    out_proj : torch.nn.Linear
        From ``heads · head_dim`` to the width.
    head_dim : int
    heads : Tensor
        int64: which heads of the original module these are, for masks with one part a head.
    original_heads : int
    dropout : float
    batch_first : bool

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> whole = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    >>> same = CompactedAttention(
    ...     whole.in_proj_weight, whole.in_proj_bias, whole.out_proj, head_dim=4,
    ...     heads=torch.arange(2), original_heads=2, dropout=0.0, batch_first=True,
    ... )
    >>> X = torch.randn(3, 5, 8)
    >>> torch.allclose(same(X, X, X)[0], whole(X, X, X)[0], atol=1e-6)
    True
    """

    heads: Tensor

    def __init__(
        self,
        in_proj_weight: nn.Parameter,
        in_proj_bias: nn.Parameter | None,
        out_proj: nn.Linear,
        *,
        head_dim: int,
        heads: Tensor,
        original_heads: int,
        dropout: float,
        batch_first: bool,
    ) -> None:
        super().__init__()
        self.in_proj_weight, self.in_proj_bias = in_proj_weight, in_proj_bias
        self.out_proj = out_proj
        self.register_buffer("heads", heads)
        self.num_heads, self.head_dim, self.original_heads = len(heads), head_dim, original_heads
        self.embed_dim = in_proj_weight.shape[1]
        self.dropout, self.batch_first = dropout, batch_first
        # torch.nn.TransformerEncoderLayer reads it, and then calls this module
        self._qkv_same_embed_dim = False

    def extra_repr(self) -> str:
        """Return the heads and their width."""
        return f"{self.num_heads} heads of {self.head_dim}, width {self.embed_dim}"

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,  # noqa: ARG002 - a hint: attn_mask says the same
    ) -> tuple[Tensor, Tensor | None]:
        """Return the outputs, and the attention weights or None."""
        if query.is_nested:  # in prediction, torch.nn.TransformerEncoder removes the padding
            lengths, wide = lengths_of(key), pad(key)
            padding = torch.arange(wide.shape[1], device=wide.device) >= lengths[:, None]
            result, attention = self.forward(
                pad(query), wide, pad(value), padding, need_weights, attn_mask, average_attn_weights
            )
            return nest(result, lengths_of(query)), attention
        batched = query.ndim == 3
        inputs = [part if batched else part.unsqueeze(0) for part in (query, key, value)]
        if batched and not self.batch_first:
            inputs = [part.transpose(0, 1) for part in inputs]
        weights = self.in_proj_weight.chunk(3)
        biases = [None] * 3 if self.in_proj_bias is None else list(self.in_proj_bias.chunk(3))
        q, k, v = (
            F.linear(part, weight, bias).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for part, weight, bias in zip(inputs, weights, biases, strict=True)
        )
        mask = self._mask(attn_mask, key_padding_mask, q)
        dropout = self.dropout if self.training else 0.0
        attention = None
        if need_weights:
            scores = q @ k.transpose(-2, -1) * self.head_dim**-0.5
            attention = (scores if mask is None else scores + mask).softmax(-1)
            attention = F.dropout(attention, dropout)
            mixed = attention @ v
            attention = attention.mean(1) if average_attn_weights else attention
            attention = attention if batched else attention.squeeze(0)
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, mask, dropout)
        result = self.out_proj(mixed.transpose(1, 2).flatten(2))
        if not batched:
            return result.squeeze(0), attention
        return (result if self.batch_first else result.transpose(0, 1)), attention

    def _mask(
        self, attn_mask: Tensor | None, key_padding_mask: Tensor | None, like: Tensor
    ) -> Tensor | None:
        """Return one additive mask ``[rows or 1, heads or 1, queries or 1, keys]``."""
        parts = []
        if attn_mask is not None:
            if attn_mask.ndim == 3:
                by_head = attn_mask.unflatten(0, (-1, self.original_heads))
                parts.append(by_head.index_select(1, self.heads))
            else:
                parts.append(attn_mask[None, None])
        if key_padding_mask is not None:
            rows = key_padding_mask if key_padding_mask.ndim == 2 else key_padding_mask[None]
            parts.append(rows[:, None, None])
        total: Tensor | None = None
        for part in parts:
            if part.dtype == torch.bool:
                part = like.new_zeros(part.shape).masked_fill(part, float("-inf"))
            total = part if total is None else total + part
        return None if total is None else total.to(like.dtype)
