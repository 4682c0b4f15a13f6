# /// script
# requires-python = "==3.8.*"
# dependencies = ["mxnet==1.9.1", "numpy<1.24"]
# ///
"""Measures the record of MXNet with Gluon."""

import mxnet as mx
import probes
from mxnet import autograd, gluon


def layer(rate, **options):
    made = gluon.nn.Dropout(rate, **options)
    made.initialize()
    return made


def train(values, rate):
    with autograd.record():
        return layer(rate)(mx.nd.array(values)).asnumpy().tolist()


def predict(values, rate):
    return layer(rate)(mx.nd.array(values)).asnumpy().tolist()


def stepper(name, **options):
    def step(weights, gradients, lr, decay, steps):
        optimizer = mx.optimizer.create(name, learning_rate=lr, wd=decay, **options)
        weight = mx.nd.array(weights)
        state = optimizer.create_state(0, weight)
        for _ in range(steps):
            optimizer.update(0, weight, mx.nd.array(gradients), state)
        return weight.asnumpy().tolist()

    return step


def hit():
    """Say which parameters of a network shrink, whose gradients are zero."""
    net = gluon.nn.Sequential()
    net.add(gluon.nn.Dense(3, in_units=3), gluon.nn.BatchNorm(in_channels=3))
    net.initialize(mx.init.One())
    for value in net.collect_params().values():
        value.set_data(mx.nd.ones(value.shape))
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "wd": 0.1})
    with autograd.record():
        loss = (net(mx.nd.ones((2, 3))) * 0).sum()
    loss.backward()
    trainer.step(1)
    names = ("weight", "bias", "gamma", "beta")
    found = {}
    for key, value in net.collect_params().items():
        for name in names:
            if key.endswith(name):
                found[name] = bool((value.data().asnumpy() != 1).any())
    return found


with autograd.record():
    shared = layer(0.5, axes=(0,))(mx.nd.ones((50, 8))).asnumpy()
with autograd.train_mode():
    mode = layer(0.5)(mx.nd.ones(1000)).asnumpy()
fresh = layer(0.5)(mx.nd.ones(1000)).asnumpy()
found = hit()
sgd, adam = probes.decay(stepper("sgd", momentum=0.9)), probes.decay(stepper("adam"), True)
probes.report(
    "mxnet",
    Dropout={
        **probes.dropout(train, predict, (*probes.REFUSALS, mx.MXNetError)),
        "fresh": "active" if (fresh == 0).any() else "inactive",
        "mask_axes": "shared" if (shared == shared[0]).all() else "varying",
        "train_mode_switches_on": bool((mode == 0).any()),
    },
    sgd={**sgd, "biases": found["bias"], "norms": found["gamma"] and found["beta"]},
    adam=adam,
    general={"default_wd": mx.optimizer.create("sgd").wd},
)
