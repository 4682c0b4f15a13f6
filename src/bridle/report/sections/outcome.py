"""The sections on the outcome: scores of both networks, and the course of training."""

from __future__ import annotations

from bridle.models.result import FitResult, Fitted
from bridle.networks.history import History
from bridle.report.figures import Curve, Measured, before_and_after, learning_curves
from bridle.report.formatting import gap_text, number
from bridle.report.inputs import ReportInputs
from bridle.report.records import Figure, Section
from bridle.statistics.scores import Estimate

__all__ = ["before_after", "training"]


def before_after(inputs: ReportInputs) -> Section | None:
    """Compare scores and gap of the plain and the regularized network."""
    plain, chosen = inputs.plain, inputs.chosen
    if plain is None or chosen is None:
        return None
    named = [("plain", plain), (inputs.chosen_name, chosen)]
    if inputs.fit is not None and inputs.fit.stopped is not None:
        named.insert(1, ("early stopping alone", inputs.fit.stopped))
    share, against = inputs.share, plain.diagnosis.measured_on
    scores = [
        Measured(part, who, value)
        for part in ("training", "held out", "test")
        for who, fitted in named
        for value in [_score(fitted, part)]
    ]
    scores += [
        Measured(part, inputs.baseline_name, Estimate(score, score, score))
        for part, score in inputs.baselines.items()
    ]
    gaps = [Measured("gap", who, fitted.diagnosis.gap) for who, fitted in named]
    values = [f"{gap_text(each.diagnosis.gap, share=share)} ({who})" for who, each in named]
    caption = (
        f"The gap, training minus {against}: {', '.join(values)}. "
        "Lines are 95 % intervals. A training score has no interval, because it is computed on "
        f"all training rows. The {inputs.baseline_name} is the best prediction that is the same "
        "for all rows."
    )
    text: tuple[str, ...] = (
        f"The gap is the training score minus the {against} score. Both scores use the same final "
        "weights, with noise off and without the penalty, so only the rows differ. The test set "
        "was used once, at the end.",
    )
    if inputs.search is not None:
        text += (
            "The model averages the networks of all folds. Its training score is that of rows "
            "on which all of them, or most, were trained. Each held-out row is scored by the "
            "networks that were not trained on it.",
        )
    figure = before_and_after(
        scores,
        gaps,
        score_name=inputs.score_name,
        share=share,
        caption=caption,
        against=against,
    )
    return Section("outcome", "Before and after", text, (figure,))


def _score(fitted: Fitted, part: str) -> Estimate:
    own = fitted.diagnosis
    return {"training": own.training, "held out": own.held_out, "test": fitted.test}[part]


def training(inputs: ReportInputs) -> Section | None:
    """Show the loss curves and the parts of the reported loss."""
    if inputs.fit is not None:
        return _of_fit(inputs.fit, inputs)
    if inputs.history is not None:
        return _of_history(inputs.history, inputs)
    if inputs.search is None and inputs.diagnosis is not None:
        return _of_diagnosis(inputs)
    return None


def _of_fit(result: FitResult, inputs: ReportInputs) -> Section:
    history = result.history
    titles = ("Plain", "Regularized")
    curves = [_curve(title, history, member) for member, title in enumerate(titles)]
    best, kept = history.best_epochs, history.epochs_kept
    last = len(history.train_loss)
    lowest, final = (float(history.held_out_loss[at, 0]) for at in (best[0] - 1, last - 1))
    after = (
        f"after that it rises from {number(lowest)} to {number(final)} while the training loss "
        "keeps falling. This is overfitting."
        if final > lowest
        else "it was still falling when training ended."
    )
    text = [
        f"The plain network's held-out loss is lowest at epoch {best[0]} of {last}; {after}",
        f"The regularized network uses its weights from epoch {kept[1]}.",
    ]
    at = int(kept[1]) - 1
    text.append(
        "At that epoch its training loss, as training loops usually report it, is "
        f"{number(float(history.reported_loss[at, 1]))}: "
        f"{number(float(history.train_loss[at, 1]))} data fit, "
        f"{number(float(history.noise[at, 1]))} added by noise, and "
        f"{number(float(history.penalty[at, 1]))} penalty. The curves show the data fit only."
    )
    return Section("training", "Training", tuple(text), (_figure(curves, inputs),))


def _of_history(history: History, inputs: ReportInputs) -> Section:
    members = history.train_loss.shape[1]
    curves = [_curve(f"Network {m}", history, m) for m in range(min(members, 6))]
    text: tuple[str, ...] = ()
    if members > len(curves):
        text = (f"Only the first {len(curves)} of {members} networks are shown.",)
    return Section("training", "Training", text, (_figure(curves, inputs),))


def _of_diagnosis(inputs: ReportInputs) -> Section | None:
    if inputs.diagnosis is None or inputs.diagnosis.curves is None:
        return None
    own = inputs.diagnosis.curves
    curve = Curve("", own.epochs, own.train_loss, own.held_out_loss, own.best_epoch)
    text = (
        f"The held-out loss is lowest at {own.unit} {own.best_epoch}. At the last {own.unit}, "
        f"{own.last_epoch}, it is {number(own.excess)} higher.",
    )
    figure = learning_curves(
        [curve], loss_name=inputs.loss_name, unit=own.unit, caption=_caption([curve], own.unit)
    )
    return Section("training", "Training", text, (figure,))


def _curve(title: str, history: History, member: int) -> Curve:
    return Curve(
        title,
        range(1, len(history.train_loss) + 1),
        history.train_loss[:, member].tolist(),
        history.held_out_loss[:, member].tolist(),
        int(history.best_epochs[member]),
    )


def _figure(curves: list[Curve], inputs: ReportInputs) -> Figure:
    return learning_curves(curves, loss_name=inputs.loss_name, caption=_caption(curves, "epoch"))


def _caption(curves: list[Curve], unit: str) -> str:
    sentences = []
    for curve in curves:
        last = curve.frame.iloc[-1]
        who = f"{curve.title}: " if curve.title else ""
        if "gap" in curve.frame:
            sentences.append(
                f"{who}at the last {unit} the held-out loss is {number(float(last['held_out']))} "
                f"and the training loss {number(float(last['training']))}."
            )
    shaded = "The shaded area is the held-out minus the training loss. " if sentences else ""
    text = shaded + " ".join(sentences)
    return text[:1].upper() + text[1:]
