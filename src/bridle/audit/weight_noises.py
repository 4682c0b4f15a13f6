"""The check of noise on weights: the module that reads the weight gives other outputs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map

from bridle.audit.records import Finding
from bridle.audit.sandbox import Sandbox
from bridle.audit.snapshot import Snapshot
from bridle.modules.noise_hooks import WeightNoise, noises_of

__all__ = ["check_weight_noises"]


def check_weight_noises(sandbox: Sandbox) -> list[Finding]:
    """Find noise on weights that does not reach the outputs of the module that reads them.

    A parametrization or pruning may write the weight anew after the noise has acted on it.
    """
    sandbox.start.restore()
    model, _ = sandbox.copies()
    placed = {id(noise): noise for noise in noises_of(model) if isinstance(noise, WeightNoise)}
    if not placed:
        return []
    readers: dict[int, nn.Module] = {}
    inputs: dict[int, tuple[Any, Any]] = {}
    casts: dict[int, list[torch.autocast]] = {}

    def keep(module: nn.Module, args: Any, kwargs: Any) -> None:
        copied = tree_map(
            lambda x: x.detach().clone() if isinstance(x, Tensor) else x, (args, kwargs)
        )
        inputs.setdefault(id(module), copied)
        casts.setdefault(id(module), _autocasts(module))

    handles = []
    for module in model.modules():
        for hook in list(module._forward_pre_hooks.values()):
            owner = getattr(hook, "__self__", None)
            if id(owner) in placed and id(owner) not in readers:
                readers[id(owner)] = module
                handles.append(
                    module.register_forward_pre_hook(keep, prepend=True, with_kwargs=True)
                )
    sandbox.loss_of(model)
    for handle in handles:
        handle.remove()
    findings = []
    state = Snapshot(model, tensors=True, but=sandbox.originals)
    for key, module in readers.items():
        noise = placed[key]
        keeps = float(torch.as_tensor(noise.noise.keep_at(noise.counter.next_address)).mean())
        if id(module) not in inputs or not noise.host.training or not 0 < keeps < 1:
            continue
        args, kwargs = inputs[id(module)]
        outputs = []
        for further in (0, 1, 2, 3):
            state.restore()
            noise.counter.step = noise.counter.step + further
            with torch.no_grad(), ExitStack() as stack:
                for cast in casts[id(module)]:
                    stack.enter_context(cast)
                outputs.append(tree_flatten(module(*args, **kwargs))[0])
        state.restore()
        if all(_equal(outputs[0], each) for each in outputs[1:]):
            message = (
                f"{noise.noise} does not change what the module computes: another hook, such as "
                "pruning or a parametrization, writes the weight after the noise; place the noise "
                "after the pruning, or on the module's output"
            )
            findings.append(Finding("noise inactive in training", "fail", noise.name, message))
    return findings


def _autocasts(module: nn.Module) -> list[torch.autocast]:
    """Return the automatic casts under which a module runs, of the devices that it is on."""
    kinds = {"cpu"} | {parameter.device.type for parameter in module.parameters()}
    return [
        torch.autocast(kind, torch.get_autocast_dtype(kind))
        for kind in sorted(kinds - {"meta"})
        if torch.is_autocast_enabled(kind)
    ]


def _equal(one: list[Any], two: list[Any]) -> bool:
    return all(
        torch.equal(a.nan_to_num(), b.nan_to_num())
        for a, b in zip(one, two, strict=True)
        if isinstance(a, Tensor) and isinstance(b, Tensor)
    )
