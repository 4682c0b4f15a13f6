#!/usr/bin/env bash
# torch 2.13.0, nn.utils.spectral_norm and nn.utils.prune on the out_proj of nn.MultiheadAttention.
#
# Behaviour: both compute the layer's weight in a hook before its forward. The attention takes
# out_proj.weight and never calls out_proj, so that the hook never runs, without a warning. With
# spectral_norm the weight is not normalized, and not trained either: its gradient is None. A pruned
# layer goes on predicting with the weight of the moment of pruning after load_state_dict. The
# versions that are parametrizations, such as nn.utils.parametrizations.spectral_norm, do act.
#
# Output seen:
#   spectral_norm: largest singular value above 10: True, gradient None: True
#   parametrization: largest singular value above 10: False, gradient None: False
#   loaded into a pruned model, equal predictions: False, equal states: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
import torch
from torch import nn
from torch.nn.utils import prune

assert torch.__version__.partition("+")[0] == "2.13.0"
x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))


def normalized(name, wrap, original):
    torch.manual_seed(0)
    module = nn.MultiheadAttention(4, 1, batch_first=True)
    nn.init.constant_(module.out_proj.weight, 10.0)
    wrap(module.out_proj)
    module(x, x, x)[0].square().sum().backward()
    large = bool(torch.linalg.matrix_norm(module.out_proj.weight, 2) > 10)
    missing = original(module.out_proj).grad is None
    print(f"{name}: largest singular value above 10: {large}, gradient None: {missing}")
    return large, missing


def pruned(seed):
    torch.manual_seed(seed)
    module = nn.TransformerEncoderLayer(4, 1, 8, batch_first=True).eval()
    return prune.random_unstructured(module.self_attn.out_proj, "weight", amount=0.5) and module


hooked = normalized("spectral_norm", nn.utils.spectral_norm, lambda layer: layer.weight_orig)
parametrized = normalized(
    "parametrization",
    nn.utils.parametrizations.spectral_norm,
    lambda layer: layer.parametrizations.weight.original,
)
assert hooked == (True, True) and parametrized == (False, False)

source, target = pruned(0), pruned(1)
target.load_state_dict(source.state_dict())
with torch.no_grad():
    equal = torch.allclose(source(x), target(x))
states = (source.state_dict(), target.state_dict())
same = all(torch.equal(value, states[1][name]) for name, value in states[0].items())
print(f"loaded into a pruned model, equal predictions: {equal}, equal states: {same}")
assert not equal and same
PYTHON
