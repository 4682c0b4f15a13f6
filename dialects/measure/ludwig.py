# /// script
# requires-python = ">=3.12"
# dependencies = ["torch==2.13.0", "numpy"]
#
# [tool.measure]
# without-dependencies = ["ludwig==0.17.10"]
# ///
"""Measures the penalty of Ludwig, by its function alone: the whole package needs much more."""

import ast
import importlib.util
from pathlib import Path

import probes
import torch
from torch import nn

root = Path(importlib.util.find_spec("ludwig").origin).parent
tree = ast.parse((root / "utils/torch_utils.py").read_text(encoding="utf-8"))
wanted = next(each for each in tree.body if getattr(each, "name", "") == "reg_loss")
wanted.decorator_list = []
scope = {"torch": torch, "nn": nn}
exec(compile(ast.Module([wanted], []), "reg_loss", "exec"), scope)
reg_loss = scope["reg_loss"]


def model(values, frozen=False):
    made = nn.Linear(len(values), 1)
    made.weight = nn.Parameter(torch.tensor([values]), requires_grad=not frozen)
    nn.init.zeros_(made.bias)
    return made


def value(kind):
    return lambda weights: float(reg_loss(model(weights), kind, l1=0.1, l2=0.1))


biased = model([0.0])
nn.init.ones_(biased.bias)
norm = nn.LayerNorm(1)
table = nn.Embedding(1, 1)
probes.report(
    "ludwig",
    l2={
        **probes.penalty(value("l2"), 0.1),
        "biases": float(reg_loss(biased, "l2")) > 0,
        "norms": float(reg_loss(norm, "l2")) > 0,
        "embeddings": float(reg_loss(table, "l2")) > 0,
        "frozen_weights": float(reg_loss(model([1.0], frozen=True), "l2")) > 0,
        "unknown_type": "none" if reg_loss(biased, "L2") is None else "other",
    },
    l1={**probes.penalty(value("l1"), 0.1), "biases": float(reg_loss(biased, "l1")) > 0},
)
