# /// script
# requires-python = ">=3.12"
# dependencies = ["dm-haiku==0.0.17", "jax==0.12.0.1"]
# ///
"""Measures the record of Haiku."""

import haiku as hk
import jax
import jax.numpy as jnp
import probes

key = jax.random.key(0)


def train(values, rate):
    return hk.dropout(key, rate, jnp.array(values)).tolist()


def run(function):
    return hk.transform(function).apply({}, key)


shared = run(lambda: hk.dropout(hk.next_rng_key(), 0.5, jnp.ones((50, 8)), broadcast_dims=(0,)))
inside = run(lambda: hk.dropout(hk.next_rng_key(), 0.5, jnp.ones(1000)))

probes.report(
    "haiku",
    dropout=probes.dropout(train, None)
    | {
        "fresh": "active" if (inside == 0).any() else "inactive",
        "mask_axes": "shared" if (shared == shared[0]).all() else "varying",
    },
)
