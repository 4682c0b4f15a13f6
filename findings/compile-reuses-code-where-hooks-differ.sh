#!/usr/bin/env bash
# torch 2.13.0, torch.compile, any backend.
#
# Behaviour: code that was compiled for one module is used for a second module of the same
# structure, even if the second one has a forward hook and the first has none. The hook is then
# left out, without a warning. Regularization by hooks (dropout, weight noise, activation penalties)
# is off in such a model. torch._dynamo.config.skip_nnmodule_hook_guards is True by default; with
# False the hook acts.
#
# Output seen:
#   sum after the hook, eager: 0.0
#   sum after the hook, compiled: 7.3378
#   sum after the hook, compiled with guards on hooks: 0.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/environment/bin/python" - <<'PYTHON'
import torch
from torch import nn

assert torch.__version__.partition("+")[0] == "2.13.0"
torch.manual_seed(0)
first, second = (nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(2))
second.load_state_dict(first.state_dict())
second[1].register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
x = torch.randn(8, 4)


def compiled_sum():
    torch.compile(first, backend="eager")(x)  # the module without a hook goes first
    return float(torch.compile(second, backend="eager")(x).sum())


eager, compiled = float(second(x).sum()), compiled_sum()
torch._dynamo.reset()
torch._dynamo.config.skip_nnmodule_hook_guards = False
guarded = compiled_sum()
print(f"sum after the hook, eager: {eager}")
print(f"sum after the hook, compiled: {compiled:.4f}")
print(f"sum after the hook, compiled with guards on hooks: {guarded}")
assert eager == guarded == 0 and compiled > 1
PYTHON
