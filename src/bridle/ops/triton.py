"""The ops as Triton kernels, for GPUs: the same addresses, hence the same masks.

Nothing here waits for the device: the key of a mask is computed where the mask is drawn. With
``TRITON_INTERPRET=1`` set before the first import, the kernels run on CPU tensors, slowly. The
tests use this where there is no GPU.
"""

from bridle.ops.reference import soft_threshold
from bridle.ops.triton_drop_connect import drop_connect_linear, drop_connect_linear_backward
from bridle.ops.triton_dropout import dropout, relu_dropout, relu_dropout_backward
from bridle.ops.triton_steps import adam_step, elastic_prox, max_norm_step

__all__ = [
    "adam_step",
    "drop_connect_linear",
    "drop_connect_linear_backward",
    "dropout",
    "elastic_prox",
    "max_norm_step",
    "relu_dropout",
    "relu_dropout_backward",
    "soft_threshold",
]
