"""The outcome: two networks before and after, and how training went."""

from __future__ import annotations

from bridle.models.result import FitResult, Fitted
from bridle.networks.history import History
from bridle.report.figures import Curve, Measured, before_and_after, learning_curves
from bridle.report.material import Material
from bridle.report.records import Figure, Section
from bridle.report.words import gap_text, number
from bridle.statistics.scores import Estimate

__all__ = ["before_after", "training"]


def before_after(material: Material) -> Section | None:
    """Say what regularizing changed: scores and gap of both networks."""
    plain, chosen = material.plain, material.chosen
    if plain is None or chosen is None:
        return None
    named = (("plain", plain), (material.chosen_name, chosen))
    share = material.share
    scores = [
        Measured(part, who, value)
        for part in ("training", "held out", "test")
        for who, fitted in named
        for value in [_score(fitted, part)]
    ]
    gaps = [Measured("gap", who, fitted.diagnosis.gap) for who, fitted in named]
    narrower = chosen.diagnosis.gap.value < plain.diagnosis.gap.value
    old, new = (gap_text(each.diagnosis.gap, share=share) for each in (plain, chosen))
    caption = (
        f"The gap of the plain network is {old}, that of the {material.chosen_name} one {new}. "
        "Lines are 95 % intervals; where a dot has none, the score is a fact about known rows."
    )
    text: tuple[str, ...] = (
        "The gap is what a training score promises beyond what new rows give. Both scores are of "
        "the same final weights, with noise off and the penalty left out, so that they differ in "
        "nothing but the rows.",
        f"Regularizing {'narrows' if narrower else 'does not narrow'} the gap here. Whether that "
        "is worth it, the test part says, which was opened once, at the end.",
    )
    if material.search is not None:
        text += (
            "Training and held-out scores are of the folds' networks here, each row judged by "
            "networks that learned it and by those that did not; the test score is of all of them "
            "together.",
        )
    figure = before_and_after(
        scores, gaps, score_name=material.score_name, share=share, caption=caption
    )
    return Section("outcome", "Before and after", text, (figure,))


def _score(fitted: Fitted, part: str) -> Estimate:
    own = fitted.diagnosis
    return {"training": own.training, "held out": own.held_out, "test": fitted.test}[part]


def training(material: Material) -> Section | None:
    """Say how training went: the curves, and what the reported loss is made of."""
    if material.fit is not None:
        return _of_fit(material.fit, material)
    if material.history is not None:
        return _of_history(material.history, material)
    if material.search is None and material.diagnosis is not None:
        return _of_diagnosis(material)
    return None


def _of_fit(result: FitResult, material: Material) -> Section:
    history = result.history
    titles = ("Plain", "Regularized")
    curves = [_curve(title, history, member) for member, title in enumerate(titles)]
    best, kept = history.best_epochs, history.epochs_kept
    last = len(history.train_loss)
    lowest, final = (float(history.held_out_loss[at, 0]) for at in (best[0] - 1, last - 1))
    after = (
        f"after that its held-out loss rises from {number(lowest)} to {number(final)}, while the "
        "training loss goes on falling: overfitting as it happens."
        if final > lowest
        else "its held-out loss was still falling when training ended."
    )
    text = [
        f"The plain network's held-out loss is lowest at epoch {best[0]} of {last}; {after}",
        f"The regularized network keeps its weights of epoch {kept[1]}.",
    ]
    at = int(kept[1]) - 1
    text.append(
        "Its training loss as it is usually reported would be "
        f"{number(float(history.reported_loss[at, 1]))}: "
        f"{number(float(history.train_loss[at, 1]))} of data fit, "
        f"{number(float(history.noise[at, 1]))} that the masks add, and "
        f"{number(float(history.penalty[at, 1]))} of penalty. The curves show the data fit alone."
    )
    return Section("training", "How training went", tuple(text), (_figure(curves, material),))


def _of_history(history: History, material: Material) -> Section:
    members = history.train_loss.shape[1]
    curves = [_curve(f"Network {m}", history, m) for m in range(min(members, 6))]
    text: tuple[str, ...] = ()
    if members > len(curves):
        text = (f"These are the first {len(curves)} of {members} networks.",)
    return Section("training", "How training went", text, (_figure(curves, material),))


def _of_diagnosis(material: Material) -> Section | None:
    if material.diagnosis is None or material.diagnosis.curves is None:
        return None
    own = material.diagnosis.curves
    curve = Curve("", own.epochs, own.train_loss, own.held_out_loss, own.best_epoch)
    text = (
        f"The held-out loss is lowest at {own.unit} {own.best_epoch}; the last {own.unit} is "
        f"{own.last_epoch}, where it is {number(own.excess)} higher.",
    )
    figure = learning_curves(
        [curve], loss_name=material.loss_name, unit=own.unit, caption=_caption([curve], own.unit)
    )
    return Section("training", "How training went", text, (figure,))


def _curve(title: str, history: History, member: int) -> Curve:
    return Curve(
        title,
        range(1, len(history.train_loss) + 1),
        history.train_loss[:, member].tolist(),
        history.held_out_loss[:, member].tolist(),
        int(history.best_epochs[member]),
    )


def _figure(curves: list[Curve], material: Material) -> Figure:
    return learning_curves(curves, loss_name=material.loss_name, caption=_caption(curves, "epoch"))


def _caption(curves: list[Curve], unit: str) -> str:
    said = []
    for curve in curves:
        last = curve.frame.iloc[-1]
        who = f"{curve.title}: " if curve.title else ""
        if "gap" in curve.frame:
            said.append(
                f"{who}at the last {unit} the held-out loss is {number(float(last['held_out']))}, "
                f"the training loss {number(float(last['training']))}."
            )
    shaded = "The shaded area is the gap between them. " if said else ""
    text = shaded + " ".join(said)
    return text[:1].upper() + text[1:]
