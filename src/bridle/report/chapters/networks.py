"""What regularizers do to networks: each alone, by strength, and to the weights."""

from __future__ import annotations

import numpy as np

from bridle.models.ablation_result import Ablated, Ablation
from bridle.models.fit import PLAIN
from bridle.networks.population import Network
from bridle.report.figures import Measured, effects, strength_path, weight_histograms, zero_map
from bridle.report.material import Material
from bridle.report.records import Figure, Section
from bridle.report.words import joined, number, score_text

__all__ = ["path", "regularizers", "weights"]

SERIES = {
    "plain": "var(--plain)",
    "regularized": "var(--chosen)",
    "chosen": "var(--chosen)",
    "L1": "var(--chosen)",
    "L2": "var(--second)",
}
MOST_LAYERS = 6
STILL_FITS = 0.05


def regularizers(material: Material) -> Section | None:
    """Say what each regularizer does alone."""
    found = material.ablation
    if found is None:
        return None
    shown = found.of("plain", "early stopping", "alone", "together")
    share = material.share
    scores = [Measured(each.label, "network", each.judgement.held_out) for each in shown]
    gaps = [Measured(each.label, "network", each.judgement.gap) for each in shown]
    plain, *others = shown
    least = min(others, key=lambda each: abs(each.judgement.gap.value))
    best = max(shown, key=lambda each: each.judgement.held_out.value)
    told = [each.label for each in others if each.against_plain.answer in ("better", "worse")]
    caption = (
        "The dotted line is the plain network. "
        f"The gap is smallest with {least.label}: {_gap(least, share=share)}, where the plain "
        f"network has {_gap(plain, share=share)}. The held-out score is highest with "
        f"{'no regularizer' if best is plain else best.label}: "
        f"{score_text(best.judgement.held_out.value, share=share)}. "
        + (
            f"In pairs with the plain network these rows tell apart {joined(told)}."
            if told
            else "In pairs with the plain network these rows tell none of them apart."
        )
    )
    text = (
        "The same network was trained again without regularizers, with early stopping alone, with "
        "each regularizer alone and with all together: from the same weights, on the same batches, "
        f"{found.rows['training']:,} rows to learn from, {found.rows['held out']:,} held out, "
        f"{found.epochs} epochs at most. The test part stayed closed.",
    )
    figure = effects(scores, gaps, score_name=material.score_name, share=share, caption=caption)
    return Section("regularizers", "Each regularizer alone", text, (figure,))


def _gap(each: Ablated, *, share: bool) -> str:
    return score_text(each.judgement.gap.value, share=share).replace(" %", " points")


def path(material: Material) -> Section | None:
    """Say how the score and the zeros move with the strength."""
    if material.ablation is not None:
        return _of_ablation(material.ablation, material)
    found = material.path
    if found is None:
        return None
    at = found.best
    zeros = [float(np.mean(list(each.values()))) for each in found.zeros]
    rows = list(zip(found.strengths, found.training_loss, found.held_out_loss, zeros, strict=True))
    caption = (
        f"The held-out loss is lowest, {number(found.held_out_loss[at])}, at "
        f"λ = {number(found.strengths[at])}."
    )
    figure = strength_path(
        [("Penalty", rows)],
        value_name="loss",
        chosen={"Penalty": found.strengths[at]},
        mark="best",
        caption=caption,
    )
    text = ("One network at falling strengths, each from the weights of the one before.",)
    return Section("path", "The λ path", text, (figure,))


def _of_ablation(found: Ablation, material: Material) -> Section | None:
    paths, said = [], []
    own = found.of("together")[0].strengths
    for name, strength in (("L1", "l1"), ("L2", "l2")):
        networks = found.of(f"{name} path")
        if not networks:
            continue
        rows = [
            (
                getattr(each.strengths, strength),
                each.judgement.training.value,
                each.judgement.held_out.value,
                each.zeros if name == "L1" else 0.0,
            )
            for each in networks
        ]
        best = max(rows, key=lambda row: row[2])
        paths.append((name, rows))
        said.append(
            f"With {name} alone the held-out {material.score_name} is highest, "
            f"{score_text(best[2], share=material.share)}, at λ = {number(best[0])}."
        )
    if not paths:
        return None
    figure = strength_path(
        paths,
        value_name=material.score_name,
        percent=material.share,
        chosen={"L1": own.l1, "L2": own.l2},
        mark="this model" if material.search is None else "the best one",
        caption=" ".join(said) + " The shaded area is the gap.",
    )
    text = (
        "Too weak, a penalty changes nothing; too strong, it leaves a network that can say one "
        "thing only. Between them the gap closes. Nothing but the one penalty acts here, and each "
        "network was trained to the end.",
    )
    return Section("path", "The λ path", text, (figure,))


def weights(material: Material) -> Section | None:
    """Show how large weights are, what L1 and L2 do to them, and where they are zero."""
    network = None if material.model is None else material.model.network
    if network is None:
        return None
    figures = [_by_layer(material, network)]
    if material.ablation is not None:
        figures += _side_by_side(material.ablation, material)
    layers = _layers(network)
    zeros = [float((weight == 0).mean()) for weight in layers]
    names = _names(layers)
    said = joined([f"{100 * zero:.0f} % ({name})" for zero, name in zip(zeros, names, strict=True)])
    text = [
        f"Exactly zero are {said} of the weights. "
        if any(zeros)
        else "No weight is exactly zero: nothing here drives weights there. L1 would.",
    ]
    if any(zeros):
        caption = (
            "Dark is zero. A dark column is an input that the layer does not read, a dark row a "
            "unit that reads nothing. A square is a block of weights where a layer has more than "
            "32 inputs or units."
        )
        if material.search is not None and any(c.bins for c in material.search.together):
            caption += " A configuration without bins reads no bins: those inputs count as zeros."
        figures.append(zero_map(layers[:MOST_LAYERS], names[:MOST_LAYERS], caption))
    return Section("weights", "What happened to the weights", tuple(text), tuple(figures))


def _layers(network: Network) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return [weight.detach().cpu().numpy() for weight in network.weights]


def _names(layers: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]) -> list[str]:
    return [f"layer {at}: {w.shape[1]} × {w.shape[2]}" for at, w in enumerate(layers, start=1)]


def _by_layer(material: Material, network: Network) -> Figure:
    layers = _layers(network)
    plain = None
    if material.fit is not None:
        plain = [weight[PLAIN].detach().numpy() for weight in material.fit.population.weights]
    who = material.chosen_name if material.plain is not None else "regularized"
    panels = []
    for at, (name, weight) in enumerate(zip(_names(layers), layers, strict=True)):
        series = {who: weight}
        panels.append((name, series if plain is None else {"plain": plain[at]} | series))
    caption = (
        "How large the weights of each layer are. The vertical scale is a square root, so that few "
        "large weights show beside many small ones. Exact zeros are in no bin; the table has them."
    )
    return weight_histograms(
        panels[:MOST_LAYERS],
        name="weights",
        title="The weights of each layer",
        colors=SERIES,
        caption=caption,
    )


def _side_by_side(found: Ablation, material: Material) -> list[Figure]:
    plain = found.networks[0]
    chosen = {"plain": plain}
    for name in ("L1", "L2"):
        least = plain.judgement.training.value - STILL_FITS
        fits = [e for e in found.of(f"{name} path") if e.judgement.training.value >= least]
        if fits:
            chosen[name] = fits[-1]
    if len(chosen) < 3:
        return []
    labels = {
        "plain": "Plain",
        "L1": f"L1 alone, λ = {number(chosen['L1'].strengths.l1)}",
        "L2": f"L2 alone, λ = {number(chosen['L2'].strengths.l2)}",
    }
    pooled = {
        name: np.concatenate([w.numpy().ravel() for w in found.weights(each.label)])
        for name, each in chosen.items()
    }
    panels = [(label, {name: pooled[name]}) for name, label in labels.items()]
    zeros = {name: float((weights == 0).mean()) for name, weights in pooled.items()}
    size = {name: float(np.sqrt(np.mean(np.square(weights)))) for name, weights in pooled.items()}
    within = "5 points" if material.share else "0.05"
    caption = (
        f"L1 makes {100 * zeros['L1']:.0f} % of the weights exactly zero, L2 "
        f"{100 * zeros['L2']:.0f} %. The root mean square of a weight is {number(size['plain'])} "
        f"plain, {number(size['L1'])} with L1 and {number(size['L2'])} with L2. Each penalty has "
        f"the greatest strength whose training score is within {within} of the plain network's."
    )
    figure = weight_histograms(
        panels,
        name="l1-and-l2",
        title="L1 beside L2",
        colors=SERIES,
        caption=caption,
    )
    return [figure]
