"""Ways to select, average and calibrate the trials that ``search_answers.py`` measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax
from scipy.stats import rankdata

from bridle.search.plan import ENSEMBLE_SIZE, ETA, EVALUATIONS, RUNGS

ROUNDS, BAGS = 25, 10
Array = np.ndarray


# ---------------------------------------------------------------------------------- errors


def log_losses(shares: Array, y: Array) -> Array:
    """Return the log loss of each row."""
    return -np.log(np.clip(np.take_along_axis(shares, y[:, None], 1)[:, 0], 1e-12, None))


def area(shares: Array, y: Array) -> float:
    """Return the mean area under the ROC curve of each class against the rest."""
    codes = [1] if shares.shape[1] == 2 else np.unique(y)
    areas = []
    for code in codes:
        ones = y == code
        ranks = rankdata(shares[:, code])[ones].sum() - ones.sum() * (ones.sum() + 1) / 2
        areas.append(ranks / (ones.sum() * (~ones).sum()))
    return float(np.mean(areas))


def errors_of(shares: Array, y: Array) -> dict[str, float]:
    """Return the errors; one of none counts as half of the smallest step."""
    if y.dtype.kind == "f":
        return {"RMSE": float(np.sqrt(np.mean((shares[:, 0] - y) ** 2)))}
    least = 0.5 / len(y)
    return {
        "log loss": max(float(log_losses(shares, y).mean()), 1e-4),
        "1 − accuracy": max(float((shares.argmax(1) != y).mean()), least),
        "1 − AUC": max(1 - area(shares, y), 1e-4),
    }


def score(shares: Array, y: Array, scoring: str) -> tuple[float, float]:
    """Return a score and the negative loss, higher is better."""
    if y.dtype.kind == "f":
        loss = -float(np.mean((shares[:, 0] - y) ** 2))
        return loss, loss
    loss = -float(log_losses(shares, y).mean())
    if scoring == "refined":
        return -refined(shares, y), loss
    if scoring == "accuracy":
        return float((shares.argmax(1) == y).mean()), loss
    return (area(shares, y), loss) if scoring == "roc_auc" else (loss, loss)


def refined(shares: Array, y: Array) -> float:
    """Return the log loss at the temperature where it is lowest."""
    logs = np.log(np.clip(shares, 1e-12, None))

    def loss(beta: float) -> float:
        scaled = np.exp(beta) * logs
        own = np.take_along_axis(scaled, y[:, None], 1)[:, 0]
        return float(np.mean(logsumexp(scaled, 1) - own))

    return float(
        minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-2}).fun
    )


# ---------------------------------------------------------------------------------- trials


@dataclass
class Trial:
    """A trial at its best evaluation: outputs of the held-out rows, and of the test set."""

    known: Array
    said: Array


class Measured:
    """What was measured for a table and split."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            self.arrays = dict(file)
        self.set = path.name.partition(".")[0]
        self.y, self.y_test, self.fold = (self.arrays[n] for n in ("y", "y_test", "fold"))
        self.classes = self.y.dtype.kind != "f"
        self.count = len(self.arrays["ids.0.0"])

    def shares(self, outputs: Array) -> Array:
        """Return probabilities, or values."""
        return softmax(outputs.astype(float), -1) if self.classes else outputs.astype(float)

    def halved(self, scoring: str, rows: Array) -> tuple[list[Trial], list[Trial]]:
        """Return the trials of the last rung and of the last two, if ``rows`` are scored."""
        best: dict[int, tuple[tuple[float, float], str, int]] = {}
        promoted = set(self.arrays["ids.0.0"].tolist())
        begun = []
        for rung in range(RUNGS):
            begun.append(promoted)
            for at in range(EVALUATIONS):
                key = f"{rung}.{at}"
                ids = self.arrays[f"ids.{key}"].tolist()
                for place, number in enumerate(ids):
                    if number in promoted:
                        outputs = self.shares(self.arrays[f"known.{key}"][place][rows])
                        now = score(outputs, self.y[rows], scoring)
                        if number not in best or now > best[number][0]:
                            best[number] = (now, key, place)
            ranked = sorted(promoted, key=lambda n: best[n][0], reverse=True)
            left = -(-self.count // ETA ** min(rung + 1, RUNGS - 1))
            promoted = set(ranked[:left])
        last, wide = (sorted(each, key=lambda n: best[n][0], reverse=True) for each in begun[:0:-1])
        return self._trials(best, last), self._trials(best, wide)

    def _trials(
        self, best: dict[int, tuple[tuple[float, float], str, int]], ids: list[int]
    ) -> list[Trial]:
        places = [best[each][1:] for each in ids]
        return [
            Trial(self.arrays[f"known.{key}"][at], self.arrays[f"said.{key}"][at])
            for key, at in places
        ]


# ------------------------------------------------------------------------------- averaging


def greedy(shares: Array, y: Array, _fold: Array, scoring: str) -> Array:
    """Return the weights of the greedy selection with replacement (Caruana et al. 2004)."""
    return _greedy(shares, y, np.arange(len(y)), scoring)


def _greedy(shares: Array, y: Array, rows: Array, scoring: str) -> Array:
    counts = np.zeros(len(shares))
    total = np.zeros_like(shares[0][rows])
    best, kept = (-np.inf, -np.inf), counts
    for _ in range(ROUNDS):
        scores = [
            score((total + each[rows]) / (counts.sum() + 1), y[rows], scoring) for each in shares
        ]
        at = max(range(len(scores)), key=lambda n: scores[n])
        counts = counts.copy()
        counts[at] += 1
        total = total + shares[at][rows]
        if scores[at] > best:
            best, kept = scores[at], counts
    return kept / kept.sum()


def bagged(shares: Array, y: Array, _fold: Array, scoring: str) -> Array:
    """Return the mean weights over halves of the rows."""
    random = np.random.default_rng(0)
    weights = []
    for _ in range(BAGS):
        rows = random.permutation(len(y))[: len(y) // 2]
        weights.append(_greedy(shares, y, rows, scoring))
    return np.mean(weights, 0)


def guarded(shares: Array, y: Array, fold: Array, scoring: str) -> Array:
    """Return greedy weights if, chosen on some folds, they beat equal ones on the others."""
    gains = np.zeros(len(y))
    even = np.full(len(shares), 1 / len(shares))
    for v in np.unique(fold):
        here = fold == v
        own = bagged(shares[:, ~here], y[~here], fold[~here], scoring)
        if y.dtype.kind == "f":
            loss = [(np.tensordot(w, shares, 1)[here, 0] - y[here]) ** 2 for w in (even, own)]
        else:
            loss = [log_losses(np.tensordot(w, shares, 1)[here], y[here]) for w in (even, own)]
        gains[here] = loss[0] - loss[1]
    if gains.mean() <= gains.std(ddof=1) / np.sqrt(len(gains)):
        return even
    return bagged(shares, y, fold, scoring)


# ----------------------------------------------------------------------------- temperature


def tempered(shares: Array, beta: float) -> Array:
    """Return probabilities at an inverse temperature."""
    return softmax(beta * np.log(np.clip(shares, 1e-12, None)), -1)


def fitted(loss: Callable[[float], float]) -> float:
    """Return the logarithm of the inverse temperature with the lowest loss."""
    return float(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x)


def temperature(at: Callable[[float], Array], y: Array, guard: str) -> float:
    """Return the inverse temperature: the best one, or 1 unless the gain is more than its error."""
    best = fitted(lambda b: float(log_losses(at(np.exp(b)), y).mean()))
    if guard == "free":
        return float(np.exp(best))
    gains = log_losses(at(1.0), y) - log_losses(at(np.exp(best)), y)
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    if guard == "guarded":
        return float(np.exp(best)) if gains.mean() > error else 1.0
    return float(np.exp(best * max(0.0, 1 - (error / max(gains.mean(), 1e-12)) ** 2)))


# ------------------------------------------------------------------------------------ ways


class Answer:
    """The average of trials with weights, at an inverse temperature of members or of the mean."""

    def __init__(self, measured: Measured, trials: list[Trial], weights: Array | None) -> None:
        self.measured = measured
        self.known = np.stack([each.known for each in trials]).astype(float)
        self.said = np.stack([each.said for each in trials]).astype(float)
        count = len(trials)
        self.weights = np.full(count, 1 / count) if weights is None else weights

    def _mean(self, outputs: Array, weights: Array, beta: float) -> Array:
        shares = self.measured.shares(beta * outputs if self.measured.classes else outputs)
        return np.tensordot(weights, shares, 1)

    def held_out(self, beta: float = 1.0) -> Array:
        """Return the predictions for the held-out rows."""
        return self._mean(self.known, self.weights, beta)

    def tested(self, beta: float = 1.0) -> Array:
        """Return the predictions for the test set."""
        folds = self.said.shape[1]
        return self._mean(
            self.said.reshape(-1, *self.said.shape[2:]),
            np.repeat(self.weights / folds, folds),
            beta,
        )


Pair = tuple[Array, Array]


def moved(new: Array, old: Array, truth: Array) -> Array:
    """Count the labels that changed, that became right, that became wrong, and the rows."""
    now, before = new.argmax(1), old.argmax(1)
    changed = now != before
    right, wrong = changed & (now == truth), changed & (before == truth)
    return np.array([changed.sum(), right.sum(), wrong.sum(), len(truth)])


def calibrated(answer: Answer, *, at_most_one: bool = False) -> Pair:
    """Return the predictions at the temperature of the mean that beats 1 by more than its error.

    The search takes one that is at most 1: its model averages the networks of all folds.
    """
    known, said = answer.held_out(), answer.tested()
    beta = temperature(partial(tempered, known), answer.measured.y, "guarded")
    beta = max(beta, 1.0) if at_most_one else beta
    return tempered(known, beta), tempered(said, beta)


def twice_calibrated(answer: Answer) -> Pair:
    """Return the predictions with a temperature of the members, and then one of their mean."""
    y = answer.measured.y
    beta = temperature(answer.held_out, y, "guarded")
    known, said = answer.held_out(beta), answer.tested(beta)
    beta = temperature(partial(tempered, known), y, "guarded")
    return tempered(known, beta), tempered(said, beta)


def ways_of(measured: Measured, scoring: str) -> dict[str, Pair]:
    """Return the predictions of each way, for the held-out rows and for the test set."""
    y, fold = measured.y, measured.fold
    finalists, wide = measured.halved(scoring, np.ones(len(y), bool))
    finalists = finalists[:ENSEMBLE_SIZE]
    even = Answer(measured, finalists, None)
    found: dict[str, Pair] = {"equal weights": (even.held_out(), even.tested())}
    answers = {"best": Answer(measured, finalists[:1], None)}
    if scoring in ("accuracy", "r2"):
        answers["equal, last two rungs"] = Answer(measured, wide, None)
        by = "neg_log_loss" if measured.classes else scoring
        for name, trials in (("", finalists), (", last two rungs", wide)):
            shares = np.stack([measured.shares(each.known) for each in trials])
            for chosen in (greedy, bagged, guarded):
                weights = chosen(shares, y, fold, by)
                answers[f"{chosen.__name__}{name}"] = Answer(measured, trials, weights)
    if not measured.classes:
        return found | {way: (each.held_out(), each.tested()) for way, each in answers.items()}
    for guard in ("free", "guarded", "shrunk"):
        beta = temperature(even.held_out, y, guard)
        found[f"T of members, {guard}"] = even.held_out(beta), even.tested(beta)
        known, said = even.held_out(), even.tested()
        beta = temperature(partial(tempered, known), y, guard)
        found[f"T of the mean, {guard}"] = tempered(known, beta), tempered(said, beta)
    found["T of members, then of the mean"] = twice_calibrated(even)
    return found | {f"{way}, T": calibrated(each) for way, each in answers.items()}


def crossed(known: Array, measured: Measured) -> Array:
    """Return the held-out predictions if each fold's temperature is fitted to the others."""
    found = np.zeros_like(known)
    for v in np.unique(measured.fold):
        here = measured.fold == v
        beta = temperature(partial(tempered, known[~here]), measured.y[~here], "guarded")
        found[here] = tempered(known[here], beta)
    return found


def nested(measured: Measured, scoring: str) -> Array:
    """Return the held-out predictions if each fold's are of what the others alone select."""
    found: Array = np.zeros((len(measured.y), measured.arrays["known.0.0"].shape[-1]))
    for v in np.unique(measured.fold):
        here = measured.fold == v
        answer = Answer(measured, measured.halved(scoring, ~here)[0][:ENSEMBLE_SIZE], None)
        known = calibrated(answer)[0] if measured.classes else answer.held_out()
        found[here] = known[here]
    return found
