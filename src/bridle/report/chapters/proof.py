"""Proof: what else was measured, the audit, and how to reproduce it all."""

from __future__ import annotations

import re
from typing import Any

from bridle.report.chapters.rows import clean
from bridle.report.material import Material
from bridle.report.opening import FIRST
from bridle.report.records import Grid, Section
from bridle.report.words import gap_text, number, score_text, sentence

__all__ = ["audited", "measured", "reproduce"]

_TENSOR = re.compile(r"tensor\(\[([^\]]*)\][^)]*\)")
_MOST_VALUES = 3


def measured(material: Material) -> Section | None:
    """Tell what else a diagnosis measured: size, memory, dead units, noise, selection, others."""
    found = material.diagnosis
    if found is None:
        return None
    share = found.is_share
    rows: list[tuple[str, str]] = []
    if found.parameters is not None:
        rows.append(("parameters", f"{found.parameters:,}"))
    if found.parameters_per_row is not None:
        rows.append(("parameters for each training row", number(found.parameters_per_row)))
    if found.shuffled_labels is not None:
        memory = found.shuffled_labels
        rows.append(
            (
                "training score on shuffled targets",
                f"{score_text(memory.training, share=share)}, where guessing has "
                f"{score_text(memory.baseline, share=share)} ({memory.rows:,} rows; {memory.how})",
            )
        )
    for layer in found.layers:
        silent = (
            "" if layer.silent_units is None else f", {layer.silent_units} silent for every row"
        )
        many = "" if layer.members == 1 else f" (of {layer.members} networks together)"
        rows.append(
            (
                f"{clean(layer.name, 60)}: {layer.inputs} × {layer.units}",
                f"{100 * layer.zeros / max(layer.weights, 1):.1f} % exact zeros, "
                f"{layer.dead_units} dead units{silent}{many}",
            )
        )
    if found.subnetworks is not None:
        nets = found.subnetworks
        rows.append(
            (
                f"weight scaling against {nets.masks} subnetworks",
                f"differ by {number(nets.difference.value)} on average "
                f"({number(nets.sampling)} were they the same); score "
                f"{score_text(nets.scaled_score, share=share)} against "
                f"{score_text(nets.averaged_score, share=share)}",
            )
        )
    if found.selection is not None:
        pick = found.selection
        rows.append(
            (
                f"chosen among {pick.tried}, optimism of the validation score",
                gap_text(pick.optimism, share=share),
            )
        )
    for other in found.references:
        rows.append(
            (
                f"{other.name} ({other.part})",
                f"{score_text(other.score.value, share=share)}: "
                f"{gap_text(other.comparison.difference, share=share, signed=True)} beside this "
                f"model ({other.comparison.answer})"
                + (
                    "" if other.mcnemar_p_value is None
                    else f", McNemar p = {number(other.mcnemar_p_value)}"
                ),
            )
        )
    if not rows:
        return None
    grid = Grid("All that was measured besides", ("what", "value"), tuple(rows))
    rest = " ".join(map(sentence, found.evidence[FIRST:]))
    return Section("measured", "What else was measured", (rest,) if rest else (), (), (grid,))


def audited(material: Material) -> Section | None:
    """Show the audit: each regularizer's effect beside its formula."""
    found = material.audit
    if found is None:
        return None
    grids = []
    if found.effects:
        grids.append(
            Grid(
                "Each penalty's effect, measured and by its formula",
                ("parameter", "how", "penalty", "measured", "expected", "error"),
                tuple(
                    (
                        clean(e.parameter, 60), e.route, _named(e.penalty),
                        number(e.measured), number(e.expected), number(e.error),
                    )
                    for e in found.effects
                ),
                frozenset({3, 4, 5}),
            )
        )
    if found.noises:
        grids.append(
            Grid(
                "Each noise: what it was to keep, and what it kept",
                ("where", "noise", "keep probability", "kept"),
                tuple(
                    (clean(n.name, 60), clean(n.noise, 60), number(n.keep_prob), number(n.kept))
                    for n in found.noises
                ),
                frozenset({2, 3}),
            )
        )
    if found.findings:
        grids.append(
            Grid(
                "Findings",
                ("where", "severity", "what"),
                tuple(
                    (clean(f.subject, 60), f.severity, clean(f.message, 300))
                    for f in found.findings
                ),
            )
        )
    acts = "Every regularizer does what its formula says."
    if found.findings:
        acts = "Nothing failed; what is remarkable stands below."
    elif not grids:
        acts = "There is no regularizer to audit."
    text = (
        "Real steps on a copy of the network, each effect beside its formula. "
        + (acts if found.passed else "Something does not act as it should: see the findings."),
    )
    return Section("audit", "Proof that it acts", text, (), tuple(grids))


def _named(penalty: str) -> str:
    """Return a penalty as it is written, with the numbers of a tensor alone."""
    return clean(_TENSOR.sub(_values, penalty), 90)


def _values(found: re.Match[str]) -> str:
    """Return the different numbers of a tensor's text, a few of them."""
    numbers = list(dict.fromkeys(number(float(each)) for each in found[1].split(",")))
    return ", ".join(numbers[:_MOST_VALUES]) + (", …" if len(numbers) > _MOST_VALUES else "")


def _settings(values: dict[str, Any]) -> str:
    """Return settings as a line, those that are off left out."""
    said = (
        f"{name} {number(value) if isinstance(value, float) else value}"
        for name, value in values.items()
        if value is not None
    )
    return clean(", ".join(said), 600)


def reproduce(material: Material) -> Section | None:
    """Say how to get the same again: command, seed, versions, settings."""
    facts = material.facts
    if not facts and not material.command:
        return None
    rows = []
    if "seed" in facts:
        rows.append(("seed", str(facts["seed"])))
    rows += [(f"{name}", str(value)) for name, value in facts.get("versions", {}).items()]
    for name in ("strengths", "recipe", "configuration"):
        if name in facts:
            rows.append((name, _settings(facts[name])))
    text = (
        "The same table, seed and versions give the same result, bit for bit on one kind of "
        "device.",
    )
    grid = Grid("Seed, versions and settings", ("what", "value"), tuple(rows))
    return Section(
        "reproduce", "How to reproduce this", text, (), (grid,) if rows else (), material.command
    )
