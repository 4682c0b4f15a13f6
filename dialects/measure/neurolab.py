# /// script
# requires-python = "==3.8.*"
# dependencies = ["neurolab==0.3.5", "numpy<1.24"]
# ///
"""Measures the record of neurolab."""

import neurolab as nl
import numpy as np
import probes


def network():
    net = nl.net.newff([[-1, 1]], [1], [nl.trans.PureLin()])
    net.layers[0].np["w"][:] = 1.0
    net.layers[0].np["b"][:] = 0.5
    return net


def trained(function, rr):
    net = network()
    net.trainf = function
    x = np.array([[0.0], [1.0]])
    options = {"epochs": 1, "goal": -1.0, "show": 0}
    return net.train(x, net.sim(x) + 1, rr=rr, **options)


def gd(rr):
    net = network()
    net.trainf = nl.train.train_gd
    x = np.array([[0.0], [1.0]])
    errors = net.train(x, net.sim(x), epochs=2, goal=-1.0, show=0, lr=0.1, rr=rr)
    layer = net.layers[0].np
    return float(layer["w"][0, 0]), float(layer["b"][0]), float(errors[0])


w, b, error = gd(0.1)
negative = gd(-0.1)
rprop = probes.attempt(lambda: trained(nl.train.train_rprop, 0.1), (Exception,))
probes.report(
    "neurolab",
    rr={
        "norm": "l2",
        "factor": round((1 - w) / 0.1 / 0.1 / 2, 4),
        "biases": b != 0.5,
        "reported_error": "rr * (|w| + |b|)" if abs(error / 0.1 - 1.5) < 1e-6 else round(error, 4),
        "in_reported_loss": "always" if error > 0 else "never",
        "negative_changes_weights": negative[0] != 1.0,
        "negative_changes_reported_error": negative[2] != 0.0,
        "train_rprop_has_it": rprop != "refused",
    },
)
