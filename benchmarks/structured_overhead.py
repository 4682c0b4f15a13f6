"""What attached structured penalties cost a training step of 10 M weights, beside torchao pat.

Run ``python benchmarks/structured_overhead.py``. The variants run in turn, round after round; the
figures are medians of CPU time. What is timed is a step with AdamW: forward, backward, and the
optimizer's step with the penalty. ``pip install torchao`` first; without it, its row is left out.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from itertools import cycle, pairwise
from time import process_time
from typing import Any

import torch
from machine import machine
from timing import interleaved
from torch import nn

import bridle

SIZES = (784, 2304, 2304, 1280, 10)
BATCHES = (128, 512)
STRENGTH = 1e-5
TARGET = 5.0  # per cent of a step
HIDDEN = ("0.weight", "2.weight", "4.weight")
PAT = "pat, group lasso of the units"
PAT_GROUP = {"group_type": "Dim0Grouper", "prox_type": "ProxGroupLasso"}
WAYS: dict[str, dict[Any, Any]] = {
    "plain": {},
    "GroupLasso of the units": {HIDDEN: bridle.GroupLasso(STRENGTH)},
    "MCP of the units": {HIDDEN: bridle.Grouped(bridle.MCP(STRENGTH), "units")},
    "SparseGroupLasso of the units": {HIDDEN: bridle.SparseGroupLasso(STRENGTH, STRENGTH)},
    "Sparsity of the units, on the ramp": {
        HIDDEN: bridle.Sparsity(0.5, ramp=10**6, groups="units")
    },
    "GroupLasso of joint units": {
        bridle.Joint({f"{at}.weight": "units", f"{at}.bias": "units"}): bridle.GroupLasso(STRENGTH)
        for at in (0, 2, 4)
    },
}

Step = Callable[[], object]


def training(way: str, batch: int) -> Step:
    """Return a training step of a network with the penalties of a way."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(SIZES[:-1]):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(*SIZES[-2:]))
    optimizer: Any = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0, fused=True)
    if way == PAT:
        optimizer = _by_pat(model)
    elif WAYS[way]:
        bridle.attach(optimizer, WAYS[way], model=model)
    # batches in turn: one alone is soon learnt, and its gradients subnormal, hence slow
    batches = cycle(
        [(torch.randn(batch, SIZES[0]), torch.randint(SIZES[-1], (batch,))) for _ in range(16)]
    )

    def step() -> None:
        X, y = next(batches)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X), y).backward()
        optimizer.step()

    return step


def _by_pat(model: nn.Module) -> Any:
    pat = importlib.import_module("torchao.prototype.pat.optim")
    hidden = [dict(model.named_parameters())[name] for name in HIDDEN]
    chosen = set(map(id, hidden))
    rest = [p for p in model.parameters() if id(p) not in chosen]
    groups: list[dict[str, Any]] = [{"params": hidden, **PAT_GROUP}, {"params": rest}]
    base = torch.optim.AdamW(groups, lr=1e-4, weight_decay=0.0, fused=True)
    return pat.PruneOptimizer(base, healing_start_step=10**9, reg_lambda=STRENGTH)


def main() -> None:
    """Print a table for each batch size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    ways = list(WAYS)
    if importlib.util.find_spec("torchao"):
        ways.append(PAT)
        print(f"torchao {importlib.metadata.version('torchao')}")
    count = sum(fan_in * fan_out for fan_in, fan_out in pairwise(SIZES))
    print(f"{'-'.join(map(str, SIZES))}, {count / 1e6:.1f} M weights, fused AdamW")
    print(f"{machine()}; medians of CPU time, {rounds} rounds\n")
    for batch in BATCHES:
        steps = {way: training(way, batch) for way in ways}
        times = interleaved(steps, rounds=rounds, clock=process_time)
        plain = times["plain"]
        print(f"### Batch {batch}\n\n| penalty | ms | added ms | added % |\n|---|---:|---:|---:|")
        for way, found in times.items():
            added = found - plain
            shown = (
                "| — | — |" if way == "plain" else f"| {added:.1f} | {100 * added / plain:.1f} |"
            )
            print(f"| {way} | {found:.1f} {shown}")
        share = 100 * (times["GroupLasso of the units"] / plain - 1)
        verdict = "met" if share <= TARGET else "MISSED"
        print(f"\n- the group lasso adds {share:.1f} %, target ≤ {TARGET:g} %: {verdict}")
        if PAT in times:
            ratio = (times["GroupLasso of the units"] - plain) / (times[PAT] - plain)
            verdict = "met" if ratio <= 0.5 else "MISSED"
            print(f"- that is {ratio:.2f} times what pat adds, target ≤ 0.5: {verdict}")
        print(flush=True)


if __name__ == "__main__":
    main()
