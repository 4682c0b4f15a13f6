# /// script
# requires-python = ">=3.12"
# dependencies = ["flax==0.12.12"]
# ///
"""Measures the record of flax."""

import jax
import jax.numpy as jnp
import probes
from flax import linen, nnx


def layer(rate, **options):
    return nnx.Dropout(rate, rngs=nnx.Rngs(0), **options)


def train(values, rate):
    return layer(rate)(jnp.array(values)).tolist()


def predict(values, rate):
    return layer(rate)(jnp.array(values), deterministic=True).tolist()


def gradient(values, rate):
    return jax.grad(lambda x: layer(rate)(x).sum())(jnp.array(values)).tolist()


fresh = layer(0.5)(jnp.ones(1000))
shared = layer(0.5, broadcast_dims=(0,))(jnp.ones((50, 8)))
evaluated = layer(0.5)
evaluated.eval()
overruled = layer(0.5, deterministic=True)
overruled.train()
twice = layer(0.5)
old = linen.Dropout(0.5)
rngs = {"dropout": jax.random.key(0)}
unsaid = probes.attempt(lambda: old.apply({}, jnp.ones(8), rngs=rngs), (Exception,))

probes.report(
    "flax",
    Dropout=probes.dropout(train, predict, gradient=gradient)
    | {
        "fresh": "active" if (fresh == 0).any() else "inactive",
        "mask_axes": "shared" if (shared == shared[0]).all() else "varying",
        "eval_switches_off": bool((evaluated(jnp.ones(1000)) == 1).all()),
        "train_overrides_constructor": bool((overruled(jnp.ones(1000)) == 0).any()),
        "mask_changes": bool((twice(jnp.ones(99)) != twice(jnp.ones(99))).any()),
        "value_at_minus_half": round(train([1.0], -0.5)[0], 4),
    },
    linen_Dropout={
        "fresh": "argument" if isinstance(unsaid, str) else "active",
    },
)
