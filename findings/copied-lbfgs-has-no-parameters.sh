#!/usr/bin/env bash
# torch 2.13.0, torch.optim.LBFGS.
#
# Behaviour: copy.deepcopy of the optimizer gives one without its list of parameters, so that the
# copy's first step raises an AttributeError. Other optimizers of torch can be copied, and model and
# optimizer together, for a trial step or a checkpoint in memory.
#
# Output seen:
#   SGD: the copy steps
#   Adam: the copy steps
#   LBFGS: 'LBFGS' object has no attribute '_params'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/environment/bin/python" - <<'PYTHON'
import copy

import torch

assert torch.__version__.partition("+")[0] == "2.13.0"
found = {}
for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.LBFGS):
    weight = torch.nn.Parameter(torch.ones(2))
    weight, optimizer = copy.deepcopy((weight, kind([weight], lr=0.1)))

    def loss():
        optimizer.zero_grad()
        value = weight.square().sum()
        value.backward()
        return value

    try:
        optimizer.step(loss)
        found[kind.__name__] = "the copy steps"
    except AttributeError as error:
        found[kind.__name__] = str(error)
for name, text in found.items():
    print(f"{name}: {text}")
assert found["SGD"] == found["Adam"] == "the copy steps" and "_params" in found["LBFGS"]
PYTHON
