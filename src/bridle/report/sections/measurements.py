"""The section with the other measurements of a diagnosis."""

from __future__ import annotations

from collections.abc import Iterator

from bridle.diagnosis import Diagnosis
from bridle.report.formatting import clean, gap_text, number, score_text, sentence
from bridle.report.inputs import ReportInputs
from bridle.report.records import Grid, Section
from bridle.report.summary import FIRST
from bridle.search.result import PERCENT_SCORINGS

__all__ = ["other_measurements"]


def other_measurements(inputs: ReportInputs) -> Section | None:
    """List size, memorization, dead units, noise, selection and other learners."""
    found = inputs.diagnosis
    if found is None:
        return None
    rows = [*_size(found), *_layers(found), *_noise(found), *_comparisons(found)]
    if not rows:
        return None
    grid = Grid("All other measurements", ("measurement", "value"), tuple(rows))
    rest = " ".join(map(sentence, found.evidence[FIRST:]))
    return Section("measured", "What else was measured", (rest,) if rest else (), (), (grid,))


def _size(found: Diagnosis) -> Iterator[tuple[str, str]]:
    if found.parameters is not None:
        yield "parameters (of one network)", f"{found.parameters:,}"
    if found.parameters_per_row is not None:
        yield "parameters per training row", number(found.parameters_per_row)
    shuffled = found.shuffled_labels
    if shuffled is not None:
        score, constant = (
            score_text(each, share=found.is_share)
            for each in (shuffled.training, shuffled.baseline)
        )
        yield (
            "training score on shuffled labels",
            f"{score}; the best constant prediction scores {constant} ({shuffled.rows:,} rows; "
            f"{shuffled.how})",
        )


def _layers(found: Diagnosis) -> Iterator[tuple[str, str]]:
    for layer in found.layers:
        silent = layer.silent_units or 0
        if not (layer.zeros or layer.dead_units or silent):
            continue
        many = "" if layer.members == 1 else f" of the {layer.members} networks together"
        units = f"{layer.dead_units} of {layer.members * layer.units:,} units{many} dead"
        never = f", {silent} with output 0 for every row" if silent else ""
        yield (
            f"{clean(layer.name, 60)}: {layer.inputs} × {layer.units}",
            f"{100 * layer.zeros / max(layer.weights, 1):.1f} % exact zeros; {units}{never}",
        )


def _noise(found: Diagnosis) -> Iterator[tuple[str, str]]:
    nets = found.subnetworks
    if nets is None or not nets.differs:
        return
    scaled, averaged = (
        score_text(each, share=found.is_share) for each in (nets.scaled_score, nets.averaged_score)
    )
    yield (
        f"weight scaling compared with the average of {nets.masks} subnetworks",
        f"mean difference {number(nets.difference.value)} (sampling alone would give "
        f"{number(nets.sampling)}); scores {scaled} and {averaged}",
    )


def _comparisons(found: Diagnosis) -> Iterator[tuple[str, str]]:
    share, selection = found.is_share, found.selection
    if selection is not None:
        yield (
            f"validation score minus test score, best of {selection.tried} configurations",
            gap_text(selection.optimism, share=selection.scoring in PERCENT_SCORINGS),
        )
    for other in found.references:
        p_value = other.mcnemar_p_value
        test = "" if p_value is None else f", McNemar p = {number(p_value)}"
        difference = gap_text(other.comparison.difference, share=share, signed=True)
        yield (
            f"{other.name} ({other.part})",
            f"{score_text(other.score.value, share=share)}: {difference} compared with this model "
            f"({other.comparison.answer}){test}",
        )
