"""Time of one training step of 784-800-800-10, batch 128: bridle beside torch's own modules.

Run ``python benchmarks/train_step.py``, or ``--targets`` for the ratios that have a target: a
compiled step, an eager step and a layer, with and without regularization. The variants run in turn,
round after round, so a change in machine speed affects all of them; the figure is the median over
the rounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import cycle, pairwise
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from machine import machine
from timing import interleaved
from torch import nn

from bridle import L1, L2, DropConnect, Dropout, Network, address_of, regularize, train_step
from bridle.ops import dropout as dropout_op
from bridle.penalties import Penalty

SIZES = (784, 800, 800, 10)
BATCH = 128
L1_STRENGTH, L2_STRENGTH, KEEP = 1e-5, 1e-4, 0.5

Step = Callable[[], object]


def _batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Return batches in turn: one alone is soon learnt, and its gradients subnormal, hence slow."""
    return cycle(
        [(torch.randn(BATCH, SIZES[0]), torch.randint(SIZES[-1], (BATCH,))) for _ in range(32)]
    )


def bridle_step(*, dropout: bool, penalties: bool, drop_connect: bool = False) -> Step:
    """Return a step of bridle's network."""
    network = Network(
        SIZES,
        hidden_noise=Dropout(keep_prob=KEEP) if dropout else None,
        weight_noise=DropConnect(keep_prob=KEEP) if drop_connect else None,
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    batches = _batches()
    chosen: list[Penalty] = [L1(L1_STRENGTH), L2(L2_STRENGTH)] if penalties else []
    return lambda: train_step(network, next(batches), optimizer=optimizer, penalties=chosen)


def _torch_model(*, dropout: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(SIZES[:-1]):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        layers += [nn.Dropout(1 - KEEP)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(*SIZES[-2:]))


def module_step(*, noise: str, penalties: bool = False, compiled: bool) -> Step:
    """Return a step of a torch module with bridle's dropout, torch's own, or none."""
    model = _torch_model(dropout=noise == "torch")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    rules: dict[Any, Any] = {nn.ReLU: Dropout(keep_prob=KEEP)} if noise == "bridle" else {}
    if penalties:
        rules |= {"*": [L1(L1_STRENGTH), L2(L2_STRENGTH)]}
    if rules:
        regularize(model, rules, optimizer=optimizer)
    forward = torch.compile(model) if compiled else model
    batches, loss_of = _batches(), nn.CrossEntropyLoss()

    def step() -> None:
        X, y = next(batches)
        optimizer.zero_grad(set_to_none=True)
        loss_of(forward(X), y).backward()
        optimizer.step()

    return step


def torch_step(*, dropout: bool, penalties: bool) -> Step:
    """Return the same step written with torch's modules, the penalties added to the loss."""
    model = _torch_model(dropout=dropout)
    weights = [module.weight for module in model if isinstance(module, nn.Linear)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    batches = _batches()
    loss_of = nn.CrossEntropyLoss()

    def step() -> None:
        X, y = next(batches)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(X), y)
        if penalties:
            for weight in weights:
                loss = loss + L1_STRENGTH * weight.abs().sum()
                loss = loss + 0.5 * L2_STRENGTH * weight.square().sum()
        loss.backward()
        optimizer.step()

    return step


def variants() -> dict[str, tuple[Step, Step | None]]:
    """Return the pairs to compare: bridle's step, and torch's where it has one."""
    return {
        "none": (
            bridle_step(dropout=False, penalties=False),
            torch_step(dropout=False, penalties=False),
        ),
        "dropout": (
            bridle_step(dropout=True, penalties=False),
            torch_step(dropout=True, penalties=False),
        ),
        "L1 + L2": (
            bridle_step(dropout=False, penalties=True),
            torch_step(dropout=False, penalties=True),
        ),
        "dropout + L1 + L2": (
            bridle_step(dropout=True, penalties=True),
            torch_step(dropout=True, penalties=True),
        ),
        "DropConnect": (bridle_step(dropout=False, penalties=False, drop_connect=True), None),
        "all": (bridle_step(dropout=True, penalties=True, drop_connect=True), None),
    }


def medians(rounds: int) -> dict[str, tuple[float, float | None]]:
    """Return the median milliseconds of each variant, all interleaved."""
    pairs = variants()
    steps = {
        (name, side): step
        for name, pair in pairs.items()
        for side, step in enumerate(pair)
        if step is not None
    }
    middle = interleaved(steps, rounds=rounds)
    return {name: (middle[name, 0], middle.get((name, 1))) for name in pairs}


def _layer_step(*, dropout: bool) -> Step:
    """Return the forward pass of a layer of 256 × 1024 × 1024 with bias and ReLU."""
    x, weight, bias = torch.randn(256, 1024), torch.randn(1024, 1024), torch.randn(1024)
    address = address_of(seed=0)

    def step() -> None:
        with torch.no_grad():
            if dropout:
                dropout_op(x @ weight.T, address, KEEP, relu=True, bias=bias)
            else:
                F.linear(x, weight, bias).relu()

    return step


def targets(rounds: int) -> None:
    """Print the times that have a target, and whether it is met."""
    steps = {
        "compiled module: no dropout": module_step(noise="none", compiled=True),
        "compiled module: bridle's dropout": module_step(noise="bridle", compiled=True),
        "compiled module: torch's dropout": module_step(noise="torch", compiled=True),
        "bridle.Network: no regularization": bridle_step(dropout=False, penalties=False),
        "bridle.Network: dropout, L1, L2": bridle_step(dropout=True, penalties=True),
        "eager module: no regularization": module_step(noise="none", compiled=False),
        "eager module: dropout, L1, L2": module_step(
            noise="bridle", penalties=True, compiled=False
        ),
        "layer: bias, ReLU": _layer_step(dropout=False),
        "layer: bias, ReLU, dropout": _layer_step(dropout=True),
    }
    middle = interleaved(steps, rounds=rounds, warm_up=10)
    print("| | ms |\n|---|---:|")
    for name, value in middle.items():
        print(f"| {name} | {value:.3f} |")
    times = list(middle.values())
    ratios = (
        ("compiled step with bridle's dropout, to without", times[1] / times[0], 1.05),
        ("compiled step with bridle's dropout, to torch's", times[1] / times[2], 0.8),
        ("step of a Network with dropout, L1, L2, to without", times[4] / times[3], 1.05),
        ("step of a module with dropout, L1, L2, to without", times[6] / times[5], 1.05),
        ("layer with dropout, to without", times[8] / times[7], 1.02),
    )
    print()
    for name, ratio, bound in ratios:
        met = "met" if ratio <= bound else "missed"
        print(f"- {name}: {ratio:.3f}, target ≤ {bound:g}: **{met}**")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--targets", action="store_true", help="the times that have a target")
    given = parser.parse_args()
    rounds = given.rounds
    torch.manual_seed(0)
    if given.targets:
        print(f"{machine()}; median of {rounds} rounds\n")
        targets(rounds)
        return
    table = medians(rounds)
    base_bridle, base_torch = table["none"]
    print(f"{'-'.join(map(str, SIZES))}, batch {BATCH}, SGD with momentum; ms per step")
    print(f"{machine()}; median of {rounds} rounds\n")
    print("| regularizers | bridle | × none | torch | × none |")
    print("|---|---:|---:|---:|---:|")
    for name, (ours, theirs) in table.items():
        shown = f"| {name} | {ours:.2f} | {ours / base_bridle:.2f} |"
        if theirs is None or base_torch is None:
            print(f"{shown} — | — |")
        else:
            print(f"{shown} {theirs:.2f} | {theirs / base_torch:.2f} |")


if __name__ == "__main__":
    main()
