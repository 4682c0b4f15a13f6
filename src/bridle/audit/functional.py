"""``FunctionalDropout``: sees the calls of torch's dropout functions, and can turn them off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode

__all__ = ["DropoutCall", "FunctionalDropout"]

_BY_KEYWORD = {
    F.dropout: "training",
    F.dropout1d: "training",
    F.dropout2d: "training",
    F.dropout3d: "training",
    F.alpha_dropout: "training",
    F.feature_alpha_dropout: "training",
}
_BY_PLACE = {torch.dropout, torch.alpha_dropout, torch.feature_alpha_dropout, torch.feature_dropout}


@dataclass(frozen=True)
class DropoutCall:
    """A call of a dropout function that drops: the innermost module, and the drop probability."""

    module: nn.Module | None
    drop_prob: float


class FunctionalDropout(TorchFunctionMode):
    """A context in which calls of torch's dropout functions are listed, or drop nothing.

    Attention's ``dropout_p`` counts as well. The dropout inside a compiled function is not seen.
    """

    def __init__(self, model: nn.Module | None = None, *, off: bool = False) -> None:
        super().__init__()
        self.calls: list[DropoutCall] = []
        self._off = off
        self._stack: list[nn.Module] = []
        for module in model.modules() if model is not None else ():
            module.register_forward_pre_hook(self._enter, prepend=True)
            module.register_forward_hook(self._leave, always_call=True)

    def _enter(self, module: nn.Module, args: Any) -> None:  # noqa: ARG002
        self._stack.append(module)

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG002
        if self._stack:
            self._stack.pop()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """List the call, or turn it off."""
        kwargs = dict(kwargs or {})
        drop_prob = 0.0
        if func in _BY_KEYWORD:
            bound = dict(zip(("input", "p", "training", "inplace"), args, strict=False)) | kwargs
            default = func not in (F.alpha_dropout, F.feature_alpha_dropout)
            if bound.get("training", default):
                drop_prob = float(bound.get("p", 0.5))
                if self._off:
                    args, kwargs = (), bound | {"training": False}
        elif func in _BY_PLACE and len(args) == 3:
            if args[2]:
                drop_prob = float(args[1])
                args = (args[0], args[1], False) if self._off else args
        elif func is F.scaled_dot_product_attention:
            bound = dict(
                zip(("query", "key", "value", "attn_mask", "dropout_p"), args, strict=False)
            )
            bound |= kwargs
            drop_prob = float(bound.get("dropout_p") or 0)
            if self._off:
                args, kwargs = args[:4], kwargs | {"dropout_p": 0.0}
        if drop_prob > 0:
            self.calls.append(DropoutCall(self._stack[-1] if self._stack else None, drop_prob))
        return func(*args, **kwargs)
