#!/usr/bin/env bash
# torch 2.13.0, nn.MultiheadAttention with add_bias_kv=True or add_zero_attn=True.
#
# Behaviour: with attn_mask and the hint is_causal=True, the output depends on need_weights. Without
# weights the hint replaces the mask, and it is then a triangle over all keys, with those that were
# added at the end. So the first queries do not attend to the added keys. With weights, or without the
# hint, they do.
#
# Output seen:
#   largest difference from the mask, with weights: 0.0
#   largest difference from the mask, without weights: 0.2495
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
module = nn.MultiheadAttention(8, 2, batch_first=True, add_bias_kv=True)
x = torch.randn(2, 4, 8)
mask = torch.ones(4, 4, dtype=torch.bool).triu(1)


def outputs(**options):
    return module(x, x, x, attn_mask=mask, **options)[0]


wanted = outputs(need_weights=True)
hinted = (outputs(need_weights=True, is_causal=True) - wanted).abs().max()
bare = (outputs(need_weights=False, is_causal=True) - wanted).abs().max()
assert (outputs(need_weights=False) - wanted).abs().max() < 1e-6
print(f"largest difference from the mask, with weights: {float(hinted)}")
print(f"largest difference from the mask, without weights: {float(bare):.4f}")
assert hinted == 0 and bare > 0.1
PYTHON
