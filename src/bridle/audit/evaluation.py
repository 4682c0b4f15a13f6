"""The check of evaluation mode: two passes give the same outputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from bridle.audit.functional import FunctionalDropout
from bridle.audit.records import Check, Finding
from bridle.audit.sandbox import Sandbox

__all__ = ["check_evaluation"]


@contextmanager
def _recorded(model: nn.Module) -> Iterator[list[tuple[str, nn.Module, Tensor]]]:
    """Record the first output tensor of each module, innermost modules first."""
    outputs: list[tuple[str, nn.Module, Tensor]] = []

    def record(name: str) -> Any:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            first = output
            while isinstance(first, tuple | list) and first:
                first = first[0]
            if isinstance(first, Tensor):
                outputs.append((name, module, first.detach().clone()))

        return hook

    handles = [m.register_forward_hook(record(name)) for name, m in model.named_modules()]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def check_evaluation(sandbox: Sandbox) -> tuple[list[Finding], list[Check]]:
    """Run twice in evaluation mode, and report the innermost module whose outputs differ."""
    sandbox.start.restore()
    model, _ = sandbox.copies()
    model.eval()
    runs = []
    calls = 0
    for _ in range(2):
        functional = FunctionalDropout()
        with _recorded(model) as outputs, functional:
            value = sandbox.loss_of(model).detach().reshape(1)
        calls += len(functional.calls)
        runs.append([*outputs, ("the loss", model, value)])
    for (name, module, one), (_, _, two) in zip(*runs, strict=False):
        same = one.shape == two.shape and torch.equal(one.nan_to_num(), two.nan_to_num())
        if same:
            continue
        subject = name or "the model"
        if isinstance(module, _DropoutNd):
            message = "drops in evaluation: model.eval() does not reach it"
            return [Finding("noise active in evaluation", "fail", subject, message)], []
        kind = "it" if subject == "the loss" else type(module).__name__
        if calls:
            message = (
                f"{kind} gives two different outputs for the same batch in evaluation: a "
                "functional dropout needs training=self.training"
            )
            return [Finding("functional noise ignores eval", "fail", subject, message)], []
        message = (
            f"{kind} gives two different outputs for the same batch in evaluation, and calls no "
            "dropout function: if the random numbers that it draws are a noise for training, let "
            "them depend on self.training"
        )
        return [Finding("random in evaluation", "warn", subject, message)], []
    return [], [Check("evaluation mode", "passed", "two passes give the same outputs and loss")]
