"""What 50 subnetworks and Gaussian inference cost, in passes of the network; 784-800-800-10.

Run ``python benchmarks/ensemble.py``. The variants run in turn, round after round, so a change in
machine speed affects all of them; the figure is the median over the rounds. The competitor is what
one would write without bridle: a loop of masked passes.
"""

from __future__ import annotations

import argparse
import time

import torch
from machine import machine
from timing import interleaved
from torch import Tensor, nn

from bridle import DropConnect, Dropout, Network, predict, predict_ensemble, predict_gaussian

SIZES = (784, 800, 800, 10)
BATCH, SUBNETWORKS = 256, 50
ENSEMBLE_TARGET, GAUSSIAN_TARGET = 10.0, 3.0


def masked_loop(network: Network, X: Tensor) -> Tensor:
    """Average 50 passes under fresh masks, as Monte-Carlo dropout is commonly written."""
    with torch.no_grad():
        total = torch.zeros(network.members, len(X), SIZES[-1])
        for _ in range(SUBNETWORKS):
            network.steps += 1
            total += network(X, noise=True).softmax(-1)
    return total / SUBNETWORKS


def torch_loop(model: nn.Module, X: Tensor) -> Tensor:
    """Average 50 passes of torch's own modules, in training mode."""
    with torch.no_grad():
        total = sum(model(X).softmax(-1) for _ in range(SUBNETWORKS))
    return torch.as_tensor(total) / SUBNETWORKS


def torch_model() -> nn.Module:
    """Return the network in torch's modules, with dropout after each hidden layer."""
    return nn.Sequential(
        nn.Linear(SIZES[0], SIZES[1]),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(SIZES[1], SIZES[2]),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(SIZES[2], SIZES[3]),
    ).train()


def distances(X: Tensor) -> list[str]:
    """Return how far each inference is from 5,000 Monte-Carlo samples, on 16 rows."""
    network = Network(SIZES, weight_noise=DropConnect(keep_prob=0.5))
    exact = predict_ensemble(network, X, k=5_000, objective="squared_error")
    error = float((exact.std / 5_000**0.5).mean())
    found = {
        "mean weights": predict(network, X),
        "Gaussian, only the mean propagated": predict_gaussian(network, X, propagate="mean").mean,
        "Gaussian, mean and variance propagated": predict_gaussian(network, X).mean,
    }
    lines = [
        f"| {name} | {float((y - exact.mean).abs().mean()):.4f} |" for name, y in found.items()
    ]
    return [*lines, f"| standard error of the 5,000 samples | {error:.4f} |"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--skip-distances", action="store_true", help="only the times")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="processor time instead of wall time, for a shared machine, with one thread",
    )
    options = parser.parse_args()
    clock = time.process_time if options.processor_time else time.perf_counter
    unit = "ms of processor time" if options.processor_time else "ms"
    torch.manual_seed(0)
    X, theirs = torch.randn(BATCH, SIZES[0]), torch_model()
    dropout = Network(SIZES, hidden_noise=Dropout(keep_prob=0.5))
    connect = {
        name: Network(SIZES, activation=name, weight_noise=DropConnect(keep_prob=0.5))
        for name in ("relu", "tanh", "logistic")
    }
    relu = connect["relu"]
    middle = interleaved(
        {
            "one pass": lambda: predict(dropout, X),
            "50 subnetworks": lambda: predict_ensemble(dropout, X, k=SUBNETWORKS),
            "loop of 50 masked passes: bridle": lambda: masked_loop(dropout, X),
            "loop of 50 masked passes: torch": lambda: torch_loop(theirs, X),
            "Gaussian, ReLU": lambda: predict_gaussian(relu, X),
            "Gaussian, ReLU, only the mean propagated": lambda: predict_gaussian(
                relu, X, propagate="mean"
            ),
            "Gaussian, tanh": lambda: predict_gaussian(connect["tanh"], X),
            "Gaussian, logistic": lambda: predict_gaussian(connect["logistic"], X),
            "Gaussian, ReLU, 50 samples as in the paper": lambda: predict_gaussian(
                relu, X, samples=50
            ),
            "50 subnetworks by DropConnect": lambda: predict_ensemble(relu, X, k=SUBNETWORKS),
        },
        rounds=options.rounds,
        clock=clock,
    )
    once = middle["one pass"]
    print(f"{'-'.join(map(str, SIZES))}, batch {BATCH}; {machine()}; ", end="")
    print(f"median of {options.rounds} rounds\n")
    print(f"| | {unit} | × one pass |\n|---|---:|---:|")
    for name, taken in middle.items():
        print(f"| {name} | {taken:.2f} | {taken / once:.2f} |")
    print()
    for name, target in (("50 subnetworks", ENSEMBLE_TARGET), ("Gaussian, ReLU", GAUSSIAN_TARGET)):
        times = middle[name] / once
        verdict = "met" if times <= target else "MISSED"
        print(f"- {name}: {times:.2f} passes, target ≤ {target:g}: {verdict}")
    if not options.skip_distances:
        print("\n| DropConnect: mean distance of the outputs from 5,000 samples | |\n|---|---:|")
        print("\n".join(distances(X[:16])))


if __name__ == "__main__":
    main()
