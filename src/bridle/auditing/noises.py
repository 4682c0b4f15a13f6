"""Which noise acts when: in training and not in evaluation, anew at every step and rank."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.modules.dropout import _DropoutNd

from bridle.auditing.laboratory import Laboratory
from bridle.auditing.records import Finding, NoiseSeen
from bridle.network import Network
from bridle.placing import noises_of

__all__ = ["noises_seen"]

_FEWEST = 32  # elements below which two masks may well agree by chance


class _Watched:
    """A noise of bridle's that remembers what it kept."""

    def __init__(self, noise: Any, masks: list[Tensor]) -> None:
        self._noise = noise
        self._masks = masks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._noise, name)

    def train(self, x: Tensor, address: Tensor, **options: Any) -> Tensor:
        y: Tensor = self._noise.train(x, address, **options)
        if options.get("relu"):
            bias = options.get("bias")
            x = (x if bias is None else x + bias).relu()
        self._masks.append(_mask(x, y))
        return y

    def linear(self, x: Tensor, weight: Tensor, address: Tensor, **options: Any) -> Tensor:
        self._masks.append(_mask(weight, self._noise.train(weight, address)))
        y: Tensor = self._noise.linear(x, weight, address, **options)
        return y


def _mask(x: Tensor, y: Tensor) -> Tensor:
    """Return what was kept of what was not zero: bool, flat."""
    return (y.detach() != 0)[x.detach() != 0].flatten().cpu()


def _watch(model: nn.Module) -> dict[str, tuple[str, float, list[Tensor]]]:
    """Return each noise of a model by its name: what it is, its keep_prob, the masks to come."""
    found: dict[str, tuple[str, float, list[Tensor]]] = {}
    for name, module in model.named_modules():
        if isinstance(module, _DropoutNd) and 0 < module.p < 1:
            masks: list[Tensor] = []
            found[name] = (type(module).__name__, 1 - module.p, masks)

            def hook(_: nn.Module, args: Any, y: Tensor, masks: list[Tensor] = masks) -> None:
                if args and args[0] is not y:
                    masks.append(_mask(args[0], y))

            module.register_forward_hook(hook)
    for name, module in model.named_modules():
        for place in ("input_noise", "hidden_noise", "weight_noise"):
            noise = getattr(module, place, None) if isinstance(module, Network) else None
            if noise is not None:
                masks = []
                keep = float(torch.as_tensor(noise.keep_prob).mean())
                found[f"{name}.{place}".lstrip(".")] = (type(noise).__name__, keep, masks)
                setattr(module, place, _Watched(noise, masks))
    for noise in noises_of(model):
        masks = []
        found[f"{noise.where} {noise.name}"] = (
            type(noise.noise).__name__,
            float(noise.noise.keep_prob),
            masks,
        )
        noise.noise = _Watched(noise.noise, masks)  # type: ignore[assignment]
    return found


def noises_seen(lab: Laboratory) -> tuple[list[NoiseSeen], list[Finding]]:
    """Return what each noise did, and what is wrong with them."""
    model, _ = lab.copies()
    watched = _watch(model)
    lab.loss_of(model)
    first = {name: list(masks) for name, (_, _, masks) in watched.items()}
    for _, _, masks in watched.values():
        masks.clear()
    lab.loss_of(model)
    seen, findings = [], []
    for name, (kind, keep, again) in watched.items():
        mask = torch.cat(first[name]) if first[name] else torch.empty(0)
        kept = float(mask.double().mean()) if mask.numel() else float("nan")
        seen.append(NoiseSeen(name, kind, keep, kept))
        findings += _in_training(name, keep, first[name], mask)
        other = torch.cat(again) if again else mask[:0]
        enough = mask.numel() >= _FEWEST and 0 < kept < 1
        if enough and torch.equal(mask, other):
            message = "draws the same mask at every step: do not seed inside of the step"
            findings.append(Finding("equal masks", "fail", name, message))
        if enough and _equal_on_every_rank(mask):
            message = "draws the same mask on every rank: seed each rank differently"
            findings.append(Finding("equal masks", "fail", name, message))
    return seen, findings + _in_evaluation(lab)


def _in_training(name: str, keep: float, ran: list[Tensor], mask: Tensor) -> list[Finding]:
    if not ran:
        message = "does not run in a training pass: nothing calls it"
        return [Finding("noise inactive in training", "fail", name, message)]
    count = mask.numel()
    if not count:
        return []
    dropped = count - int(mask.sum())
    if not dropped and keep**count < 1e-6:
        message = f"drops nothing in training: keep_prob is {keep:g}, and all {count} were kept"
        return [Finding("noise inactive in training", "fail", name, message)]
    spread = (keep * (1 - keep) / count) ** 0.5
    if abs(dropped / count - (1 - keep)) > 6 * spread + 1 / count and "Dropout2d" not in name:
        message = f"keeps {1 - dropped / count:.3f} of {count}, and keep_prob is {keep:g}"
        return [Finding("wrong rate", "warn", name, message)]
    return []


def _equal_on_every_rank(mask: Tensor) -> bool:
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return False
    mine = hashlib.sha256(mask.numpy().tobytes()).hexdigest()
    everyone: list[str | None] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, mine)
    return len(set(everyone)) == 1


@contextmanager
def _recorded(model: nn.Module) -> Iterator[list[tuple[str, nn.Module, Tensor]]]:
    """Record the first tensor that each module gives, innermost first."""
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


def _in_evaluation(lab: Laboratory) -> list[Finding]:
    """Run twice in evaluation, and name the innermost module that gives something else."""
    model, _ = lab.copies()
    model.eval()
    runs = []
    for _ in range(2):
        with _recorded(model) as outputs:
            lab.loss_of(model)
        runs.append(outputs)
    for (name, module, one), (_, _, two) in zip(*runs, strict=False):
        same = one.shape == two.shape and torch.equal(one.nan_to_num(), two.nan_to_num())
        if same:
            continue
        subject = name or "the model"
        if isinstance(module, _DropoutNd):
            message = "drops in evaluation: model.eval() does not reach it"
            return [Finding("noise active in evaluation", "fail", subject, message)]
        message = (
            f"{type(module).__name__} gives another output for the same input in evaluation: "
            "a functional dropout needs training=self.training"
        )
        return [Finding("functional noise ignores eval", "fail", subject, message)]
    return []
