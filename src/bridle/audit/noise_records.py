"""Records of noises: what each keeps in a pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils.rnn import PackedSequence

from bridle.modules.placed import named_noises
from bridle.modules.streams import noises_in
from bridle.networks.population import Network
from bridle.noise import (
    AlphaDropout,
    Dropout,
    FeatureAlphaDropout,
    Multiplier,
    Scheduled,
    SpatialDropout,
)

__all__ = ["NoiseRecord", "record_noises"]


class _RecordingNoise:
    """Wraps a noise of bridle and records what it keeps."""

    def __init__(self, noise: Any, record: NoiseRecord) -> None:
        self._noise = noise
        self._record = record

    def __getattr__(self, name: str) -> Any:
        if name == "_noise":  # of a copy that is being made
            raise AttributeError(name)
        return getattr(self._noise, name)

    def _record_pass(self, x: Tensor, y: Tensor, address: Tensor) -> None:
        self._record.runs += 1
        keep = torch.as_tensor(self._noise.keep_at(address), dtype=torch.float64).cpu()
        if keep.numel() > 1:  # by member: weight each by its count of nonzero inputs
            counts = (x != 0).flatten(1).sum(1).double().cpu()
            keep = (keep * counts).sum() / counts.sum().clamp(min=1)
        mask = self._noise.now(address).seen(x.detach(), y.detach()).cpu()
        self._record.keeps.append((float(keep.mean()), mask.numel()))
        self._record.masks.append(mask)

    def train(self, x: Tensor, address: Tensor, **options: Any) -> Tensor:
        given, x = x, x.detach().clone()  # the noise may act in place
        y: Tensor = self._noise.train(given, address, **options)
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
class NoiseRecord:
    """Observations of one noise; ``masks`` has kept entries (bool) or multipliers.

    ``keeps`` has the nominal keep probability of each pass, and how many entries it counted.
    The host is the module whose mode the noise follows.
    """

    kind: str
    keep_prob: float
    host: nn.Module
    runs: int = 0
    keeps: list[tuple[float, int]] = field(default_factory=list)
    masks: list[Tensor] = field(default_factory=list)

    @property
    def keep(self) -> float:
        """The nominal keep probability when it ran, of the entries counted.

        A schedule changes it, and so do members with other rates whose zeros are not counted.
        """
        entries = sum(count for _, count in self.keeps)
        if not entries:
            return self.keep_prob
        return sum(keep * count for keep, count in self.keeps) / entries

    def take_masks(self) -> Tensor:
        """Return the masks since the last call, as one tensor."""
        masks = torch.cat(self.masks) if self.masks else torch.empty(0)
        self.masks.clear()
        return masks


class _DropoutWatch:
    """Records what a dropout module of torch keeps; a copy of its input serves ``inplace=True``."""

    def __init__(self, record: NoiseRecord, own: Multiplier) -> None:
        self._record = record
        self._own = own
        self._input: Tensor | None = None

    def before(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        x = args[0] if args else kwargs.get("input")
        self._input = x.detach().clone() if module.training and isinstance(x, Tensor) else None

    def after(self, module: nn.Module, args: Any, y: Any) -> None:  # noqa: ARG002
        if self._input is not None and isinstance(y, Tensor):
            self._record.runs += 1
            self._record.masks.append(self._own.seen(self._input, y.detach()).cpu())
        self._input = None


def _hosts(model: nn.Module) -> dict[int, nn.Module]:
    """Return the module whose mode each noise of a model follows, by the noise's id."""
    return {id(noise): getattr(noise, "host", module) for module, noise in noises_in(model)}


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


def record_noises(model: nn.Module) -> dict[str, NoiseRecord]:
    """Return a record for each noise of a model, by name. Forward passes fill the records."""
    found: dict[str, NoiseRecord] = {}
    for name, module in model.named_modules():
        replaced = "forward" in vars(module)  # by bridle, whose noise is recorded
        if isinstance(module, _DropoutNd) and 0 < module.p < 1 and not replaced:
            record = found[name] = NoiseRecord(type(module).__name__, 1 - module.p, module)
            watch = _DropoutWatch(record, _counterpart(module))
            module.register_forward_pre_hook(watch.before, with_kwargs=True)
            module.register_forward_hook(watch.after)
    for name, module in model.named_modules():
        for place in ("input_noise", "hidden_noise", "weight_noise"):
            noise = getattr(module, place, None) if isinstance(module, Network) else None
            if noise is not None:
                keep = float(torch.as_tensor(noise.keep_prob).mean())
                record = NoiseRecord(_kind(noise), keep, module)
                found[f"{name}.{place}".lstrip(".")] = record
                setattr(module, place, _RecordingNoise(noise, record))
    hosts = _hosts(model)
    for name, placed in named_noises(model).items():
        on_units = placed.noise
        record = NoiseRecord(_kind(on_units), float(on_units.keep_prob), hosts[id(placed)])
        found[name] = record
        placed.noise = _RecordingNoise(on_units, record)  # type: ignore[assignment]
    return found
