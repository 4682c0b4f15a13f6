#!/usr/bin/env bash
# torch 2.13.0, torch.ao.quantization.quantize_dynamic.
#
# Behaviour: the modules that replace the linear layers of a model in evaluation mode are in training
# mode, while the hooks of the originals move to them. A hook that asks module.training, as
# regularization by hooks does, then acts at prediction.
#
# Output seen:
#   training mode of the layers: [False, False], quantized: [True, True]
#   equal predictions in two passes: True, quantized: False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/environment/bin/python" - <<'PYTHON'
import warnings

import torch
from torch import nn

assert torch.__version__.partition("+")[0] == "2.13.0"
warnings.simplefilter("ignore")
torch.manual_seed(0)


def drop(module, inputs, output):
    return nn.functional.dropout(output, 0.5, module.training)


model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)).eval()
model[1].register_forward_hook(drop)
quantized = torch.ao.quantization.quantize_dynamic(model, {nn.Linear})
x = torch.randn(8, 4)
modes = [[layer.training for layer in each] for each in (model, quantized)]
equal = [torch.equal(each(x), each(x)) for each in (model, quantized)]
print(f"training mode of the layers: {modes[0]}, quantized: {modes[1]}")
print(f"equal predictions in two passes: {equal[0]}, quantized: {equal[1]}")
assert modes == [[False, False], [True, True]] and equal == [True, False]
PYTHON
