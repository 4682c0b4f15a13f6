"""Noises that do not run in training, and why."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from bridle.audit.functional import DropoutCall
from bridle.audit.noise_records import NoiseRecord
from bridle.audit.records import Check, Finding

__all__ = ["Idle", "modes", "why_idle"]


class Idle:
    """A copy after passes: its tree, the modules that got gradients, functional dropout."""

    def __init__(self, model: nn.Module, calls: list[DropoutCall]) -> None:
        self.model = model
        self.calls = calls
        self._ancestors: dict[int, list[nn.Module]] = {}
        self._collect(model, [])

    def _collect(self, module: nn.Module, above: list[nn.Module]) -> None:
        if id(module) in self._ancestors:
            return
        self._ancestors[id(module)] = above
        for child in module.children():
            self._collect(child, [*above, module])

    def ancestors(self, module: nn.Module) -> list[nn.Module]:
        """Return the modules around a module, the innermost first."""
        return self._ancestors.get(id(module), [])[::-1]

    def weighted(self, module: nn.Module) -> nn.Module:
        """Return the innermost module with parameters that a module is, or is in."""
        for each in (module, *self.ancestors(module)):
            if next(each.parameters(), None) is not None:
                return each
        return self.model


def modes(model: nn.Module, *, training: bool) -> list[Finding]:
    """Find dropout in evaluation mode in modules that have no noise record of their own."""
    findings = []
    if not training:
        message = (
            "is in evaluation mode, where no noise acts; the audit has put its copies in training "
            "mode: call model.train() before you train"
        )
        findings.append(Finding("evaluation mode", "warn", "the model", message))
    idle = Idle(model, [])
    for name, module in model.named_modules():
        inner = isinstance(module, nn.MultiheadAttention) or (
            isinstance(module, nn.RNNBase) and module.num_layers > 1
        )
        if inner and not module.training and float(module.dropout) > 0:
            findings.append(_in_evaluation(name, module, idle))
    return findings


def _in_evaluation(name: str, module: nn.Module, idle: Idle) -> Finding:
    """Return the finding on a noise whose module is in evaluation mode in a training model."""
    around = [module]
    for each in idle.ancestors(module):
        if each.training:
            break
        around.append(each)
    whole = idle.weighted(around[-1])
    frozen = not any(parameter.requires_grad for parameter in whole.parameters())
    if frozen:
        message = "is off: its module is in evaluation mode, and all parameters there are frozen"
        return Finding("noise inactive in training", "warn", name, message)
    message = (
        "is in evaluation mode while the model is in training mode, so it drops nothing: call "
        "model.train(), or remove it"
    )
    return Finding("noise inactive in training", "fail", name, message)


def why_idle(name: str, record: NoiseRecord, idle: Idle) -> Finding | Check:
    """Say why a noise did not run in any training pass."""
    host = record.host
    if not host.training:
        return _in_evaluation(name, host, idle)
    whole = idle.weighted(host)
    if all(parameter.grad is None for parameter in whole.parameters()):
        reason = "this loss does not use the part of the model that it is in"
        return Check(f"noise at {name}", "not checked", reason)
    around = idle.ancestors(host)[:1]
    if isinstance(host, _DropoutNd) and any(
        call.module in around and abs(call.drop_prob - float(host.p)) < 1e-12 for call in idle.calls
    ):
        reason = "the module is not called; a dropout function with its rate is called instead"
        return Check(f"noise at {name}", "not checked", reason)
    message = (
        "does not run in a training pass: the loss does not call the module that it belongs to, "
        "though it trains the parameters there"
    )
    if host is idle.model:
        message = (
            "does not run in a training pass: the loss calls parts of the model, and not the model "
            "itself, at which the noise is: call the model, or place the noise at the parts"
        )
    return Finding("noise inactive in training", "fail", name, message)
