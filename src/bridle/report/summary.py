"""The summary at the top of a report: verdict, key figures, evidence and advice."""

from __future__ import annotations

from bridle.diagnosis import Diagnosis, Part
from bridle.models.credit import regularizers_of
from bridle.models.result import FitResult, Fitted
from bridle.report.formatting import margin_text, score_text, sentence, short
from bridle.report.inputs import ReportInputs
from bridle.report.records import Tile
from bridle.search import SearchResult
from bridle.search.result import PERCENT_SCORINGS
from bridle.statistics.scores import Estimate
from bridle.statistics.verdict import opening_of
from bridle.statistics.wording import joined

__all__ = [
    "advice_of",
    "evidence_of",
    "evidence_title_of",
    "headline_of",
    "lede_of",
    "subject_of",
    "tiles_of",
]

FIRST = 4
"""How many pieces of evidence the summary shows; a later section has the rest."""


def headline_of(inputs: ReportInputs) -> str:
    """Return the verdict in a few words."""
    if inputs.fit is not None:
        return _fit_headline(inputs.fit)
    if inputs.search is not None:
        return _search_headline(inputs.search)
    if inputs.diagnosis is not None:
        return f"{_says('the model', inputs.diagnosis)}."
    if inputs.audit is not None:
        return "All regularizers act." if inputs.audit.passed else "The audit failed."
    return "The course of training."


def _says(who: str, found: Diagnosis) -> str:
    fine = ": it neither overfits nor underfits" if found.verdict == "fine" else ""
    return opening_of(who, found.verdict, found.reason, found.claims) + fine


def _fit_headline(result: FitResult) -> str:
    networks = {"plain": result.plain, "with early stopping alone": result.stopped}
    if regularizers_of(result.strengths) or result.stopped is None:
        networks["with all regularizers"] = result.regularized
    plain = result.plain.diagnosis
    share = plain.is_share
    gaps = [
        f"{score_text(each.diagnosis.gap.value, share=share).replace(' %', ' points')} {name}"
        for name, each in networks.items()
        if each is not None
    ]
    against = plain.measured_on
    return (
        f"{opening_of('the plain network', plain.verdict, plain.reason, plain.claims)}. "
        f"The gap, training minus {against}, is {joined(gaps)}."
    )


def _search_headline(result: SearchResult) -> str:
    who = f"The best of {result.considered} configurations"
    if len(result.together) > 1:
        who = f"The {len(result.together)} best of {result.considered} configurations, averaged,"
    predicts = "predicts" if len(result.together) == 1 else "predict"
    answer = result.comparisons["plain"].answer
    headlines = {
        "better": f"{who} {predicts} better than a network without regularization.",
        "same": f"{who} {predicts} as well as a network without regularization.",
        "worse": f"{who} {predicts} worse than a network without regularization.",
    }
    unclear = "It is unclear whether the search beats a network without regularization."
    return headlines.get(answer, unclear)


def lede_of(inputs: ReportInputs) -> tuple[str, ...]:
    """Return the verdict in sentences."""
    if inputs.fit is not None:
        return (inputs.fit.conclusion, *inputs.fit.credits)
    if inputs.search is not None:
        return (inputs.search.verdict,)
    if inputs.diagnosis is not None:
        return tuple(map(sentence, inputs.diagnosis.evidence[:1]))
    return ()


def subject_of(inputs: ReportInputs) -> str:
    """Return what the report is about, in one line."""
    result = inputs.fit or inputs.search
    if result is not None:
        rows = ", ".join(f"{count:,} {name}" for name, count in result.rows.items())
        sizes = "\u00a0→ ".join(map(str, result.model.network.sizes))
        members = result.model.network.members
        many = "network" if members == 1 else f"average of {members} networks"
        name = short(result.model.target_name, 80)
        return f"Predicting “{name}” ({result.model.task}) · rows: {rows} · {many} {sizes}"
    if inputs.diagnosis is not None:
        found = inputs.diagnosis
        parts = [part for part in (found.training, found.held_out, found.test) if part is not None]
        counts = ", ".join(f"{part.rows:,} {part.name}" for part in parts if part.rows is not None)
        rows = f" · rows: {counts}" if counts else ""
        return f"{short(found.subject, 120)} ({found.task}){rows}"
    return ""


def evidence_of(inputs: ReportInputs) -> tuple[str, ...]:
    """Return what the verdict is based on."""
    if inputs.diagnosis is not None:
        reason = (inputs.diagnosis.reason,) if inputs.diagnosis.reason else ()
        found = reason + inputs.diagnosis.evidence[1:FIRST] + inputs.diagnosis.notes
        return tuple(map(sentence, found))
    if inputs.plain is None or inputs.chosen is None:
        return ()
    named = (("Plain", inputs.plain), (inputs.chosen_name.capitalize(), inputs.chosen))
    return tuple(f"{name}: {fitted.diagnosis.evidence}." for name, fitted in named)


def evidence_title_of(inputs: ReportInputs) -> str:
    """Return the heading of the evidence."""
    if inputs.diagnosis is None or (inputs.fit is None and inputs.search is None):
        return "The evidence"
    network = f"the {inputs.chosen_name} network"
    if inputs.diagnosis.verdict == "overfits":
        return f"{network[0].upper()}{network[1:]} still overfits"
    return _says(network, inputs.diagnosis)


def advice_of(inputs: ReportInputs) -> tuple[str, ...]:
    """Return what to try next, in order of priority."""
    return () if inputs.diagnosis is None else tuple(map(sentence, inputs.diagnosis.advice))


def tiles_of(inputs: ReportInputs) -> tuple[Tile, ...]:
    """Return the key figures, each with that of the plain network if there is one."""
    if inputs.plain is not None and inputs.chosen is not None:
        return _fitted_tiles(inputs, inputs.plain, inputs.chosen)
    if inputs.diagnosis is not None:
        return _diagnosis_tiles(inputs.diagnosis)
    return ()


def _fitted_tiles(inputs: ReportInputs, plain: Fitted, chosen: Fitted) -> tuple[Tile, ...]:
    share, name = inputs.share, inputs.score_name
    stopped = None if inputs.fit is None else inputs.fit.stopped
    others = {"plain": plain} | ({} if stopped is None else {"early stopping": stopped})

    def tile(label: str, part: str) -> Tile:
        now = _measured(chosen, part)
        beside = {
            who: score_text(_measured(each, part).value, share=share)
            for who, each in others.items()
        }
        value, margin = score_text(now.value, share=share), margin_text(now, share=share)
        if part == "gap" and share:
            value, margin = value.removesuffix(" %"), f"{margin} points".strip()
            beside = {who: text.replace(" %", " points") for who, text in beside.items()}
        if part in inputs.baselines:
            beside[inputs.baseline_name] = score_text(inputs.baselines[part], share=share)
        return Tile(label, value, margin, tuple(f"{who}: {text}" for who, text in beside.items()))

    tiles = [
        tile(f"Training {name}", "training"),
        tile(f"Held-out {name}", "held out"),
        tile(f"Gap, training − {chosen.diagnosis.measured_on}", "gap"),
        tile(f"Test {name}", "test"),
    ]
    search = inputs.search
    if search is not None and search.scoring not in ("accuracy", "r2"):
        scoring = search.scoring.removeprefix("neg_").replace("_", " ")
        rate = search.scoring in PERCENT_SCORINGS
        value = score_text(search.test_score.value, share=rate)
        old = score_text(search.scores["plain"], share=rate)
        margin = margin_text(search.test_score, share=rate)
        tiles.append(Tile(f"Test {scoring}", value, margin, (f"plain: {old}",)))
    return tuple(tiles)


def _measured(fitted: Fitted, part: str) -> Estimate:
    own = fitted.diagnosis
    found = {"training": own.training, "held out": own.held_out, "gap": own.gap}
    return {**found, "test": fitted.test}[part]


def _diagnosis_tiles(diagnosis: Diagnosis) -> tuple[Tile, ...]:
    share, name = diagnosis.is_share, diagnosis.score_name

    def tile(label: str, part: Part | None) -> list[Tile]:
        if part is None:
            return []
        guess: tuple[str, ...] = ()
        if part.baseline is not None:
            constant = "majority class" if share else "mean"
            guess = (f"{constant}: {score_text(part.baseline, share=share)}",)
        value = score_text(part.score.value, share=share)
        return [Tile(f"{label} {name}", value, margin_text(part.score, share=share), guess)]

    tiles = tile("Training", diagnosis.training) + tile("Held-out", diagnosis.held_out)
    if diagnosis.gap is not None:
        gap = diagnosis.gap.value
        value = score_text(gap.value, share=share).removesuffix(" %")
        margin = margin_text(gap, share=share) + share * " points"
        tiles.append(Tile(f"Gap, training − {diagnosis.gap.measured_on}", value, margin))
    return tuple(tiles + tile("Test", diagnosis.test))
