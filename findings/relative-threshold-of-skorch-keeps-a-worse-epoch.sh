#!/usr/bin/env bash
# skorch 1.4.0 on torch 2.13.0, callbacks.EarlyStopping with its default threshold_mode="rel".
#
# Behaviour: the score to beat is best * (1 - threshold). For a negative loss, such as the negative
# logarithm of a density, that lies above the best: an epoch that is a little worse counts as an
# improvement. It becomes the best, and so again, so that the patience never runs out while the loss
# rises, and load_best=True returns the worst epoch. threshold_mode="abs" is right.
#
# Output seen (losses -1.00, -0.99, -0.98, -0.97, -0.96, -0.95; patience 2, threshold 0.02):
#   rel: 6 epochs, weights of epoch 6 returned
#   abs: 3 epochs, weights of epoch 1 returned
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet skorch==1.4.0 torch==2.13.0 numpy==2.4.6
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import skorch
import torch
from skorch.callbacks import EarlyStopping
from torch import nn

assert skorch.__version__ == "1.4.0" and torch.__version__.partition("+")[0] == "2.13.0"
LOSSES = [-1.0, -0.99, -0.98, -0.97, -0.96, -0.95]


class Number(nn.Module):
    """A number that gains 1 in each epoch, as the number of the epoch."""

    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))

    def forward(self, X):
        return self.value + 0 * X


class Loss(nn.Module):
    def forward(self, predicted, y):
        if torch.is_grad_enabled():
            return -predicted.mean()
        return torch.tensor(LOSSES[round(float(predicted.mean())) - 1])


X = np.zeros((10, 1), dtype="float32")
found = {}
for mode in ("rel", "abs"):
    stop = EarlyStopping(patience=2, threshold=0.02, threshold_mode=mode, load_best=True)
    net = skorch.NeuralNetRegressor(
        Number, criterion=Loss, lr=1.0, max_epochs=6, callbacks=[("stop", stop)], verbose=0
    )
    net.fit(X, X)
    found[mode] = len(net.history), round(float(net.module_.value))
    print(f"{mode}: {found[mode][0]} epochs, weights of epoch {found[mode][1]} returned")
assert found == {"rel": (6, 6), "abs": (3, 1)}
PYTHON
