"""Checks of noises: on in training, off in evaluation, new masks at every step and rank."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, distributed as dist, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils.rnn import PackedSequence

from bridle.audit.records import Finding, NoiseSeen
from bridle.audit.sandbox import Sandbox
from bridle.modules.placed import layout_of, named_noises
from bridle.networks.population import Network
from bridle.noise import (
    AlphaDropout,
    Dropout,
    FeatureAlphaDropout,
    Multiplier,
    Scheduled,
    SpatialDropout,
)

__all__ = ["audit_noises"]

_MIN_ELEMENTS = 32  # masks with fewer elements can be equal by chance


class _RecordingNoise:
    """Wraps a noise of bridle and records what it keeps."""

    def __init__(self, noise: Any, record: _NoiseRecord) -> None:
        self._noise = noise
        self._record = record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._noise, name)

    def _record_pass(self, x: Tensor, y: Tensor, address: Tensor) -> None:
        keep = torch.as_tensor(self._noise.keep_at(address), dtype=torch.float64).cpu()
        if keep.numel() > 1:  # by member: weight each by its count of nonzero inputs
            counts = (x != 0).flatten(1).sum(1).double().cpu()
            keep = (keep * counts).sum() / counts.sum().clamp(min=1)
        self._record.keeps.append(float(keep.mean()))
        self._record.masks.append(self._noise.now(address).seen(x.detach(), y.detach()).cpu())

    def train(self, x: Tensor, address: Tensor, **options: Any) -> Tensor:
        y: Tensor = self._noise.train(x, address, **options)
        if options.get("relu"):
            bias = options.get("bias")
            x = (x if bias is None else x + bias).relu()
        self._record_pass(x, y, address)
        return y

    def train_packed(self, x: PackedSequence, address: Tensor, **options: Any) -> Tensor:
        y: Tensor = self._noise.train_packed(x, address, **options)
        examples = int(x.batch_sizes[0])  # first time step only: the mask may be the same at all
        self._record_pass(x.data[:examples], y[:examples], address)
        return y

    def linear(self, x: Tensor, weight: Tensor, address: Tensor, **options: Any) -> Tensor:
        self._record_pass(weight, self._noise.train(weight, address), address)
        y: Tensor = self._noise.linear(x, weight, address, **options)
        return y


@dataclass
class _NoiseRecord:
    """Observations of one noise; ``masks`` has kept entries (bool) or multipliers."""

    kind: str
    keep_prob: float
    keeps: list[float] = field(default_factory=list)
    masks: list[Tensor] = field(default_factory=list)

    @property
    def keep(self) -> float:
        """The nominal keep probability when it ran; a schedule changes it."""
        return sum(self.keeps) / len(self.keeps) if self.keeps else self.keep_prob

    def take_masks(self) -> Tensor:
        """Return the masks since the last call, as one tensor."""
        masks = torch.cat(self.masks) if self.masks else torch.empty(0)
        self.masks.clear()
        return masks


def _counterpart(module: _DropoutNd) -> Multiplier:
    """Return the noise of bridle that corresponds to a dropout module of torch."""
    kind: type[Multiplier] = Dropout
    if isinstance(module, nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
        kind = SpatialDropout
    elif isinstance(module, nn.AlphaDropout):
        kind = AlphaDropout
    elif isinstance(module, nn.FeatureAlphaDropout):
        kind = FeatureAlphaDropout
    return kind(drop_prob=module.p)


def _kind(noise: Multiplier) -> str:
    inner = f" {type(noise.noise).__name__}" if isinstance(noise, Scheduled) else ""
    return type(noise).__name__ + inner


def _record_noises(model: nn.Module) -> dict[str, _NoiseRecord]:
    """Return a record for each noise of a model, by name. Forward passes fill the records."""
    found: dict[str, _NoiseRecord] = {}
    for name, module in model.named_modules():
        if isinstance(module, _DropoutNd) and 0 < module.p < 1:
            record = found[name] = _NoiseRecord(type(module).__name__, 1 - module.p)
            own = _counterpart(module)

            def hook(
                _: nn.Module,
                args: Any,
                y: Tensor,
                record: _NoiseRecord = record,
                own: Multiplier = own,
            ) -> None:
                if args and args[0] is not y:
                    record.masks.append(own.seen(args[0].detach(), y.detach()).cpu())

            module.register_forward_hook(hook)
    for name, module in model.named_modules():
        for place in ("input_noise", "hidden_noise", "weight_noise"):
            noise = getattr(module, place, None) if isinstance(module, Network) else None
            if noise is not None:
                keep = float(torch.as_tensor(noise.keep_prob).mean())
                record = _NoiseRecord(_kind(noise), keep)
                found[f"{name}.{place}".lstrip(".")] = record
                setattr(module, place, _RecordingNoise(noise, record))
    for name, placed in named_noises(model).items():
        noise = placed.noise
        record = _NoiseRecord(_kind(noise), float(noise.keep_prob))
        found[name] = record
        placed.noise = _RecordingNoise(noise, record)  # type: ignore[assignment]
    return found


def audit_noises(sandbox: Sandbox) -> tuple[list[NoiseSeen], list[Finding]]:
    """Return the observed behavior of each noise, and the findings."""
    model, _ = sandbox.copies()
    watched = _record_noises(model)
    sandbox.loss_of(model)
    first = {name: (record.keep, len(record.masks)) for name, record in watched.items()}
    drawn = {name: record.take_masks() for name, record in watched.items()}
    sandbox.loss_of(model)
    seen, findings = [], []
    for name, record in watched.items():
        (keep, runs), mask, other = first[name], drawn[name], record.take_masks()
        kept = _kept(mask)
        seen.append(NoiseSeen(name, record.kind, keep, kept))
        findings += _check_training(name, keep, kept, runs, mask)
        enough = mask.numel() >= _MIN_ELEMENTS and 0 < kept < 1
        if enough and torch.equal(mask, other):
            message = "has the same mask at every step: do not set a seed inside the training step"
            findings.append(Finding("equal masks", "fail", name, message))
        if enough and _equal_on_every_rank(mask, model):
            message = "has the same mask on every rank: give each rank its own seed"
            findings.append(Finding("equal masks", "fail", name, message))
    return seen, findings + _check_evaluation(sandbox)


def _kept(mask: Tensor) -> float:
    """Return the kept share; for multipliers, the keep probability with their variance."""
    if not mask.numel():
        return float("nan")
    if mask.dtype == torch.bool:
        return float(mask.double().mean())
    return 1 / (1 + float(mask.double().var(correction=0)))


def _check_training(name: str, keep: float, kept: float, runs: int, mask: Tensor) -> list[Finding]:
    if not runs:
        message = "does not run in a training pass: no module calls it"
        return [Finding("noise inactive in training", "fail", name, message)]
    count = mask.numel()
    if not count:
        return []
    masked = mask.dtype == torch.bool
    if kept == 1 and keep < 1 and (not masked or keep**count < 1e-6):
        message = f"drops nothing in training: it kept all {count} entries at keep_prob {keep:g}"
        return [Finding("noise inactive in training", "fail", name, message)]
    # for multipliers: the standard error of the variance of normal variables
    spread = (keep * (1 - keep)) ** 0.5 if masked else keep * (1 - keep) * 2**0.5
    if abs(kept - keep) > 6 * spread / count**0.5 + 1 / count:
        message = f"keeps a share of {kept:.3f} of {count} entries, but keep_prob is {keep:g}"
        return [Finding("wrong rate", "warn", name, message)]
    return []


def _equal_on_every_rank(mask: Tensor, model: nn.Module) -> bool:
    """Whether processes with different data have the same mask; all processes call it."""
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return False
    index = layout_of(model).index
    mine = hashlib.sha256(mask.numpy().tobytes()).hexdigest()
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, (index, mine))
    indices, masks = (set(each) for each in zip(*everyone, strict=True))
    return len(indices) > 1 and len(masks) == 1


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


def _check_evaluation(sandbox: Sandbox) -> list[Finding]:
    """Run twice in evaluation mode, and report the innermost module whose outputs differ."""
    model, _ = sandbox.copies()
    model.eval()
    runs = []
    for _ in range(2):
        with _recorded(model) as outputs:
            sandbox.loss_of(model)
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
            f"{type(module).__name__} gives two different outputs for the same input in "
            "evaluation: a functional dropout needs training=self.training"
        )
        return [Finding("functional noise ignores eval", "fail", subject, message)]
    return []
