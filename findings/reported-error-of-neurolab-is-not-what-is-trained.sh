#!/usr/bin/env bash
# neurolab 0.3.5, train_gd(rr=...), with Python 3.8.
#
# Behaviour: the gradient of the penalty is rr * w and rr * b, that of rr / 2 * (|w|^2 + |b|^2). The
# reported error, which the goal is compared with, adds rr * (|w| + |b|), the norms and not their
# squares. A negative rr changes the reported error only.
#
# Output seen:
#   weight 3.0, learning rate 0.1, rr 0.1: one step moves it by 0.03
#   reported error where the data loss is 0: 0.3
#   rr -0.1: one step moves it by 0.0, reported error -0.3
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.8 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet neurolab==0.3.5 numpy==1.23.5
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
import neurolab as nl
import numpy as np

assert nl.__version__ == "0.3.5"


def one_step(rr):
    net = nl.net.newff([[-1, 1]], [1], [nl.trans.PureLin()])
    net.trainf = nl.train.train_gd
    net.layers[0].np["w"][:] = 3.0
    net.layers[0].np["b"][:] = 0.0
    x = np.array([[0.0], [1.0]])
    errors = net.train(x, net.sim(x), epochs=2, goal=-9.0, show=0, lr=0.1, rr=rr)
    return round(3.0 - float(net.layers[0].np["w"][0, 0]), 6), round(float(errors[0]), 6)


moved, error = one_step(0.1)
print(f"weight 3.0, learning rate 0.1, rr 0.1: one step moves it by {moved}")
print(f"reported error where the data loss is 0: {error}")
assert moved == 0.03
assert error == 0.3  # rr / 2 * 9 would be 0.45, and rr * 9 would be 0.9
moved, error = one_step(-0.1)
print(f"rr -0.1: one step moves it by {moved}, reported error {error}")
assert moved == 0.0
assert error == -0.3
PYTHON
