"""The first lines of a report: the verdict for people, and the figures that matter most."""

from __future__ import annotations

from bridle.diagnosis import Diagnosis, Part
from bridle.models.result import FitResult, Fitted
from bridle.report.material import Material
from bridle.report.records import Tile
from bridle.report.words import gap_text, margin_text, score_text, sentence, short
from bridle.search import SearchResult
from bridle.search.result import PERCENT_SCORINGS
from bridle.statistics.scores import Comparison, Estimate

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
"""How many pieces of evidence stand in the opening; the rest is further down."""

PLAIN_SAYS = {
    "overfits": "The plain network overfits",
    "underfits": "The plain network underfits",
    "fine": "The plain network is fine as it is",
    "cannot tell": "These rows cannot tell whether the plain network overfits",
}
IT_SAYS = {
    "overfits": "It overfits",
    "underfits": "It underfits",
    "fine": "It is fine: no gap that matters",
    "cannot tell": "Whether it overfits, these rows cannot tell",
}


def headline_of(material: Material) -> str:
    """Return the verdict in a few words."""
    if material.fit is not None:
        return _fit_headline(material.fit)
    if material.search is not None:
        return _search_headline(material.search)
    if material.diagnosis is not None:
        return f"{IT_SAYS[material.diagnosis.verdict]}."
    if material.audit is not None:
        return "Its regularizers act." if material.audit.passed else "The audit failed."
    return "What training did."


def _fit_headline(result: FitResult) -> str:
    before, after = result.plain.diagnosis, result.regularized.diagnosis
    share = before.score_name == "accuracy"
    old, new = (score_text(each.gap.value, share=share) for each in (before, after))
    if share:
        old, new = old.removesuffix(" %"), new.replace(" %", " points")
    if after.gap.value < before.gap.value and before.verdict != "underfits":
        return f"{PLAIN_SAYS[before.verdict]}; regularized, its gap falls from {old} to {new}."
    return f"{PLAIN_SAYS[before.verdict]}; regularizing does not narrow its gap."


def _search_headline(result: SearchResult) -> str:
    who = f"The best of {result.considered} configurations"
    if len(result.together) > 1:
        who = f"The {len(result.together)} best of {result.considered} configurations, averaged,"
    predicts = "predicts" if len(result.together) == 1 else "predict"
    answer = result.comparisons["plain"].answer
    said = {
        "better": f"{who} {predicts} better than a network without regularization.",
        "same": f"{who} {predicts} as well as a network without regularization.",
        "worse": f"{who} {predicts} worse than a network without regularization.",
    }
    doubt = "Whether the search beats a network without regularization, the test part cannot tell."
    return said.get(answer, doubt)


def lede_of(material: Material) -> tuple[str, ...]:
    """Return the verdict in sentences."""
    if material.fit is not None:
        return (_on_new_rows(material.fit.comparison, material.share),)
    if material.search is not None:
        return (material.search.verdict,)
    if material.diagnosis is not None:
        return tuple(map(sentence, material.diagnosis.evidence[:1]))
    return ()


def _on_new_rows(comparison: Comparison, share: bool) -> str:
    size = gap_text(comparison.difference, share=share, signed=True)
    return {
        "better": f"It also predicts new rows better: {size} on the test part.",
        "same": f"It predicts new rows as well as before: {size} on the test part.",
        "worse": f"But it predicts new rows worse: {size} on the test part. Try weaker strengths.",
        "cannot tell": "Whether it also predicts new rows better, the test part cannot tell: "
        f"the difference is {size}.",
    }[comparison.answer]


def subject_of(material: Material) -> str:
    """Return what was looked at, in one line."""
    result = material.fit or material.search
    if result is not None:
        rows = ", ".join(f"{count:,} {name}" for name, count in result.rows.items())
        sizes = "\u00a0→ ".join(map(str, result.model.network.sizes))
        members = result.model.network.members
        many = "network" if members == 1 else f"average of {members} networks"
        name = short(result.model.target_name, 80)
        return f"Predicting “{name}” ({result.model.task}) · rows: {rows} · {many} {sizes}"
    if material.diagnosis is not None:
        found = material.diagnosis
        parts = [part for part in (found.training, found.held_out, found.test) if part is not None]
        counts = ", ".join(f"{part.rows:,} {part.name}" for part in parts if part.rows is not None)
        rows = f" · rows: {counts}" if counts else ""
        return f"{short(found.subject, 120)} ({found.task}){rows}"
    return ""


def evidence_of(material: Material) -> tuple[str, ...]:
    """Return what the verdict rests on."""
    if material.diagnosis is not None:
        first = 0 if material.fit or material.search else 1
        found = material.diagnosis.evidence[first:FIRST] + material.diagnosis.notes
        return tuple(map(sentence, found))
    if material.plain is None or material.chosen is None:
        return ()
    named = (("Plain", material.plain), (material.chosen_name.capitalize(), material.chosen))
    return tuple(f"{name}: {fitted.diagnosis.evidence}." for name, fitted in named)


def evidence_title_of(material: Material) -> str:
    """Return what the evidence is on."""
    if material.diagnosis is None or (material.fit is None and material.search is None):
        return "The evidence"
    says = {
        "overfits": "it still overfits",
        "underfits": "it underfits",
        "fine": "it is fine, with no gap that matters",
        "cannot tell": "whether it overfits, these rows cannot tell",
    }[material.diagnosis.verdict]
    return f"The {material.chosen_name} network: {says}"


def advice_of(material: Material) -> tuple[str, ...]:
    """Return what to try next, in order."""
    return () if material.diagnosis is None else tuple(map(sentence, material.diagnosis.advice))


def tiles_of(material: Material) -> tuple[Tile, ...]:
    """Return the figures that matter most, each beside that of the plain network."""
    if material.plain is not None and material.chosen is not None:
        return _fitted_tiles(material, material.plain, material.chosen)
    if material.diagnosis is not None:
        return _diagnosis_tiles(material.diagnosis)
    return ()


def _fitted_tiles(material: Material, plain: Fitted, chosen: Fitted) -> tuple[Tile, ...]:
    share, name = material.share, material.score_name

    def tile(label: str, now: Estimate, before: Estimate, *, gap: bool = False) -> Tile:
        value = score_text(now.value, share=share)
        old = score_text(before.value, share=share)
        margin = margin_text(now, share=share)
        if gap and share:
            value, margin = value.removesuffix(" %"), f"{margin} points"
            old = old.replace(" %", " points")
        return Tile(label, value, margin, f"plain: {old}")

    own, bare = chosen.diagnosis, plain.diagnosis
    tiles = [
        tile(f"Training {name}", own.training, bare.training),
        tile(f"Held-out {name}", own.held_out, bare.held_out),
        tile("Gap", own.gap, bare.gap, gap=True),
        tile(f"Test {name}", chosen.test, plain.test),
    ]
    search = material.search
    if search is not None and search.scoring not in ("accuracy", "r2"):
        scoring = search.scoring.removeprefix("neg_").replace("_", " ")
        rate = search.scoring in PERCENT_SCORINGS
        value = score_text(search.test_score.value, share=rate)
        old = score_text(search.scores["plain"], share=rate)
        margin = margin_text(search.test_score, share=rate)
        tiles.append(Tile(f"Test {scoring}", value, margin, f"plain: {old}"))
    return tuple(tiles)


def _diagnosis_tiles(diagnosis: Diagnosis) -> tuple[Tile, ...]:
    share, name = diagnosis.is_share, diagnosis.score_name

    def tile(label: str, part: Part | None) -> list[Tile]:
        if part is None:
            return []
        guess = (
            "" if part.baseline is None else f"guessing: {score_text(part.baseline, share=share)}"
        )
        value = score_text(part.score.value, share=share)
        return [Tile(f"{label} {name}", value, margin_text(part.score, share=share), guess)]

    tiles = tile("Training", diagnosis.training) + tile("Held-out", diagnosis.held_out)
    if diagnosis.gap is not None:
        gap = diagnosis.gap.value
        value = score_text(gap.value, share=share).removesuffix(" %")
        margin = margin_text(gap, share=share) + share * " points"
        tiles.append(Tile("Gap", value, margin))
    return tuple(tiles + tile("Test", diagnosis.test))
