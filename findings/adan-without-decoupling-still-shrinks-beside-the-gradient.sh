#!/usr/bin/env bash
# pytorch_optimizer 4.1.0 on torch 2.13.0, Adan with weight_decay and its default
# weight_decouple=False.
#
# Behaviour: its documentation says that the flag chooses between a decay that acts on the weights
# and one that is added to the gradient. With False nothing is added to the gradient: the step ends
# with a division of the weights by 1 + lr * weight_decay, which is a decoupled, proximal decay.
# AdaBelief of the same library, with the same flag, does add the decay to the gradient. With a
# gradient of zero it takes a step of about lr from any weight, whatever its size; Adan takes
# a multiple of the weight.
#
# Output seen:
#   Adan: a weight of 2 loses 0.001998, of 20 0.019981
#   AdaBelief: a weight of 2 loses 0.011111, of 20 0.011110
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet pytorch_optimizer==4.1.0 torch==2.13.0 numpy==2.4.6
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import torch
from pytorch_optimizer import AdaBelief, Adan

assert version("pytorch_optimizer") == "4.1.0"
LR, DECAY = 0.01, 0.1


def lost(kind, start):
    weight = torch.nn.Parameter(torch.tensor([start]))
    optimizer = kind([weight], lr=LR, weight_decay=DECAY, weight_decouple=False)
    weight.grad = torch.zeros(1)
    optimizer.step()
    return start - float(weight)


for kind in (Adan, AdaBelief):
    print(f"{kind.__name__}: a weight of 2 loses {lost(kind, 2.0):.6f}, of 20 {lost(kind, 20.0):.6f}")
assert abs(lost(AdaBelief, 2.0) - lost(AdaBelief, 20.0)) < 1e-4
for start in (2.0, 20.0):
    assert abs(lost(Adan, start) - start * (1 - 1 / (1 + LR * DECAY))) < 1e-5
PYTHON
