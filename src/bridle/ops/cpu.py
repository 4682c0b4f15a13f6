"""The ops on a CPU: the compiled kernels where they are installed, else plain torch."""

from bridle.ops.cpu_masks import (
    drop_connect_linear,
    drop_connect_linear_backward,
    dropout,
    gaussian_dropout,
    relu_dropout,
    relu_dropout_backward,
    uniform_like,
)
from bridle.ops.cpu_steps import (
    adam_step,
    elastic_prox,
    embed_rows,
    max_norm_step,
    perceptron_steps,
    population_outputs,
    population_steps,
    soft_threshold,
    take_blocks,
)
from bridle.ops.cpu_variants import multiplies, use_variant, variant, variants

__all__ = [
    "adam_step",
    "drop_connect_linear",
    "drop_connect_linear_backward",
    "dropout",
    "elastic_prox",
    "embed_rows",
    "gaussian_dropout",
    "max_norm_step",
    "multiplies",
    "perceptron_steps",
    "population_outputs",
    "population_steps",
    "relu_dropout",
    "relu_dropout_backward",
    "soft_threshold",
    "take_blocks",
    "uniform_like",
    "use_variant",
    "variant",
    "variants",
]
