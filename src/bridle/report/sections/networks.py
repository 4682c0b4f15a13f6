"""The sections on regularizers and weights: each alone, the λ path, and the weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bridle.models.ablation_result import Ablated, Ablation
from bridle.models.credit import regularizers_of
from bridle.models.fit import PLAIN
from bridle.networks.population import Network
from bridle.report.figures import Measured, effects, strength_path, weight_histograms, zero_map
from bridle.report.formatting import clean, gap_text, number, score_text
from bridle.report.inputs import ReportInputs
from bridle.report.records import Figure, Section
from bridle.statistics.wording import joined

__all__ = ["path", "regularizers", "weights"]

SERIES = {
    "plain": "var(--plain)",
    "regularized": "var(--chosen)",
    "chosen": "var(--chosen)",
    "L1": "var(--chosen)",
    "L2": "var(--second)",
}
MOST_LAYERS, MOST_NAMES, NAME = 6, 5, 40
STILL_FITS = 0.05


def regularizers(inputs: ReportInputs) -> Section | None:
    """Show what each regularizer does alone."""
    found = inputs.ablation
    if found is None:
        return None
    roles = ["plain", "early stopping", "alone", "together"]
    if inputs.fit is not None and inputs.fit.stopped is None:
        roles.remove("early stopping")
    shown, share = found.of(*roles), inputs.share
    scores = [
        Measured(_label(each, inputs), part, value)
        for each in shown
        for part, value in (
            ("training", each.judgement.training),
            ("held out", each.judgement.held_out),
        )
    ]
    plain, *others = shown
    best = max(shown, key=lambda each: each.judgement.held_out.value)
    different = [
        _label(each, inputs) for each in others if each.against_plain.answer in ("better", "worse")
    ]
    caption = (
        "The dotted line is the held-out score of the plain network. The held-out score is highest "
        f"with {'no regularizer' if best is plain else _label(best, inputs)}: "
        f"{score_text(best.judgement.held_out.value, share=share)}. "
        + (
            "In a paired comparison with the plain network on the held-out rows, a difference is "
            f"clear for {joined(different)}."
            if different
            else "In a paired comparison with the plain network on the held-out rows, no "
            "difference is clear."
        )
        + _beyond(found, share=share)
    )
    text = (
        "The same network was trained again without regularizers, with early stopping alone, with "
        "each regularizer alone, and with all together. All start from the same weights and see "
        f"the same batches: {found.rows['training']:,} training rows, "
        f"{found.rows['held out']:,} held-out rows, at most {found.epochs} epochs. The test set "
        f"was not used. {_how_it_differs(found, inputs)}".strip(),
    )
    figure = effects(scores, score_name=inputs.score_name, share=share, caption=caption)
    return Section("regularizers", "Each regularizer alone", text, (figure,))


def _label(each: Ablated, inputs: ReportInputs) -> str:
    if each.role == "together" and inputs.search is not None:
        return "all of the best configuration"
    return each.label


def _how_it_differs(found: Ablation, inputs: ReportInputs) -> str:
    """Return why the scores are not those of the model, if they are not."""
    if inputs.search is not None:
        return (
            "These are single networks, not the average of the search, so their scores are lower "
            "or higher than those above."
        )
    if inputs.fit is not None and found.rows["training"] < inputs.fit.rows["training"]:
        return "These are fewer rows than the fit had, so the scores differ from those above."
    return ""


def _beyond(found: Ablation, *, share: bool) -> str:
    """Return what all regularizers together add to early stopping."""
    together = found.of("together")[0]
    if not regularizers_of(together.strengths):
        return ""
    difference = gap_text(together.against_stopping.difference, share=share, signed=True)
    answer = {
        "better": "better than",
        "same": "as good as",
        "worse": "worse than",
        "cannot tell": "not distinguishable from",
    }[together.against_stopping.answer]
    return f" All together are {answer} early stopping alone on the held-out rows ({difference})."


def path(inputs: ReportInputs) -> Section | None:
    """Show how score and exact zeros change with the strength."""
    if inputs.ablation is not None:
        return _of_ablation(inputs.ablation, inputs)
    found = inputs.path
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
    text = (
        "One network was trained at decreasing strengths. Each training starts from the weights "
        "of the previous one.",
    )
    return Section("path", "The λ path", text, (figure,))


def _of_ablation(found: Ablation, inputs: ReportInputs) -> Section | None:
    paths, sentences = [], []
    own = found.of("together")[0].strengths
    for name, strength in (("L1", "l1"), ("L2", "l2")):
        networks = found.of(f"{name} path")
        if not networks or not _says_something(networks, acts=getattr(own, strength) > 0):
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
        sentences.append(
            f"With {name} alone, the held-out {inputs.score_name} is highest at "
            f"λ = {number(best[0])}: {score_text(best[2], share=inputs.share)}."
        )
    if not paths:
        return None
    chosen = {name: getattr(own, name.lower()) for name, _ in paths}
    sentences.append(_marks(inputs, chosen))
    figure = strength_path(
        paths,
        value_name=inputs.score_name,
        percent=inputs.share,
        chosen=chosen,
        own=_own_scores(inputs),
        mark="this model" if inputs.search is None else "best",
        caption=" ".join(filter(None, sentences)),
    )
    text = (
        "A penalty that is too weak changes nothing. One that is too strong leaves a network that "
        "predicts the same for every row. Between these extremes the two scores approach each "
        "other. On the lines only the one penalty acts, and there is no early stopping.",
    )
    return Section("path", "The λ path", text, (figure,))


def _says_something(networks: Sequence[Ablated], *, acts: bool) -> bool:
    """Return whether the model has the penalty, or some strength of it is clearly better."""
    return acts or any(each.against_plain.answer == "better" for each in networks)


def _own_scores(inputs: ReportInputs) -> tuple[float, float, float] | None:
    """Return this model's training score, held-out score and share of zeros."""
    if inputs.fit is None:
        return None
    own, layers = inputs.fit.regularized.diagnosis, _layers(inputs.fit.model.network)
    zeros = sum(int((each == 0).sum()) for each in layers) / sum(each.size for each in layers)
    return own.training.value, own.held_out.value, zeros


def _marks(inputs: ReportInputs, chosen: dict[str, float]) -> str:
    """Return what the marks are."""
    marked = [name for name, strength in chosen.items() if strength]
    absent = [name for name, strength in chosen.items() if not strength]
    whose = "this model" if inputs.search is None else "the best configuration"
    text = f"The dotted line is the λ of {whose}. " if marked else ""
    if marked and inputs.fit is not None:
        text += "The diamonds are this model, with all its regularizers and early stopping. "
    if absent:
        text += f"{whose.capitalize()} has no {joined(absent)}. "
    return text + "The shaded area is the training minus the held-out score."


def weights(inputs: ReportInputs) -> Section | None:
    """Show the size of the weights, the effect of L1 and L2, and the exact zeros."""
    network = None if inputs.model is None else inputs.model.network
    if network is None:
        return None
    figures = [_by_layer(inputs, network)]
    if inputs.ablation is not None:
        figures += _side_by_side(inputs.ablation, inputs)
    layers = _layers(network)
    zeros = [float((weight == 0).mean()) for weight in layers]
    names = _names(layers)
    listed = joined(
        [f"{100 * zero:.0f} % ({name})" for zero, name in zip(zeros, names, strict=True)]
    )
    text = [
        f"Share of weights that are exactly zero: {listed}."
        if any(zeros)
        else f"No weight is exactly zero. {_of_l1(inputs)}",
    ]
    if any(zeros):
        caption = (
            "Dark squares are zero. A dark column is an input that the layer does not use. A dark "
            "row is a unit without incoming weights. In a layer with more than 32 inputs or units, "
            "each square is a block of weights."
        )
        caption += _unused(layers[0], _features(inputs))
        together = () if inputs.search is None else inputs.search.together
        if any(each.bins or each.embedding for each in together):
            caption += (
                " A configuration without numerical bins or without an embedding does not use "
                "these inputs: their weights count as zeros."
            )
        figures.append(
            zero_map(layers[:MOST_LAYERS], names[:MOST_LAYERS], caption, inputs=_features(inputs))
        )
    return Section("weights", "The weights", tuple(text), tuple(figures))


def _of_l1(inputs: ReportInputs) -> str:
    """Return what an L1 penalty would do, or why there are no zeros although there is one."""
    facts = {} if inputs.model is None else inputs.model.facts
    if (facts.get("strengths") or {}).get("l1"):
        return "L1 is active, but too weak to set weights to zero in these epochs."
    return "An L1 penalty would set weights to zero."


def _unused(
    weights: np.ndarray[tuple[int, ...], np.dtype[np.float32]], names: Sequence[str]
) -> str:
    """Return the names of the inputs whose weights are all zero, in a sentence."""
    never = np.flatnonzero((weights == 0).all((0, 2))).tolist()
    unused = [clean(names[at], NAME) for at in never]
    if not unused:
        return ""
    if len(unused) > MOST_NAMES:
        unused = [*unused[:MOST_NAMES], f"{len(unused) - MOST_NAMES:,} more"]
    return f" The network does not use {joined(unused)}."


def _features(inputs: ReportInputs) -> list[str]:
    if inputs.model is None:
        return []
    names, own = list(inputs.model.encoder.feature_names), inputs.model.network.embedding
    numbers, _, outputs = (0, 0, 0) if own is None else own.shape
    embedded = [f"{name}, embedded {j + 1}" for name in names[:numbers] for j in range(outputs)]
    return [*names, *embedded]


def _layers(network: Network) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return [weight.detach().cpu().numpy() for weight in network.weights]


def _names(layers: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]) -> list[str]:
    return [f"layer {at}: {w.shape[1]} × {w.shape[2]}" for at, w in enumerate(layers, start=1)]


def _by_layer(inputs: ReportInputs, network: Network) -> Figure:
    layers = _layers(network)
    plain = None
    if inputs.fit is not None:
        plain = [weight[PLAIN].detach().numpy() for weight in inputs.fit.population.weights]
    who = inputs.chosen_name if inputs.plain is not None else "regularized"
    panels = []
    for at, (name, weight) in enumerate(zip(_names(layers), layers, strict=True)):
        series = {who: weight}
        panels.append((name, series if plain is None else {"plain": plain[at]} | series))
    caption = (
        "Distribution of the weights of each layer. The vertical scale is a square root, so that "
        "a few large weights are visible beside many small ones. Exact zeros are not drawn; the "
        "table lists them."
    )
    return weight_histograms(
        panels[:MOST_LAYERS],
        name="weights",
        title="The weights of each layer",
        colors=SERIES,
        caption=caption,
    )


def _side_by_side(found: Ablation, inputs: ReportInputs) -> list[Figure]:
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
    within = "5 points" if inputs.share else "0.05"
    caption = (
        f"L1 sets {100 * zeros['L1']:.0f} % of the weights to exactly zero, L2 "
        f"{100 * zeros['L2']:.0f} %. The root mean square of the weights is "
        f"{number(size['plain'])} in the plain network, {number(size['L1'])} with L1 and "
        f"{number(size['L2'])} with L2. Each penalty has the largest strength at which the "
        f"training score is within {within} of the plain network's."
    )
    figure = weight_histograms(
        panels,
        name="l1-and-l2",
        title="L1 compared with L2",
        colors=SERIES,
        caption=caption,
    )
    return [figure]
