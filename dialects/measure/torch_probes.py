"""What the scripts of packages on PyTorch share: steps of an optimizer on given gradients."""

from __future__ import annotations

from typing import Any, Callable  # noqa: UP035  Python 3.8 too

import probes
import torch
from torch import nn


def run(make: Callable[..., Any], weights: Any, gradients: Any, steps: int = 1) -> Any:
    """Return the weights after steps of the optimizer that ``make`` gives for a parameter."""
    weight = torch.tensor(weights, requires_grad=True)
    optimizer = make([weight])
    for _ in range(steps):
        weight.grad = torch.tensor(gradients)
        optimizer.step()
    return weight.tolist()


def stepper(function: Callable[..., Any], argument: str = "weight_decay", **options: Any) -> Any:
    """Return a step for ``probes.decay`` with an optimizer's class."""

    def step(weights: Any, gradients: Any, lr: float, decay: float, steps: int) -> Any:
        make = lambda p: function(p, lr=lr, **{argument: decay}, **options)
        return run(make, weights, gradients, steps)

    return step


def parts() -> dict[str, nn.Module]:
    """Return a layer of each kind, with ones for weights."""
    made = {
        "weights": nn.Linear(2, 2),
        "biases": nn.Linear(2, 2),
        "norms": nn.LayerNorm(2),
        "embeddings": nn.Embedding(2, 2),
    }
    for layer in made.values():
        for parameter in layer.parameters():
            nn.init.ones_(parameter)
    return made


def of_each(layers: dict[str, nn.Module]) -> dict[str, torch.Tensor]:
    """Return the parameter of each kind."""
    return {
        name: layer.bias if name == "biases" else layer.weight for name, layer in layers.items()
    }


def hit(make: Callable[..., Any]) -> dict[str, bool]:
    """Say which kinds of parameters shrink, whose gradients are zero."""
    named = of_each(parts())
    for parameter in named.values():
        parameter.grad = torch.zeros_like(parameter)
    make(list(named.values())).step()
    moved = {name: bool((parameter != 1).any()) for name, parameter in named.items()}
    moved.pop("weights")
    return moved


def decay(function: Callable[..., Any], adaptive: bool = True, **options: Any) -> dict[str, Any]:
    """Return what the weight_decay of an optimizer's class does, and to which parameters."""
    step = stepper(function, **options)
    return {
        **probes.decay(step, adaptive),
        **hit(lambda p: function(p, lr=0.1, weight_decay=0.1, **options)),
        "default": probes.default(function, "weight_decay"),
    }


def dropout(make: Callable[..., Any], lift: Callable[..., Any] | None = None) -> dict[str, Any]:
    """Return what a module of dropout does, and whether it drops when fresh."""
    shaped = lift or (lambda x: x)

    def train(values: list[float], rate: float) -> Any:
        return make(rate)(shaped(torch.tensor(values))).flatten().tolist()

    def predict(values: list[float], rate: float) -> Any:
        return make(rate).eval()(shaped(torch.tensor(values))).flatten().tolist()

    active = 0.0 in train([1.0] * 500, 0.5)
    return {**probes.dropout(train, predict), "fresh": "active" if active else "inactive"}
