# /// script
# requires-python = ">=3.10"
# dependencies = ["timm==1.0.31", "torch==2.13.0", "numpy"]
# ///
"""Measures the record of timm."""

import importlib

import torch

try:
    importlib.import_module("torchvision")
except (RuntimeError, ImportError):  # its wheel needs the CUDA build of torch; timm needs the names
    stub = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        stub.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import probes
import timm
import torch_probes
from timm.layers import DropBlock2d, DropPath
from timm.optim import create_optimizer_v2
from torch import nn


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleDict(torch_probes.parts())
        self.token = nn.Parameter(torch.ones(1, 1, 2))


def groups(model, *, listed=False):
    """Say which kinds are decayed, by the groups of the optimizer."""
    given = list(model.parameters()) if listed else model
    optimizer = create_optimizer_v2(given, weight_decay=0.1, lr=0.1)
    decayed = {id(p) for g in optimizer.param_groups for p in g["params"] if g["weight_decay"]}
    named = {**torch_probes.of_each(dict(model.parts.items())), "token": model.token}
    return {name: id(parameter) in decayed for name, parameter in named.items()}


def step_of(name):
    def step(weights, gradients, lr, decay, steps):
        make = lambda p: create_optimizer_v2(p, opt=name, lr=lr, weight_decay=decay)
        return torch_probes.run(make, weights, gradients, steps)

    return step


def path(rate):
    return DropPath(rate)


def block():
    torch.manual_seed(0)
    layer = DropBlock2d(drop_prob=0.3, block_size=7, gamma_scale=1.0)
    x = layer(torch.ones(64, 8, 14, 14))
    return float((x == 0).float().mean()), float(x.mean())


def heads():
    model = timm.create_model("vit_tiny_patch16_224", drop_rate=0.3, num_classes=2, depth=1)
    rates = [m.p for name, m in model.named_modules() if isinstance(m, nn.Dropout) and m.p]
    return len(rates)


found, listed = groups(Mixed()), groups(Mixed(), listed=True)
kept = DropPath(0.5)(torch.ones(200, 3))
zeros, mean = block()
sgd = probes.decay(step_of("sgd"))
matrix = torch_probes.run(
    lambda p: create_optimizer_v2(p, opt="adamp", lr=0.1, weight_decay=0.1),
    [[1.0, 4.0]],
    [[0.0, 0.0]],
)
probes.report(
    "timm",
    adamw={
        **probes.decay(step_of("adamw"), True),
        **{name: found[name] for name in ("biases", "norms", "embeddings")},
        "default": probes.default(create_optimizer_v2, "weight_decay"),
        "token_is_decayed": found["token"],
        "list_decays_biases": listed["biases"],
    },
    adam=probes.decay(step_of("adam"), True),
    sgd={key: value for key, value in sgd.items() if key not in ("factor", "step")}  # Nesterov
    | {
        "nesterov": create_optimizer_v2(
            [nn.Parameter(torch.ones(1))], opt="sgd", lr=0.1
        ).param_groups[0]["nesterov"]
    },
    adamp={
        "factor_of_a_vector": probes.decay(step_of("adamp"), True).get("factor"),
        "factor_of_a_matrix": round((1 - matrix[0][0]) / 0.01, 3),
    },
    DropPath={
        **torch_probes.dropout(path, lambda x: x.reshape(-1, 1)),
        "mask_axes": "rows" if bool((kept == kept[:, :1]).all()) else "all",
        "scale_by_keep": probes.default(DropPath.__init__, "scale_by_keep"),
    },
    DropBlock2d={
        "share_of_zeros": round(zeros, 1),
        "mean": round(mean, 1),
    },
    general={"layers_with_drop_rate_in_vit": heads()},
)
