"""What the scripts share: each probe runs a setting on plain lists and names what it saw.

The names and values are those of the fields of the records in ``bridle.dialects``.
"""

from __future__ import annotations

import inspect
import json
import math
import sys
import warnings
from typing import Any, Callable, Mapping  # noqa: UP035  Python 3.8 too

COUNT = 4000
WEIGHT, GRADIENT, LR, DECAY = 1.0, -0.05, 0.1, 0.1  # the gradient is weaker than the decay
REFUSALS = (ValueError, RuntimeError, AssertionError, TypeError, NotImplementedError)

Layer = Callable[..., Any]  # of values and of the number that the user writes
Step = Callable[..., Any]


def attempt(call: Callable[[], Any], refusals: tuple[type[BaseException], ...] = REFUSALS) -> Any:
    """Return the result of a call, or "refused" if it raises what a refusal raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call()
    except refusals:
        return "refused"


def default(function: Callable[..., Any], argument: str) -> Any:
    """Return the default of an argument."""
    return inspect.signature(function).parameters[argument].default


def _near(value: float, wanted: float, rel: float = 1e-3) -> bool:
    return math.isclose(value, wanted, rel_tol=rel, abs_tol=1e-7)


def dropout(
    train: Layer,
    predict: Layer | None,
    refusals: tuple[type[BaseException], ...] = REFUSALS,
    gradient: Layer | None = None,
) -> dict[str, Any]:
    """Return what a dropout does.

    Parameters
    ----------
    train, predict : function
        Of values and of the number that the user writes: the values after dropout in training and
        at prediction. Without a mode of prediction ``predict`` is None.
    refusals : tuple of types
        The exceptions by which the framework refuses a number.
    gradient : function, optional
        Of values and of the number: the gradient with respect to the values in training.
    """
    ones = [1.0] * COUNT
    seen = list(train(ones, 0.2))
    kept = [value for value in seen if value]
    share = len(kept) / COUNT
    found: dict[str, Any] = {"probability": "drop" if share > 0.5 else "keep"}
    keep = 0.8 if share > 0.5 else 0.2
    assert abs(share - keep) < 0.05, share
    assert _near(min(kept), max(kept), 0.01), (min(kept), max(kept))
    later = list((predict or train)(ones, 0.2))
    whole = min(later) == max(later)
    inverted, plain = _near(kept[0], 1 / keep, 0.01), _near(kept[0], 1)
    found["prediction"] = "active" if not whole else "identity" if _near(later[0], 1) else "scaled"
    if inverted and found["prediction"] in ("identity", "active"):
        found["scaling"] = "inverted"
    elif plain and _near(later[0], keep):
        found["scaling"] = "classic"
    elif plain and _near(later[0], 1):
        found["scaling"] = "none"
    else:
        found["scaling"] = "other"
    number = 1.0 if keep == 0.8 else 0.0
    found["rate_one"] = _everything(train, number, refusals, gradient)
    low, high = (attempt(lambda x=x: list(train(ones, x)), refusals) for x in (-0.5, 1.5))
    if low == high == "refused":
        found["out_of_range"] = "refused"
    elif ones in (low, high) and [0.0] * COUNT in (low, high):
        found["out_of_range"] = "clipped"
    else:
        found["out_of_range"] = "accepted"
    return found


def _everything(
    train: Layer,
    number: float,
    refusals: tuple[type[BaseException], ...],
    gradient: Layer | None,
) -> str:
    ones = [1.0] * COUNT
    result = attempt(lambda: list(train(ones, number)), refusals)
    if result == "refused":
        return "refused"
    if any(map(math.isnan, result)):
        return "nan"
    if not any(result):
        slopes = attempt(lambda: list(gradient(ones, number)), refusals) if gradient else []
        return "nan_gradient" if slopes != "refused" and any(map(math.isnan, slopes)) else "zeros"
    return "identity" if list(result) == ones else "other"


def decay(step: Step, adaptive: bool = False) -> dict[str, Any]:
    """Return what a weight decay does.

    Parameters
    ----------
    step : function
        ``step(weights, gradients, lr, decay, steps)``: the weights after that many steps of a fresh
        optimizer, all with these gradients. The optimizer has momentum if it can, since coupled and
        decoupled decay are the same without.
    adaptive : bool
        Whether the optimizer rescales gradients.
    """

    def drops(lr: float, strength: float, steps: int = 1) -> list[float]:
        weights = [1.0, 4.0]
        after = step(weights, [0.0, 0.0], lr, strength, steps)
        return [weights[place] - now for place, now in enumerate(after)]

    one, same = drops(0.1, 0.1), drops(0.05, 0.1)
    found: dict[str, Any] = {"times_lr": not _near(one[0], same[0])}
    if not any(one):
        return {"coupling": "none"}
    if adaptive:
        coupled = _near(one[0], one[1], 0.02)  # the size of the weight makes no difference
        found["coupling"] = "coupled" if coupled else "decoupled"
        if coupled:
            found["adaptive"] = True
    else:
        first, two = one[0], drops(0.1, 0.1, 2)[0]
        coupled = two - first > 1.2 * first
        found["coupling"] = "coupled" if coupled else "decoupled"
        if coupled:
            found["adaptive"] = False
    if not found.get("adaptive"):
        found["factor"] = round(one[0] / 0.1 / (0.1 if found["times_lr"] else 1.0), 3)
    found["step"] = round(step([WEIGHT], [GRADIENT], LR, DECAY, 1)[0], 4)
    return found


def penalty(value: Callable[[list[float]], float], strength: float) -> dict[str, Any]:
    """Return the norm, the constant and the reduction of a penalty.

    Parameters
    ----------
    value : function
        The penalty of a list of weights.
    strength : float
        The number that the user writes.
    """
    single, double, pair = value([1.0]), value([2.0]), value([1.0, 1.0])
    return {
        "norm": "l1"
        if _near(double, 2 * single)
        else "l2"
        if _near(double, 4 * single)
        else "other",
        "factor": round(single / strength, 4),
        "reduction": "sum" if _near(pair, 2 * single) else "mean",
    }


def slope(difference: float, strength: float) -> dict[str, Any]:
    """Return the constant of an L2 penalty whose gradient at the weight 1 was seen."""
    return {"norm": "l2", "factor": round(difference / strength / 2, 4)}


def report(framework: str, **settings: Mapping[str, Any]) -> None:
    """Print the claims as JSON, with their ids."""
    claims = {
        f"{framework}.{setting}.{name}": None if value is inspect.Parameter.empty else value
        for setting, found in settings.items()
        for name, value in found.items()
    }
    json.dump(claims, sys.stdout, indent=1, allow_nan=False)
    print()
