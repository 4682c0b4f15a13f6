#!/usr/bin/env bash
# torch 2.13.0, nn.TransformerEncoderLayer, under torch.no_grad().
#
# Behaviour: the usual recipe of Monte Carlo dropout (model.eval(), then train() for every
# nn.Dropout) gives predictions that do not differ at all. The layer itself is in evaluation mode, so
# that under no_grad its fused path runs, which never calls its dropout modules. The same model with
# gradients enabled takes the plain path, and its predictions differ.
#
# Output seen:
#   largest standard deviation of 10 predictions, no_grad: 0.0
#   largest standard deviation of 10 predictions, with gradients: 1.1358
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
import torch
from torch import nn

assert torch.__version__.partition("+")[0] == "2.13.0"
torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True)
encoder = nn.TransformerEncoder(layer, 1).eval()
for module in encoder.modules():
    if isinstance(module, nn.Dropout):
        module.train()
x = torch.randn(2, 3, 8)


def spread():
    return float(torch.stack([encoder(x) for _ in range(10)]).std(0).max())


with torch.no_grad():
    fused = spread()
plain = spread()
print(f"largest standard deviation of 10 predictions, no_grad: {fused}")
print(f"largest standard deviation of 10 predictions, with gradients: {plain:.4f}")
assert fused == 0 and plain > 0.1
PYTHON
