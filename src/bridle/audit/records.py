"""The result of an audit: measured effects, observed noises, findings, other checks."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["Audit", "Check", "Effect", "Finding", "NoiseSeen", "SettingSeen"]


@dataclass(frozen=True)
class Effect:
    """The effect of one penalty on one parameter.

    Attributes
    ----------
    parameter : str
    route : {"loss", "weight_decay", "coupled", "prox", "decay"}
        How it acts: in the loss, by the optimizer's weight decay, or attached by bridle; "decay"
        is a :class:`bridle.WeightDecay` alone.
    penalty : str
        The penalty with its strength.
    measured, expected : float
        The Euclidean norm of the effect: a gradient for "loss" and "coupled", otherwise the change
        of the parameter in one step.
    error : float
        The norm of the difference, divided by the expected norm.
    """

    parameter: str
    route: str
    penalty: str
    measured: float
    expected: float
    error: float


@dataclass(frozen=True)
class NoiseSeen:
    """The observed behavior of one noise in a training pass.

    Attributes
    ----------
    name : str
        The name of the module or weight.
    noise : str
        The class of the noise.
    keep_prob : float
        The nominal keep probability at the audited step.
    kept : float
        The observed share of kept units; for Gaussian dropout, the keep probability that gives the
        observed variance. NaN if the noise never ran.
    """

    name: str
    noise: str
    keep_prob: float
    kept: float


@dataclass(frozen=True)
class Finding:
    """An error ("fail") or a likely mistake ("warn").

    Attributes
    ----------
    kind : str
        The type of the finding, from a fixed set.
    severity : {"fail", "warn"}
    subject : str
        The parameter or module.
    message : str
        One line: what is wrong, and what to do.
    """

    kind: str
    severity: str
    subject: str
    message: str


@dataclass(frozen=True)
class Check:
    """A check that passed, or that could not be made.

    Attributes
    ----------
    check : str
        What was checked.
    outcome : {"passed", "not checked"}
    detail : str
        The evidence; for "not checked", the reason.
    """

    check: str
    outcome: str
    detail: str


@dataclass(frozen=True)
class SettingSeen:
    """A setting of a framework in the model or its optimizer, by what it really does.

    Attributes
    ----------
    subject : str
        The module, or the parameter group of the optimizer.
    setting : str
        Its name in the records of :func:`bridle.dialects.frameworks`, such as "torch.AdamW".
    value : str
        The argument with its value.
    effect : str
        What it does, in the version that was measured.
    """

    subject: str
    setting: str
    value: str
    effect: str


@dataclass(frozen=True)
class Audit:
    """The result of :func:`bridle.audit`.

    Attributes
    ----------
    effects : tuple of Effect
    noises : tuple of NoiseSeen
    findings : tuple of Finding
    checks : tuple of Check
        Further checks that passed, and the checks that could not be made, with the reason.
    settings : tuple of SettingSeen
        The settings of other libraries that act, each by its real effect.
    """

    effects: tuple[Effect, ...]
    noises: tuple[NoiseSeen, ...]
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...] = ()
    settings: tuple[SettingSeen, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no check failed. Warnings do not count."""
        return all(finding.severity != "fail" for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """0 if the audit passed, otherwise 1."""
        return 0 if self.passed else 1

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        noises = [asdict(noise) | {"kept": _number(noise.kept)} for noise in self.noises]
        effects = [asdict(effect) | {"error": _number(effect.error)} for effect in self.effects]
        return {
            "passed": self.passed,
            "effects": effects,
            "noises": noises,
            "findings": [asdict(finding) for finding in self.findings],
            "checks": [asdict(check) for check in self.checks],
            "settings": [asdict(setting) for setting in self.settings],
        }

    def __str__(self) -> str:
        """Return the tables, the findings, and in the last line whether the audit passed."""
        console = Console(file=io.StringIO(), width=110, color_system=None)
        if self.effects:
            grid = Table("parameter", "route", "penalty", "measured", "expected", "error")
            for e in self.effects:
                numbers = (f"{e.measured:.3g}", f"{e.expected:.3g}", f"{e.error:.1e}")
                grid.add_row(e.parameter, e.route, e.penalty, *numbers)
            console.print(grid)
        if self.noises:
            grid = Table("noise", "at", "keep_prob", "kept")
            for seen in self.noises:
                kept = "never ran" if seen.kept != seen.kept else f"{seen.kept:.3f}"
                grid.add_row(seen.noise, seen.name, f"{seen.keep_prob:g}", kept)
            console.print(grid)
        lines = [f"setting: {s.subject}: {s.setting} {s.value}: {s.effect}" for s in self.settings]
        lines += [f"{check.outcome}: {check.check}: {check.detail}" for check in self.checks]
        lines += [f"{each.severity}: {each.subject}: {each.message}" for each in self.findings]
        for line in lines:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        count = sum(finding.severity == "fail" for finding in self.findings)
        console.print("passed" if self.passed else f"failed: {count} finding{'s' * (count > 1)}")
        return console.file.getvalue()  # type: ignore[attr-defined]


def _number(value: float) -> float | None:
    return value if value - value == 0 else None  # JSON has no NaN and no infinity
