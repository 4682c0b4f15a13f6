"""``nn.MultiheadAttention`` with addressed masks on its attention weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bridle.errors import UsageError
from bridle.modules.noise_hooks import UnitNoise
from bridle.modules.scaled_attention import weights_of

__all__ = ["AttentionForward"]


class AttentionForward:
    """The forward of an attention module: in training with the masks of a noise, else torch's."""

    def __init__(self, module: nn.MultiheadAttention, noise: UnitNoise) -> None:
        self.module, self.noise = module, noise

    def __call__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the outputs and the weights, as ``nn.MultiheadAttention.forward`` does."""
        module, masks = self.module, (key_padding_mask, attn_mask)
        if not module.training:
            return nn.MultiheadAttention.forward(
                module,
                *(query, key, value, key_padding_mask, need_weights, attn_mask),
                average_attn_weights=average_attn_weights,
                is_causal=is_causal,
            )
        if is_causal and attn_mask is None:
            raise UsageError("is_causal=True only says what attn_mask is: give attn_mask, too")
        inputs: tuple[Tensor, ...] = (query, key, value)
        batched = query.ndim == 3
        if not batched:
            inputs = tuple(x[None] for x in inputs)
            masks = (None if key_padding_mask is None else key_padding_mask[None], attn_mask)
        elif not module.batch_first:
            inputs = tuple(x.transpose(0, 1) for x in inputs)
        # torch then takes the hint for the mask; it differs from the mask where keys are added
        hinted = is_causal and key_padding_mask is None and not need_weights
        mixed, weights = self._attend(inputs, masks, hinted)
        if not batched:
            mixed, weights = mixed[0], weights[0]
        elif not module.batch_first:
            mixed = mixed.transpose(0, 1)
        if not need_weights:
            return mixed, None
        return mixed, weights.mean(-3) if average_attn_weights else weights

    def _attend(
        self, inputs: tuple[Tensor, ...], masks: tuple[Tensor | None, ...], causal: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the outputs ``[rows, queries, units]`` and the weights ``[rows, heads, ...]``."""
        module: Any = self.module
        rows, heads, width = inputs[0].shape[0], module.num_heads, module.head_dim
        if module._qkv_same_embed_dim:
            projections = module.in_proj_weight.chunk(3)
        else:
            projections = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
        biases = (None,) * 3 if module.in_proj_bias is None else module.in_proj_bias.chunk(3)
        query, key, value = (
            functional.linear(*each) for each in zip(inputs, projections, biases, strict=True)
        )
        added = 0
        if module.bias_k is not None:
            key = torch.cat([key, module.bias_k.expand(rows, 1, -1)], 1)
            value = torch.cat([value, module.bias_v.expand(rows, 1, -1)], 1)
            added += 1
        query, key, value = (
            x.reshape(rows, -1, heads, width).transpose(1, 2) for x in (query, key, value)
        )
        if module.add_zero_attn:
            zeros = key.new_zeros(rows, heads, 1, width)
            key, value = torch.cat([key, zeros], 2), torch.cat([value, zeros], 2)
            added += 1
        scores = query @ key.mT * width**-0.5
        padding, given = masks
        if padding is not None:
            scores = _masked(scores, padding[:, None, None], added)
        if causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
            scores = _masked(scores, later, 0)
        elif given is not None:
            shape = (rows, heads, *given.shape[1:]) if given.ndim == 3 else given.shape
            scores = _masked(scores, given.reshape(shape), added)
        weights = self.noise._train(weights_of(scores))
        mixed = (weights @ value).transpose(1, 2).reshape(rows, -1, heads * width)
        return functional.linear(mixed, module.out_proj.weight, module.out_proj.bias), weights


def _masked(scores: Tensor, mask: Tensor, added: int) -> Tensor:
    """Return scores with a mask (True for no attention, or what to add), not on added keys."""
    if added:
        mask = functional.pad(mask, (0, added))
    if mask.dtype == torch.bool:
        return scores.masked_fill(mask, float("-inf"))
    return scores + mask
