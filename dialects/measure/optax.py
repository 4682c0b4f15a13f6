# /// script
# requires-python = ">=3.11"
# dependencies = ["optax==0.2.8"]
# ///
"""Measures the record of optax."""

import jax.numpy as jnp
import optax
import probes


def run(optimizer, weights, gradients, steps=1):
    state = optimizer.init(weights)
    for _ in range(steps):
        updates, state = optimizer.update(gradients, state, weights)
        weights = optax.apply_updates(weights, updates)
    return weights


def stepper(make):
    def step(weights, gradients, lr, decay, steps):
        return run(make(lr, decay), jnp.array(weights), jnp.array(gradients), steps).tolist()

    return step


def hit(make):
    """Say which leaves a decay moves, whose gradients are zero."""
    leaves = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2), "cube": jnp.ones((2, 2, 2))}
    nothing = {name: jnp.zeros_like(leaf) for name, leaf in leaves.items()}
    after = run(make(0.1, 0.1), leaves, nothing)
    return {name: bool((after[name] != 1).any()) for name in leaves}


def chained(lr, decay):
    return optax.chain(optax.add_decayed_weights(decay), optax.sgd(lr, momentum=0.9))


def adam_after(lr, decay):
    return optax.chain(
        optax.scale_by_adam(), optax.add_decayed_weights(decay), optax.scale_by_learning_rate(lr)
    )


def adam_before(lr, decay):
    return optax.chain(optax.add_decayed_weights(decay), optax.adam(lr))


def too_late(lr, decay):
    return optax.chain(optax.sgd(lr), optax.add_decayed_weights(decay))


def adafactor(lr, decay):
    return optax.adafactor(lr, weight_decay_rate=decay)


def lamb(lr, decay):
    return optax.lamb(lr, weight_decay=decay)


def lars_drop():
    after = run(optax.lars(0.1, weight_decay=0.1), jnp.array([1.0]), jnp.array([0.0]))
    return float(1 - after[0])


grown = stepper(too_late)([1.0], [0.0], 0.1, 0.1, 1)[0]
lamb_drops = [1 - stepper(lamb)([1.0], [0.0], 0.1, wd, 1)[0] for wd in (0.01, 1.0)]
masked = optax.masked(optax.sgd(0.1), {"a": True, "b": False})
two = {"a": jnp.ones(1), "b": jnp.ones(1)}
raw = run(masked, two, {"a": jnp.ones(1), "b": jnp.ones(1)})
muon = hit(lambda lr, wd: optax.contrib.muon(lr, weight_decay=wd))
both = hit(lambda lr, wd: optax.contrib.muon(lr, weight_decay=wd, adam_weight_decay=wd))
sgd_decay = probes.attempt(lambda: probes.default(optax.sgd, "weight_decay"), (KeyError,))


def of(function, *, adaptive=True, argument="weight_decay"):
    make = lambda lr, wd: function(lr, **{argument: wd})
    return probes.decay(stepper(make), adaptive) | {
        "default": probes.default(function, argument),
        "biases": hit(make)["bias"],
    }


probes.report(
    "optax",
    adamw=of(optax.adamw),
    lion=of(optax.lion),
    nadamw=of(optax.nadamw),
    adafactor=of(optax.adafactor, argument="weight_decay_rate"),
    add_decayed_weights=probes.decay(stepper(chained))
    | {
        "before_scale_by_adam": probes.decay(stepper(adam_before), True)["coupling"],
        "after_scale_by_adam": probes.decay(stepper(adam_after), True)["coupling"],
        "after_the_learning_rate": round(grown, 4),
        "default": probes.default(optax.add_decayed_weights, "weight_decay"),
        "biases": hit(chained)["bias"],
    },
    muon={
        "default": probes.default(optax.contrib.muon, "weight_decay"),
        "decays_2d": muon["kernel"],
        "biases": muon["bias"],
        "decays_3d": muon["cube"],
        "adam_weight_decay_hits_biases": both["bias"],
    },
    lars={
        "default": probes.default(optax.lars, "weight_decay"),
        "drop_at_zero_gradient": round(lars_drop(), 6),
    },
    lamb={
        "default": probes.default(optax.lamb, "weight_decay"),
        "drop_is_the_same_for_all_strengths": abs(lamb_drops[0] - lamb_drops[1]) < 1e-3,
        "drop_at_zero_gradient": round(lamb_drops[1], 4),
    },
    general={
        "sgd_has_weight_decay": sgd_decay != "refused",
        "masked_out_leaf_moves_by_plus_gradient": float(raw["b"][0]) == 2.0,
    },
)
