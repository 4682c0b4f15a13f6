"""Proof: what else was measured, the audit, and how to reproduce it all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bridle.diagnosis import Diagnosis
from bridle.report.chapters.rows import clean
from bridle.report.material import Material
from bridle.report.opening import FIRST
from bridle.report.records import Grid, Section
from bridle.report.words import gap_text, number, score_text, sentence
from bridle.search.result import PERCENT_SCORINGS

__all__ = ["audited", "measured", "reproduce"]

_TENSOR = re.compile(r"tensor\(\[([^\]]*)\][^)]*\)")
_MOST_VALUES = 3


def measured(material: Material) -> Section | None:
    """Tell what else a diagnosis measured: size, memory, dead units, noise, selection, others."""
    found = material.diagnosis
    if found is None:
        return None
    rows = [*_size(found), *_layers(found), *_noise(found), *_beside(found)]
    if not rows:
        return None
    grid = Grid("All that was measured besides", ("what", "value"), tuple(rows))
    rest = " ".join(map(sentence, found.evidence[FIRST:]))
    return Section("measured", "What else was measured", (rest,) if rest else (), (), (grid,))


def _size(found: Diagnosis) -> Iterator[tuple[str, str]]:
    if found.parameters is not None:
        yield "parameters", f"{found.parameters:,}"
    if found.parameters_per_row is not None:
        yield "parameters for each training row", number(found.parameters_per_row)
    memory = found.shuffled_labels
    if memory is not None:
        said, guess = (
            score_text(each, share=found.is_share) for each in (memory.training, memory.baseline)
        )
        yield (
            "training score on shuffled targets",
            f"{said}, where guessing has {guess} ({memory.rows:,} rows; {memory.how})",
        )


def _layers(found: Diagnosis) -> Iterator[tuple[str, str]]:
    for layer in found.layers:
        silent = "" if layer.silent_units is None else f", {layer.silent_units} silent for all rows"
        many = "" if layer.members == 1 else f" (of {layer.members} networks together)"
        yield (
            f"{clean(layer.name, 60)}: {layer.inputs} × {layer.units}",
            f"{100 * layer.zeros / max(layer.weights, 1):.1f} % exact zeros, "
            f"{layer.dead_units} dead units{silent}{many}",
        )


def _noise(found: Diagnosis) -> Iterator[tuple[str, str]]:
    nets = found.subnetworks
    if nets is None:
        return
    scaled, averaged = (
        score_text(each, share=found.is_share) for each in (nets.scaled_score, nets.averaged_score)
    )
    yield (
        f"weight scaling against {nets.masks} subnetworks",
        f"differ by {number(nets.difference.value)} on average ({number(nets.sampling)} were they "
        f"the same); score {scaled} against {averaged}",
    )


def _beside(found: Diagnosis) -> Iterator[tuple[str, str]]:
    share, pick = found.is_share, found.selection
    if pick is not None:
        label = f"chosen among {pick.tried}, optimism of the validation score"
        yield label, gap_text(pick.optimism, share=pick.scoring in PERCENT_SCORINGS)
    for other in found.references:
        p_value = other.mcnemar_p_value
        test = "" if p_value is None else f", McNemar p = {number(p_value)}"
        difference = gap_text(other.comparison.difference, share=share, signed=True)
        yield (
            f"{other.name} ({other.part})",
            f"{score_text(other.score.value, share=share)}: {difference} beside this model "
            f"({other.comparison.answer}){test}",
        )


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
                        clean(e.parameter, 60),
                        e.route,
                        _named(e.penalty),
                        number(e.measured),
                        number(e.expected),
                        number(e.error),
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
