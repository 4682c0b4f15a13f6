#!/usr/bin/env bash
# peft 0.21.2 on torch 2.13.0, LoHaConfig(rank_dropout=...).
#
# Behaviour: in training, rows of the added weight are dropped, and the mask is divided by its mean. If
# all rows are dropped, which for a layer of two outputs and a rate of 0.5 is one step in four, that is
# 0 / 0: the output is nan for the whole batch, and so is the loss. LoKr of the same library, with the
# same rate, gives no nan.
#
# Output seen:
#   LoHaConfig: nan in some of 100 forward passes: True
#   LoKrConfig: nan in some of 100 forward passes: False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet peft==0.21.2 torch==2.13.0 numpy==2.4.6
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
import peft
import torch
from torch import nn

assert peft.__version__ == "0.21.2" and torch.__version__.partition("+")[0] == "2.13.0"
found = {}
for kind in (peft.LoHaConfig, peft.LoKrConfig):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    model = peft.get_peft_model(network, kind(r=2, target_modules=["2"], rank_dropout=0.5))
    x = torch.randn(3, 8)
    found[kind.__name__] = any(bool(model(x).isnan().all()) for _ in range(100))
    print(f"{kind.__name__}: nan in some of 100 forward passes: {found[kind.__name__]}")
assert found == {"LoHaConfig": True, "LoKrConfig": False}
PYTHON
