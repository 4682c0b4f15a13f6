#!/usr/bin/env bash
# monai 1.6.1 on torch 2.13.0, networks.blocks with use_flash_attention=True.
#
# Behaviour: SABlock, CrossAttentionBlock and TransformerBlock drop attention weights in evaluation mode
# too: their rate is handed on to torch's function in both modes. Two predictions of one input differ.
# Without use_flash_attention, which should change speed and memory only, they are equal.
#
# Output seen:
#   SABlock: equal predictions True, with flash attention False
#   CrossAttentionBlock: equal predictions True, with flash attention False
#   TransformerBlock: equal predictions True, with flash attention False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet monai==1.6.1 einops==0.8.2 torch==2.13.0 numpy==2.4.6
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
import monai
import torch
from monai.networks.blocks import CrossAttentionBlock, SABlock, TransformerBlock

assert monai.__version__ == "1.6.1" and torch.__version__.partition("+")[0] == "2.13.0"
torch.manual_seed(0)
x = torch.randn(2, 5, 8)
for kind, sizes in ((SABlock, (8, 2)), (CrossAttentionBlock, (8, 2)), (TransformerBlock, (8, 8, 2))):
    equal = []
    for flash in (False, True):
        block = kind(*sizes, dropout_rate=0.5, use_flash_attention=flash).eval()
        with torch.no_grad():
            equal.append(torch.equal(block(x), block(x)))
    print(f"{kind.__name__}: equal predictions {equal[0]}, with flash attention {equal[1]}")
    assert equal == [True, False]
PYTHON
