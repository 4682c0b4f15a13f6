#!/usr/bin/env bash
# lassonet 0.0.21 on torch 2.13.0, LassoNetRegressor(gamma=..., gamma_skip=...).
#
# Behaviour: both are documented as L2 penalties, on the network and on the skip connection. The
# penalty is computed from the data of the parameters, outside the graph, so its gradient is zero:
# the weights are the same for 0 and for 1000.
#
# Output seen:
#   largest difference of a weight, gamma 1000: 0.0
#   largest difference of a weight, gamma_skip 1000: 0.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet lassonet==0.0.21 torch==2.13.0 numpy==2.4.6
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import torch
from lassonet import LassoNetRegressor

assert version("lassonet") == "0.0.21"
rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3)).astype("float32")
y = X[:, 0] - X[:, 1]


def fitted(**strengths):
    model = LassoNetRegressor(
        hidden_dims=(4,), n_iters=(5, 2), random_state=0, torch_seed=0, verbose=False, **strengths
    )
    first = model.path(X, y, lambda_seq=[0.1], return_state_dicts=True)[0]
    return torch.cat([value.flatten() for value in first.state_dict.values()])


plain = fitted()
for name in ("gamma", "gamma_skip"):
    strong = fitted(**{name: 1000.0})
    difference = float((strong - plain).abs().max())
    print(f"largest difference of a weight, {name} 1000: {difference}")
    assert difference == 0
PYTHON
