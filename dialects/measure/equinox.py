# /// script
# requires-python = ">=3.11"
# dependencies = ["equinox==0.13.8"]
# ///
"""Measures the record of Equinox."""

import equinox as eqx
import jax
import jax.numpy as jnp
import probes

key = jax.random.key(0)


def train(values, rate):
    return eqx.nn.Dropout(rate)(jnp.array(values), key=key).tolist()


def predict(values, rate):
    return eqx.nn.Dropout(rate)(jnp.array(values), inference=True).tolist()


def gradient(values, rate):
    function = lambda x: eqx.nn.Dropout(rate)(x, key=key).sum()
    return jax.grad(function)(jnp.array(values)).tolist()


rows = jax.vmap(lambda x: eqx.nn.Dropout(0.5)(x, key=key))(jnp.ones((20, 8)))
keyless = probes.attempt(lambda: eqx.nn.Dropout(0.5)(jnp.ones(8)))
fresh = eqx.nn.Dropout(0.5)(jnp.ones(1000), key=key)

probes.report(
    "equinox",
    Dropout=probes.dropout(train, predict, gradient=gradient)
    | {
        "default": probes.default(eqx.nn.Dropout.__init__, "p"),
        "fresh": "active" if (fresh == 0).any() else "inactive",
        "without_key": "refused" if isinstance(keyless, str) else "accepted",
        "one_key_under_vmap_is_one_mask": bool((rows == rows[0]).all()),
    },
)
