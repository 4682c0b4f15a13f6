"""Models with known zeros, and ``check``, which compacts one and tests every promise."""

import copy
import json
import random
from itertools import pairwise

import torch
from torch import nn

from bridle.sparsity.compaction import compact

IMAGE = (3, 8, 8)


def randomized(model, seed=0, dtype=torch.float64):
    """Give every parameter and statistic a value that no zero hides behind."""
    generator = torch.Generator().manual_seed(seed)
    model = model.to(dtype)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                draw = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
                tensor.copy_(draw.abs() + 0.5 if "running_var" in name else draw * 0.5)
    return model.eval()


@torch.no_grad()
def kill(layer, *, outgoing_of=(), incoming_of=()):
    """Zero the columns (what reads an input) and the rows (what a unit reads) of a layer."""
    layer.weight[:, list(outgoing_of)] = 0
    layer.weight[list(incoming_of)] = 0


def example_for(model, *shape, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(9), dtype=dtype)


@torch.no_grad()
def check(model, example, tolerance=1e-12):
    """Compact, and hold all that is promised whatever the model."""
    state = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    drawn = torch.get_rng_state(), random.getstate()
    compacted = compact(model, example)
    assert torch.equal(drawn[0], torch.get_rng_state())
    assert drawn[1] == random.getstate()
    assert modes == [module.training for module in model.modules()]
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    small = compacted.model
    assert small is not model
    assert small.training == model.training
    counts = [sum(p.numel() for p in m.parameters()) for m in (model, small)]
    assert counts == [compacted.parameters_before, compacted.parameters_after]
    assert not {p.data_ptr() for p in model.parameters()} & {
        p.data_ptr() for p in small.parameters()
    }
    batch = example if isinstance(example, tuple) else (example,)
    for scale in (1.0, -3.0):
        scaled = [part * scale if part.is_floating_point() else part for part in batch]
        wide = copy.deepcopy(model).eval()(*scaled)
        narrow = copy.deepcopy(small).eval()(*scaled)
        if hasattr(wide, "logits"):  # transformers' output has a cache, too, of the heads
            wide, narrow = wide.logits, narrow.logits
        torch.testing.assert_close(narrow, wide, rtol=tolerance, atol=tolerance)
    json.dumps(compacted.to_dict())
    assert all("\n" not in line for line in compacted.kept)
    assert str(compacted).startswith("layer")
    return compacted


def units(compacted):
    return {layer.name: layer.units_after for layer in compacted.layers}


def inputs(compacted):
    return {layer.name: layer.inputs_after for layer in compacted.layers}


def mlp(*sizes, activation=nn.ReLU):
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    return randomized(nn.Sequential(*layers[:-1]))


def cnn(pool=None, **conv):
    return randomized(
        nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            pool or nn.MaxPool2d(2),
            nn.Conv2d(8, 6, 3, **conv),
            nn.BatchNorm2d(6),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(24 if conv.get("padding", "valid") == "valid" else 96, 5),
        )
    )


class Custom(nn.Module):
    """Modules by name, and a forward pass that the test gives."""

    def __init__(self, run, **modules):
        super().__init__()
        self.run = run
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x):
        return self.run(self, x)


def two(**more):
    return {"a": nn.Linear(4, 4), "b": nn.Linear(4, 3), **more}


@torch.no_grad()
def silence(layers, places):
    """Zero what layers write to some units: their rows and biases."""
    for layer in layers:
        layer.weight[list(places)] = 0
        if layer.bias is not None:
            layer.bias[list(places)] = 0
