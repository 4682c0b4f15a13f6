"""What an audit says: measured effects, noises seen, findings."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["Audit", "Effect", "Finding", "NoiseSeen"]


@dataclass(frozen=True)
class Effect:
    """What one penalty did to one parameter.

    Attributes
    ----------
    parameter : str
    route : {"loss", "weight_decay", "coupled", "prox"}
        How it acts: in the loss itself, by the optimizer's own decay, or as attached by bridle.
    penalty : str
        With its strength.
    measured, expected : float
        The Euclidean norm of its effect: a gradient for "loss" and "coupled", else the change that
        one step makes.
    error : float
        The norm of the difference, over the expected norm.
    """

    parameter: str
    route: str
    penalty: str
    measured: float
    expected: float
    error: float


@dataclass(frozen=True)
class NoiseSeen:
    """What one noise did in a training pass.

    Attributes
    ----------
    name : str
        Of the module or weight.
    noise : str
    keep_prob : float
        As asked for, at the step that was audited.
    kept : float
        The share that was kept; of Gaussian dropout, the keep_prob whose variance it showed. NaN
        when it never ran.
    """

    name: str
    noise: str
    keep_prob: float
    kept: float


@dataclass(frozen=True)
class Finding:
    """Something that is wrong ("fail") or that few people want ("warn").

    Attributes
    ----------
    kind : str
        One of a few words, for machines.
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
class Audit:
    """The result of :func:`bridle.audit`.

    Attributes
    ----------
    effects : tuple of Effect
    noises : tuple of NoiseSeen
    findings : tuple of Finding
    """

    effects: tuple[Effect, ...]
    noises: tuple[NoiseSeen, ...]
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed; warnings do not count."""
        return all(finding.severity != "fail" for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """0 when it passed, else 1."""
        return 0 if self.passed else 1

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        noises = [asdict(noise) | {"kept": _number(noise.kept)} for noise in self.noises]
        effects = [asdict(effect) | {"error": _number(effect.error)} for effect in self.effects]
        return {
            "passed": self.passed,
            "effects": effects,
            "noises": noises,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def __str__(self) -> str:
        """Return the tables, the findings, and the verdict in the last line."""
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
        for finding in self.findings:
            line = f"{finding.severity}: {finding.subject}: {finding.message}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        count = sum(finding.severity == "fail" for finding in self.findings)
        console.print("passed" if self.passed else f"failed: {count} finding(s)")
        return console.file.getvalue()  # type: ignore[attr-defined]


def _number(value: float) -> float | None:
    return value if value - value == 0 else None  # JSON knows no NaN and no infinity
