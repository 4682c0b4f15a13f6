"""What an attached elastic net costs an AdamW step of a network of 10 M weights.

Run ``python benchmarks/attach.py``. The variants run in turn, round after round; the figures are
medians. The optimizer's step is also timed alone, on gradients that are already computed. A penalty
in the loss has no cost there: it is paid in the forward and backward pass.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from itertools import cycle, pairwise

import torch
from machine import machine
from timing import interleaved
from torch import nn

from bridle import ElasticNet, attach

SIZES = (784, 2304, 2304, 1280, 10)
BATCHES = (128, 512)
L1_STRENGTH, L2_STRENGTH = 1e-6, 1e-5
TARGET = 3.0  # per cent
WAYS = ("plain", "attached, proximal", "attached, coupled", "in the loss, by autograd")

Step = Callable[[], object]


class Training:
    """A network, its AdamW, and the elastic net applied in one of the ways."""

    def __init__(self, way: str, *, fused: bool, batch: int) -> None:
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(SIZES[:-1]):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        self.model = nn.Sequential(*layers, nn.Linear(*SIZES[-2:]))
        self.weights = [p for p in self.model.parameters() if p.ndim == 2]
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=1e-4, weight_decay=0.0, fused=fused or None
        )
        # batches in turn: one alone is soon learnt, and its gradients subnormal, hence slow
        self.batches = cycle(
            [(torch.randn(batch, SIZES[0]), torch.randint(SIZES[-1], (batch,))) for _ in range(16)]
        )
        self.in_loss = way == WAYS[3]
        if way in WAYS[1:3]:
            elastic = ElasticNet(L1_STRENGTH, L2_STRENGTH)
            mode = way.rpartition(" ")[2]
            attach(self.optimizer, {"*": elastic}, model=self.model, mode=mode)

    def backward(self) -> None:
        """Compute the gradients of the next batch."""
        X, y = next(self.batches)
        self.optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(self.model(X), y)
        if self.in_loss:
            for weight in self.weights:
                loss = loss + L1_STRENGTH * weight.abs().sum()
                loss = loss + L2_STRENGTH * weight.square().sum()
        loss.backward()

    def step(self) -> None:
        """Take a whole training step."""
        self.backward()
        self.optimizer.step()


def whole_steps(*, fused: bool, batch: int) -> dict[str, Step]:
    """Return a whole training step for each way."""
    return {way: Training(way, fused=fused, batch=batch).step for way in WAYS}


def optimizer_steps(*, fused: bool) -> dict[str, Step]:
    """Return the optimizer's step alone for each way, on fixed gradients."""
    steps: dict[str, Step] = {}
    for way in WAYS[:3]:
        training = Training(way, fused=fused, batch=BATCHES[0])
        training.backward()
        steps[way] = training.optimizer.step
    weights = [weight.detach() for weight in training.weights]
    # what any pass over the weights costs that reads and writes each once
    steps["one pass of mul_"] = lambda: [weight.mul_(1.0) for weight in weights]
    return steps


def table(title: str, times: Mapping[str, float]) -> None:
    """Print the medians, and what each way adds to plain."""
    plain = times[WAYS[0]]
    print(f"### {title}\n")
    print("| elastic net | ms | added ms | added % |")
    print("|---|---:|---:|---:|")
    for way, found in times.items():
        if way == "one pass of mul_":
            print(f"| ({way}) | {found:.2f} | | |")
            continue
        added = found - plain
        shown = "| — | — |" if way == WAYS[0] else f"| {added:.2f} | {100 * added / plain:.1f} |"
        print(f"| {way} | {found:.2f} {shown}")
    if "one pass of mul_" in times:
        print(flush=True)
        return
    share = 100 * (times[WAYS[1]] / plain - 1)
    verdict = "met" if share <= TARGET else "MISSED"
    print(f"\n- proximal adds {share:.1f} %, target ≤ {TARGET:g} %: {verdict}\n", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    count = sum(fan_in * fan_out for fan_in, fan_out in pairwise(SIZES))
    print(f"{'-'.join(map(str, SIZES))}, {count / 1e6:.1f} M weights, AdamW")
    print(f"{machine()}; medians of {rounds} rounds\n")
    for fused in (False, True):
        kind = "fused" if fused else "default"
        for batch in BATCHES:
            times = interleaved(whole_steps(fused=fused, batch=batch), rounds=rounds)
            table(f"A whole training step, batch {batch}, {kind} AdamW", times)
        times = interleaved(optimizer_steps(fused=fused), rounds=rounds)
        table(f"optimizer.step() alone, {kind} AdamW", times)


if __name__ == "__main__":
    main()
