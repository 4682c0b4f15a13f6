"""Pure tensor functions, autograd included: masks by address, dropout and its kin."""

from bridle.ops.dispatch import (
    drop_connect,
    drop_connect_linear,
    dropout,
    elastic_prox,
    soft_threshold,
)
from bridle.ops.philox import RESOLUTION, address_of

__all__ = [
    "RESOLUTION",
    "address_of",
    "drop_connect",
    "drop_connect_linear",
    "dropout",
    "elastic_prox",
    "soft_threshold",
]
