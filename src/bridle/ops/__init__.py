"""Pure tensor functions, autograd included: masks by address, dropout and its kin."""

from bridle.ops.dispatch import (
    drop_connect,
    drop_connect_linear,
    dropout,
    elastic_prox,
    gaussian_dropout,
    soft_threshold,
    uniform_like,
)
from bridle.ops.philox import RESOLUTION, address_of
from bridle.ops.stepping import adam_step, max_norm_step

__all__ = [
    "RESOLUTION",
    "adam_step",
    "address_of",
    "drop_connect",
    "drop_connect_linear",
    "dropout",
    "elastic_prox",
    "gaussian_dropout",
    "max_norm_step",
    "soft_threshold",
    "uniform_like",
]
