"""What differs between two settings although their numbers were converted, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from bridle.dialects.conventions import Convention
from bridle.dialects.settings import (
    DecaySetting,
    DropoutSetting,
    MaxNormSetting,
    PenaltySetting,
    Setting,
)

__all__ = ["differences", "lost_between"]

KINDS_OF_PARAMETERS = {
    "biases": "biases",
    "norms": "the parameters of normalization layers",
    "embeddings": "embeddings",
}
SELECTIONS = {
    "name": "the names of the parameters decide which are hit",
    "type": "the types of the modules decide which parameters are hit",
    "shape": "the shapes of the parameters decide which are hit",
}


def lost_between(read: Convention, write: Convention, l1: bool) -> list[str]:
    """Return what no number of the target can express; ``l1`` if there is an L1 strength."""
    source, target = read.setting, write.setting
    lost = []
    if isinstance(source, DecaySetting) and isinstance(target, DecaySetting):
        first, second = source.rescaled, target.rescaled
        if first != second:
            one, other = (read.name, write.name) if first else (write.name, read.name)
            lost.append(
                f"{one} rescales the decay of each weight with its gradients and {other} does "
                "not, so that no number gives the same decay for all weights; tune it again"
            )
    zeros, kept = (getattr(each, "exact_zeros", None) for each in (source, target))
    if l1 and zeros and kept is False:
        lost.append(
            f"{read.name} makes weights exactly 0 and {write.name} only small, since it follows "
            "the sign of the weight; set small weights to 0 yourself"
        )
    return lost


def differences(source: str, a: Setting, target: str, b: Setting) -> tuple[str, ...]:
    """Return what differs between two settings, and the traps of the target.

    ``source`` and ``target`` are the settings' names.
    """
    found: list[str] = []
    if isinstance(b, DropoutSetting) and isinstance(a, DropoutSetting):
        found += _dropout(source, a, target, b)
    elif not isinstance(b, DropoutSetting):
        found += _parameters(source, a, target, b)
    if isinstance(b, DecaySetting):
        found += _decay(source, a, target, b)
    if isinstance(b, PenaltySetting):
        found += _penalty(source, a, target, b)
    if isinstance(b, MaxNormSetting) and b.axes:
        way = f"are set with {b.axes}" if b.axes in b.signature.arguments else f"are the {b.axes}"
        found.append(f"the axes over which {target} takes the norm {way}")
    if b.surprise:
        found.append(f"{target}: {b.surprise}")
    if b.evidence == "read":
        found.append(f"{target} was read in its source or manual, and was not measured")
    return tuple(found)


def _dropout(source: str, a: DropoutSetting, target: str, b: DropoutSetting) -> Iterator[str]:
    if a.probability != b.probability:
        yield f"{b.argument} of {target} is the probability to {b.probability}"
    switch = f" ({b.switch})" if b.switch else ""
    if b.fresh == "active":
        same = ", as in " + source if a.fresh == "active" else ""
        yield f"{target} is active on a fresh model{same}: switch it off to predict{switch}"
    elif b.fresh == "inactive":
        yield f"{target} is inactive on a fresh model: it drops nothing until it is on{switch}"
    elif b.fresh == "argument":
        yield f"{target} must be told at each call whether it drops{switch}"
    if b.prediction == "active" and a.prediction != "active":
        yield f"{target} has no evaluation mode of its own: it also drops at prediction{switch}"
    if b.out_of_range in {"accepted", "clipped"} and b.out_of_range != a.out_of_range:
        yield f"{target} does not refuse a probability outside 0 to 1: it is {b.out_of_range}"
    whole = {"channels", "rows", "all"}
    if b.mask_axes in whole and a.mask_axes in whole and b.mask_axes != a.mask_axes:
        yield f"{target} draws its mask over {b.mask_axes}, and {source} over {a.mask_axes}"


def _parameters(source: str, a: Setting, target: str, b: Setting) -> Iterator[str]:
    hit: list[str] = []
    also: list[str] = []
    spared: list[str] = []
    for key, words in KINDS_OF_PARAMETERS.items():
        before, after = getattr(a, key, None), getattr(b, key, None)
        if after and key != "embeddings":
            (also if before else hit).append(words)
        elif after is False and before:
            spared.append(words)
    way = getattr(b, "exclude_with", None)
    out = f"; leave them out with {way}" if way else ""
    for found, end in ((hit, ""), (also, f", as {source} does")):
        if found:
            yield f"{target} also acts on {' and '.join(found)}{end}{out}"
    if spared:
        yield f"{target} does not act on {' and '.join(spared)}, and {source} does"
    selected = getattr(b, "selected_by", None)
    if selected in SELECTIONS:
        yield f"in {target}, {SELECTIONS[selected]}"


def _decay(source: str, a: Setting, target: str, b: DecaySetting) -> Iterator[str]:
    coupled = getattr(a, "coupling", "coupled")
    if coupled != b.coupling:
        words = {
            "coupled": "adds the decay to the gradient (coupled)",
            "decoupled": "shrinks the weight beside the gradient step (decoupled)",
        }
        was = words.get(coupled, "does not")
        yield f"{target} {words[b.coupling]}; {source} {was}"
    if b.rescaled and not (isinstance(a, DecaySetting) and a.rescaled):
        yield (
            f"{target} rescales the decay with the gradient, so that a weight of 1 can move as far "
            "as one of 100"
        )
    if b.times_lr is False:
        yield (
            f"{target} does not multiply the decay by the learning rate, so that a schedule of the "
            "rate does not change it; convert again if the rate changes"
        )
    elif isinstance(a, DecaySetting) and a.times_lr is False:
        yield f"{target} multiplies the decay by the learning rate, and {source} does not"
    if b.power is not None and b.power != 1:
        yield f"{target} multiplies the decay by the power {b.power} of a group's own factors"


def _penalty(source: str, a: Setting, target: str, b: PenaltySetting) -> Iterator[str]:
    if isinstance(a, DecaySetting) and a.coupling == "decoupled" and b.route != "proximal":
        yield (
            f"{source} shrinks the weight beside the gradient step, and {target} is part of the "
            "objective: an adaptive optimizer can rescale it"
        )
    if b.divided_by == "batch_rows":
        yield f"{target} divides by the rows of each batch; convert again if their number changes"
    if b.in_reported_loss == "always" and getattr(a, "in_reported_loss", None) != "always":
        yield f"the losses that are reported with {target} contain the penalty"
    elif b.in_reported_loss == "training":
        yield f"the training loss with {target} contains the penalty, and the evaluation's does not"
