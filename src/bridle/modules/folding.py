"""Batch norms that torch folds into the layer before them, past noise that scales at prediction."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from bridle.errors import UsageError

__all__ = ["refuse_folding"]

_FOLDING = {fuse_conv_bn_eval.__code__, fuse_linear_bn_eval.__code__}


def refuse_folding(noise: Any) -> None:
    """Raise a UsageError where torch copies a layer with a noise to fold a batch norm into it.

    The noise of classic form multiplies by p at prediction. After the layer or on its bias, it
    would scale the batch norm's shift, too.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code in _FOLDING:
            raise UsageError(
                f"{noise}: a batch norm cannot be folded into the layer before it while this noise "
                "is there, since it would scale the batch norm's shift, too: call receipt.undo() "
                "first, fold, and regularize the result; or use scaling='inverted', which is the "
                "identity at prediction"
            )
        frame = frame.f_back
