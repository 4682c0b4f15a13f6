"""The kernels beside torch eager, torch.compile and a copy of the same bytes.

Run ``python benchmarks/kernels.py``; ``--only dropout layer step compact dropconnect memory`` takes
parts, ``--no-compile`` leaves torch.compile out. Each part ends with its targets, met or missed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from machine import machine
from timing import interleaved
from torch import Tensor, nn
from train_step import bridle_step, torch_step

from bridle import Dropout, Network, address_of, predict, train_step
from bridle.ops import cpu, drop_connect_linear, dropout

ADDRESS = address_of(seed=0)


def _target(text: str, value: float, bound: float, *, at_least: bool = False) -> None:
    met = value >= bound if at_least else value <= bound
    sign = "≥" if at_least else "≤"
    print(f"- {text}: {value:.2f}, target {sign} {bound:g}: {'met' if met else 'MISSED'}")


def _table(times: dict[str, float], base: str) -> None:
    print(f"| | ms | × {base} |\n|---|---:|---:|")
    for name, value in times.items():
        print(f"| {name} | {value:.3f} | {value / times[base]:.2f} |")


def _both_ways(function: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor) -> Callable[[], None]:
    def run() -> None:
        torch.autograd.grad(function(x), x, grad)

    return run


def dropout_alone(*, compiled: bool, rounds: int) -> None:
    """Time dropout forward and backward, beside a copy each way."""
    for million in (1, 16):
        x = torch.randn(million * 1024, 1024, requires_grad=True)
        grad = torch.randn_like(x)
        functions: dict[str, Callable[[Tensor], Tensor]] = {
            "copy": lambda x: x.clone(),
            "bridle": lambda x: dropout(x, ADDRESS, 0.5),
            "torch eager": lambda x: F.dropout(x, 0.5),
        }
        if compiled:
            functions["torch.compile"] = torch.compile(functions["torch eager"])
        target = torch.empty_like(x)

        def two_copies(source: Tensor = x, grad: Tensor = grad, target: Tensor = target) -> None:
            with torch.no_grad():
                target.copy_(source)
                target.copy_(grad)

        variants = {name: _both_ways(run, x, grad) for name, run in functions.items()}

        def copy(source: Tensor = x, grad: Tensor = grad) -> None:
            source.detach().clone()
            grad.clone()

        variants["copy"] = copy
        variants["copy into allocated memory"] = two_copies
        times = interleaved(variants, rounds=max(5, rounds // million))
        print(f"\n### Dropout of {million} M float32, forward and backward\n")
        _table(times, "copy")
        print()
        if million == 1:
            _target(
                "speedup over torch eager",
                times["torch eager"] / times["bridle"],
                100,
                at_least=True,
            )
            _target("time relative to a copy", times["bridle"] / times["copy"], 2)
        else:
            _target("time relative to a copy", times["bridle"] / times["copy"], 1.5)


def memory() -> None:
    """Show that no mask is kept: what autograd saves between forward and backward."""
    x = torch.randn(1024, 1024, requires_grad=True)
    print(
        "\n### Bytes kept for backward by dropout of 1 M float32 (4 MiB)\n\n| | bytes |\n|---|---:|"
    )
    runs: dict[str, Callable[[], Tensor]] = {
        "bridle": lambda: dropout(x, ADDRESS, 0.5),
        "torch eager": lambda: F.dropout(x, 0.5),
    }
    for name, run in runs.items():
        saved: list[Tensor] = []

        def keep(tensor: Tensor, saved: list[Tensor] = saved) -> Tensor:
            saved.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            run()
        print(f"| {name} | {sum(tensor.nbytes for tensor in saved):,} |")


def layer(*, compiled: bool, rounds: int) -> None:
    """Time a 256 × 1024 × 1024 layer with and without dropout."""
    x, weight, bias = torch.randn(256, 1024), torch.randn(1024, 1024), torch.randn(1024)
    plain: Callable[[], Tensor] = lambda: F.linear(x, weight, bias).relu()  # noqa: E731
    variants: dict[str, Callable[[], object]] = {
        "bias, ReLU": plain,
        "bias, ReLU, dropout: bridle": lambda: dropout(
            x @ weight.T, ADDRESS, 0.5, relu=True, bias=bias
        ),
        "bias, ReLU, dropout: torch eager": lambda: F.dropout(plain(), 0.5),
    }
    if compiled:
        variants["bias, ReLU, dropout: torch.compile"] = torch.compile(
            lambda: F.dropout(F.linear(x, weight, bias).relu(), 0.5)
        )
    with torch.no_grad():
        times = interleaved(variants, rounds=rounds)
    print("\n### A layer of 256 × 1024 × 1024, forward\n")
    _table(times, "bias, ReLU")
    print()
    ratio = times["bias, ReLU, dropout: bridle"] / times["bias, ReLU"]
    _target("time relative to the layer without dropout", ratio, 1.02)


def step(*, rounds: int) -> None:
    """Time a whole training step with and without regularization."""
    variants = {
        "bridle: no regularization": bridle_step(dropout=False, penalties=False),
        "bridle: dropout, L1, L2": bridle_step(dropout=True, penalties=True),
        "torch: no regularization": torch_step(dropout=False, penalties=False),
        "torch: dropout, L1, L2": torch_step(dropout=True, penalties=True),
    }
    times = interleaved(variants, rounds=rounds)
    print("\n### A training step of 784-800-800-10, batch 128\n")
    _table(times, "bridle: no regularization")
    print()
    ratio = times["bridle: dropout, L1, L2"] / times["bridle: no regularization"]
    _target("time relative to the step without regularization", ratio, 1.05)


def _wide_network(noise: Dropout | None) -> Callable[[], object]:
    network = Network([784, 2048, 2048, 10], hidden_noise=noise)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    batch = (torch.randn(128, 784), torch.randint(10, (128,)))
    return lambda: train_step(network, batch, optimizer=optimizer)


def _digits_accuracy(noise: Dropout, seed: int) -> float:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(pixels / 16, labels, random_state=seed, stratify=labels)
    X, X_test = (torch.tensor(part, dtype=torch.float32) for part in parts[:2])
    y, y_test = (torch.tensor(part) for part in parts[2:])
    network = Network([64, 512, 512, 10], seeds=seed, hidden_noise=noise)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    shuffle = torch.Generator().manual_seed(seed)
    for _ in range(60):
        for rows in torch.randperm(len(X), generator=shuffle).split(64):
            train_step(network, (X[rows], y[rows]), optimizer=optimizer)
    return float((predict(network, X_test)[0].argmax(1) == y_test).double().mean())


def compact(*, rounds: int) -> None:
    """Time compact dropout, and compare its accuracy with ordinary dropout's."""
    variants = {
        "no dropout": _wide_network(None),
        "dropout": _wide_network(Dropout(keep_prob=0.5)),
        "compact dropout": _wide_network(Dropout(keep_prob=0.5, shared=True)),
    }
    times = interleaved(variants, rounds=max(10, rounds // 3))
    print("\n### Compact dropout: a step of 784-2048-2048-10, batch 128, keep 0.5, SGD\n")
    _table(times, "no dropout")
    print()
    faster = times["no dropout"] / times["compact dropout"]
    _target("speedup over no dropout", faster, 1.5, at_least=True)
    print("\nTest accuracy on digits, 64-512-512-10, 60 epochs, seeds 0 to 4:\n")
    print("| dropout | mean | each seed |\n|---|---:|---|")
    for name, shared in (("ordinary", False), ("compact", True)):
        found = [_digits_accuracy(Dropout(keep_prob=0.5, shared=shared), s) for s in range(5)]
        each = ", ".join(f"{100 * value:.1f}" for value in found)
        print(f"| {name} | {100 * sum(found) / len(found):.1f} % | {each} |")


def dropconnect() -> None:
    """Time DropConnect with a mask per example against materialized masks."""
    x = torch.randn(128, 1024, requires_grad=True)
    layer = nn.Linear(1024, 1024, bias=False)
    weight, grad = layer.weight, torch.randn(128, 1024)

    def materialized() -> None:
        masks = torch.bernoulli(torch.full((128, 1024, 1024), 0.5)) / 0.5
        y = torch.bmm(x[:, None], masks * weight)[:, 0]
        torch.autograd.grad(y, (x, weight), grad)

    def ours() -> None:
        torch.autograd.grad(drop_connect_linear(x, weight, ADDRESS, 0.5), (x, weight), grad)

    times = interleaved({"bridle": ours, "materialized masks": materialized}, rounds=3, warm_up=1)
    print("\n### DropConnect per example, 1024 × 1024, batch 128, forward and backward\n")
    _table(times, "bridle")
    print()
    faster = times["materialized masks"] / times["bridle"]
    _target("speedup over materialized masks", faster, 5, at_least=True)


def main() -> None:
    """Print the tables."""
    parts = ("dropout", "memory", "layer", "step", "compact", "dropconnect")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--no-compile", action="store_true")
    given = parser.parse_args()
    torch.manual_seed(0)
    print(f"{machine()}; kernels {cpu.variant()}; medians of up to {given.rounds} rounds")
    runs: dict[str, Callable[[], None]] = {
        "dropout": lambda: dropout_alone(compiled=not given.no_compile, rounds=given.rounds),
        "memory": memory,
        "layer": lambda: layer(compiled=not given.no_compile, rounds=given.rounds),
        "step": lambda: step(rounds=given.rounds),
        "compact": lambda: compact(rounds=given.rounds),
        "dropconnect": dropconnect,
    }
    for part in given.only:
        runs[part]()


if __name__ == "__main__":
    main()
