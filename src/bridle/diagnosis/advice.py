"""The sentences of a diagnosis: the evidence for its verdict, and what to try next."""

from __future__ import annotations

import math

from bridle.checks.verdicts import more_rows, rows_for_a_lead, rows_needed, undecided
from bridle.diagnosis.record import Diagnosis
from bridle.diagnosis.row_curve import change_text
from bridle.statistics.dominant import DOMINATES, several_dominate
from bridle.statistics.verdict import NOTHING, RARE
from bridle.statistics.wording import estimate_text, gap_evidence, score_text

__all__ = ["advice_of", "evidence_of"]

_MANY_PARAMETERS = 10.0
_MISCALIBRATED = 0.05


def evidence_of(found: Diagnosis) -> tuple[str, ...]:
    """Return the evidence for the verdict, the most important first."""
    lines = [*_of_gap(found), *_of_references(found), *_of_curves(found), *_of_the_rest(found)]
    return tuple(lines)


def _of_gap(found: Diagnosis) -> list[str]:
    share, gap, training = found.is_share, found.gap, found.training
    per_cent = " %" if share else ""
    if gap is None and _known(found):
        return []
    if gap is None or training is None:
        parts = [each for each in (found.held_out, found.test, training) if each is not None]
        return [
            f"{found.score_name} {score_text(each.score.value, share=share)}{per_cent} "
            f"({each.name}); the gap needs both training rows and new rows"
            for each in parts[:1]
        ]
    new = found.held_out if gap.measured_on == "held out" else found.test
    here = training.score.value - gap.value.value if new is None else new.score.value
    values, where = (training.score.value, here), _on(gap.measured_on)
    return [gap_evidence(found.score_name, *values, where, gap.value, share=share)]


def _known(found: Diagnosis) -> bool:
    """Return whether the model was trained on the supposedly new rows, or on their groups."""
    failing = {each.code for each in (*found.checks, *found.checks.silenced)}
    return bool(failing & {"BR011", "BR013"})


def _on(part: str) -> str:
    return "on held-out rows" if part == "held out" else "on the test set"


def _of_references(found: Diagnosis) -> list[str]:
    share = found.is_share
    unit = " %" if share else ""
    return [
        f"{each.name} scores {score_text(each.score.value, share=share)}{unit} on the same rows "
        f"(difference {estimate_text(each.comparison.difference, share=share, signed=True)})"
        for each in sorted(found.references, key=lambda one: -one.comparison.difference.value)
    ]


def _of_curves(found: Diagnosis) -> list[str]:
    curves = found.curves
    if curves is None:
        return []
    text = (
        f"the held-out loss was lowest at {curves.unit} {curves.best_epoch} of {curves.last_epoch}"
    )
    if curves.excess > 0:
        low = min(curves.held_out_loss)
        text += f" ({low:.3g}); at the end it was {curves.held_out_loss[-1]:.3g}"
    return [text]


def _of_the_rest(found: Diagnosis) -> list[str]:
    lines = []
    if (curve := found.learning_curve) is not None:
        lines.append(curve.sentence[0].lower() + curve.sentence[1:])
    if (shuffled := found.shuffled_labels) is not None:
        lines.append(f"trained on shuffled labels, it memorizes {shuffled.memorised:.0%} of them")
    if (chosen := found.selection) is not None:
        lines.append(
            f"the best of {chosen.tried} configurations has a validation score of "
            f"{chosen.validation_score:.4g} and a test score of {chosen.honest_score.value:.4g}"
        )
    if (fit := found.calibration) is not None:
        lines.append(
            f"the expected calibration error is {fit.ece:.3f}; a perfectly calibrated model would "
            f"have {fit.ece_if_calibrated:.3f}"
        )
    masks = found.subnetworks
    if masks is not None and masks.differs:
        lines.append(
            f"weight scaling differs by {masks.difference.value:.4f} from the average of "
            f"{masks.masks} subnetworks (sampling alone would give {masks.sampling:.4f})"
        )
    return [each.replace("%", " %") for each in lines]


def advice_of(found: Diagnosis) -> tuple[str, ...]:
    """Return what to try next, in order of priority."""
    lines = {
        "overfits": _against_overfitting,
        "underfits": _against_underfitting,
        "fine": lambda _: [],
        "cannot tell": _to_tell,
    }[found.verdict](found)
    return (*lines, *_besides(found))


def _strengths(found: Diagnosis) -> dict[str, object]:
    """Return the active regularizers, if they are known."""
    given = found.facts.get("strengths") or {}
    off = {"l1": 0.0, "l2": 0.0, "max_norm": None}
    return {name: value for name, value in given.items() if value != off.get(name, 1.0)}


def _search(found: Diagnosis) -> str:
    if "answer" in found.facts:
        return "search longer, and include smaller networks (hidden=)"
    return (
        "let a search choose the regularization: bridle.search, or `bridle fit` without strengths"
    )


def _against_overfitting(found: Diagnosis) -> list[str]:
    lines, curves = [], found.curves
    if curves is not None and curves.kept_epoch > curves.best_epoch and curves.excess > 0:
        lines.append(
            f"stop early: the held-out loss was lowest at {curves.unit} "
            f"{curves.best_epoch}, but the weights are from {curves.unit} {curves.kept_epoch}"
        )
    acting = _strengths(found)
    if acting:
        lines.append(f"strengthen the active regularizers: {', '.join(acting)}")
    elif "strengths" in found.facts:
        lines.append("add dropout (keep_prob=0.5), L2 and L1: no regularizer is active yet")
    else:
        lines.append("regularize it more, or fit a simpler model")
    lines.append(_search(found))
    if (found.parameters_per_row or 0) > _MANY_PARAMETERS:
        lines.append(
            f"use a smaller network: it has {found.parameters_per_row:.0f} parameters per "
            "training row"
        )
    better = [each for each in found.references if each.comparison.answer == "better"]
    lines += [f"consider {each.name}, which predicts new rows better" for each in better]
    if found.learning_curve is None or found.learning_curve.answer == "cannot tell":
        lines.append("collect more training rows, if possible")
    return lines


def _against_underfitting(found: Diagnosis) -> list[str]:
    lines, curves = [], found.curves
    acting = _strengths(found)
    if acting:
        lines.append(f"weaken the active regularizers: {', '.join(acting)}")
    if curves is not None and curves.train_slope is not None and curves.train_slope < 0:
        lines.append("train longer: the training loss was still falling at the end")
    network = found.layers or curves is not None or "strengths" in found.facts
    larger = "a larger network or a higher learning rate" if network else "a more flexible model"
    lines.append(f"try {larger}")
    lines.append(_search(found))
    if found.references:
        lead = max(found.references, key=lambda each: each.comparison.difference.value)
        if lead.comparison.difference.low > 0:
            lines.append(f"consider {lead.name}, which predicts the same rows better")
    return lines


def _to_tell(found: Diagnosis) -> list[str]:
    if found.gap is None and _known(found):
        return ["give new rows that it was not trained on"]
    if found.gap is None:
        return ["give both its training rows (training=) and new rows (data)"]
    if not found.claims:
        few = _too_few_rows(found)
        part = "training" if _constant(found) else "new"
        return [few or f"give {part} rows whose target has several values"]
    claims = {each.claim: each for each in found.claims}
    opening, claim = "", undecided(claims)
    if found.reason.startswith(RARE):
        return [
            "use a score that does not depend on the share of a class: --scoring roc_auc or "
            "balanced_accuracy, or train with --class-weight balanced"
        ]
    if found.reason.startswith(NOTHING):
        return _whether_anything_is_learnable(found)
    if claims["does not overfit"].holds:
        if "does not underfit" not in claims:
            return [
                "it does not overfit; give the training rows (training=) to find out whether "
                "another learner predicts better"
            ]
        other = "another learner" if claim is None else claim.null.partition(" leads ")[0]
        opening = f"it does not overfit; to find out whether {other} predicts better, "
    units, what = _new_rows(found)
    lines = []
    if DOMINATES in found.reason:
        lines.append(
            "check those values (see the notes); if they are wrong, correct them or leave them out"
            if several_dominate(found.reason)
            else "check that value (see the notes); if it is wrong, correct it or leave it out"
        )
    elif claim is not None and units:
        need = rows_needed(units, claim, found.gap.value)
        lines.append(opening + more_rows(units, need, found.gap.measured_on, what))
    lines.append("cross-validate, so that every row is held out once; bridle.search does this")
    return lines


def _whether_anything_is_learnable(found: Diagnosis) -> list[str]:
    """Return what to do about a model that has learned next to nothing."""
    lines, (units, what) = [], _new_rows(found)
    need = rows_for_a_lead(units, found.references) if units else math.nan
    if found.gap is not None and not math.isnan(need):
        best = max(found.references, key=lambda each: each.comparison.difference.value)
        more = more_rows(units, need, found.gap.measured_on, what)
        lines.append(f"to find out whether {best.name} predicts better, {more}")
    if found.is_share:
        lines.append(
            "compare ROC AUC or the loss with that of a constant: accuracy alone does not show "
            "whether the columns say something about the target"
        )
    else:
        lines.append("add columns: it has found no way to predict the target")
    return lines


def _new_rows(found: Diagnosis) -> tuple[int, str]:
    """Return the number of new rows, or of their groups, and what is counted."""
    on = None if found.gap is None else found.gap.measured_on
    new = found.held_out if on == "held out" else found.test
    if new is None or not new.rows:
        return 0, "rows"
    return (new.rows, "rows") if new.groups is None else (new.groups, "groups")


def _constant(found: Diagnosis) -> bool:
    """Return whether the score of the training rows is undefined."""
    return found.training is not None and math.isnan(found.training.score.value)


def _too_few_rows(found: Diagnosis) -> str:
    """Return what to do if the score is defined, but has no interval; else an empty string."""
    if found.gap is None or found.gap.standard_error is None:
        return ""
    new = found.held_out if found.gap.measured_on == "held out" else found.test
    if new is None or math.isnan(new.score.value) or not math.isnan(new.score.low):
        return ""
    if new.groups is not None:
        return f"use more new groups: {new.groups} are too few for an interval"
    return f"use more new rows: {new.rows} are too few for an interval of R²"


def _besides(found: Diagnosis) -> list[str]:
    """Return advice that does not depend on the verdict."""
    lines = []
    curve = found.learning_curve
    if curve is not None and curve.answer == "would help":
        moved = change_text(curve.points, curve.change, curve.score_name, curve.answer)
        lines.append(f"collect more training rows: {moved}")
    if (fit := found.calibration) is not None and fit.p_value < _MISCALIBRATED:
        if fit.overconfidence.low > 0:
            more = (
                "" if found.verdict == "underfits" else "regularize more, use label smoothing, or "
            )
            lines.append(f"its probabilities are overconfident: {more}{_to_calibrate(found)}")
        elif fit.overconfidence.high < 0:
            lines.append(f"its probabilities are underconfident: {_to_calibrate(found)}")
    masks = found.subnetworks
    if masks is not None and masks.differs and masks.averages_better:
        lines.append(
            "average over subnetworks at prediction: the mean loss is "
            f"{masks.averaged_loss:.3g} instead of {masks.scaled_loss:.3g}"
        )
    dead = sum(each.dead_units for each in found.layers)
    if dead:
        members = found.layers[0].members
        of = f" of the {members} networks" if members > 1 else ""
        units = "dead unit" if dead == 1 else f"{dead} dead units"
        lines.append(f"remove the {units}{of} with bridle.compact; predictions stay the same")
    return lines


def _to_calibrate(found: Diagnosis) -> str:
    if found.temperature == 1.0:
        return "calibrate them on held-out rows"
    return (
        f"the temperature {found.temperature:.3g}, fitted on held-out rows, is already applied, so "
        "that what remains needs new rows, or a method of more parameters such as isotonic "
        "regression"
    )
