#!/usr/bin/env bash
# torch 2.13.0, Module.compile().
#
# Behaviour: compile() on a module whose forward is torch's own, such as nn.Sequential or
# nn.TransformerEncoderLayer, compiles nothing and says nothing; the module runs eagerly. On a class
# of one's own it compiles. torch.compile(module) compiles both.
#
# Output seen:
#   compiled frames, compile() of nn.Sequential: 0
#   compiled frames, compile() of nn.TransformerEncoderLayer: 0
#   compiled frames, compile() of a class of one's own: 1
#   compiled frames, torch.compile of nn.Sequential: 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/environment/bin/python" - <<'PYTHON'
import torch
import torch._dynamo
from torch import nn
from torch._dynamo.testing import CompileCounter

assert torch.__version__.partition("+")[0] == "2.13.0"


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def forward(self, x):
        return self.inner(x)


def frames(model, *, in_place):
    torch._dynamo.reset()
    counter = CompileCounter()
    if in_place:
        model.compile(backend=counter)
    else:
        model = torch.compile(model, backend=counter)
    model(torch.randn(2, 3, 4))
    return counter.frame_count


def plain():
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU())


layer = nn.TransformerEncoderLayer(4, 2, batch_first=True)
found = {
    "compile() of nn.Sequential": frames(plain(), in_place=True),
    "compile() of nn.TransformerEncoderLayer": frames(layer, in_place=True),
    "compile() of a class of one's own": frames(Own(), in_place=True),
    "torch.compile of nn.Sequential": frames(plain(), in_place=False),
}
for name, count in found.items():
    print(f"compiled frames, {name}: {count}")
assert list(found.values()) == [0, 0, 1, 1]
PYTHON
