#!/usr/bin/env bash
# pytorch-tabnet 4.1.0 on torch 2.13.0, TabNetClassifier.fit (the regressor does the same).
#
# Behaviour: by default a batch has 1024 rows, and a batch that is not full is left out (drop_last=True).
# Fewer rows than that make no batch at all: fit takes no step, reports a loss of 0.0 for every epoch and
# ends without an error or a warning about it. The model predicts with its initial weights. With
# drop_last=False the same call trains.
#
# Output seen:
#   drop_last=True: losses [0.0, 0.0, 0.0], a weight changed: False
#   drop_last=False: losses above 0: True, a weight changed: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet pytorch-tabnet==4.1.0 torch==2.13.0 scikit-learn==1.9.1 \
    pandas==3.1.1 scipy==1.17.1 numpy==2.4.6
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from pytorch_tabnet.tab_model import TabNetClassifier

assert version("pytorch-tabnet") == "4.1.0"
X = np.random.default_rng(0).normal(size=(500, 4)).astype("float32")
y = (X[:, 0] > 0).astype(int)


def fitted(epochs, *, drop_last):
    model = TabNetClassifier(n_d=4, n_a=4, n_steps=2, seed=0, verbose=0)
    model.fit(X, y, max_epochs=epochs, drop_last=drop_last)
    return model


def changed(drop_last):
    first, last = (fitted(epochs, drop_last=drop_last) for epochs in (1, 3))
    pairs = zip(first.network.parameters(), last.network.parameters())
    return last.history["loss"], any(not one.equal(other) for one, other in pairs)


losses, moved = changed(drop_last=True)
print(f"drop_last=True: losses {losses}, a weight changed: {moved}")
assert losses == [0.0, 0.0, 0.0] and not moved
losses, moved = changed(drop_last=False)
print(f"drop_last=False: losses above 0: {min(losses) > 0}, a weight changed: {moved}")
assert min(losses) > 0 and moved
PYTHON
