"""Tables with groups and times that several test modules share."""

import numpy as np
import pandas as pd


def patients(count=60, rows=8, seed=1):
    """Patients with rows that resemble each other; their status is a coin toss.

    The features of a row say which patient it is of, so a network that has seen the patient knows
    the status. Of a new patient, no network knows it: half of its predictions are right.
    """
    rng = np.random.default_rng(seed)
    center = rng.normal(size=(count, 6)).repeat(rows, axis=0)
    frame = pd.DataFrame(center + 0.15 * rng.normal(size=center.shape), columns=list("uvwxyz"))
    status = np.where(rng.permutation(count) < count // 2, "ill", "well")
    frame["patient"] = [f"P{at:03}" for at in np.arange(count).repeat(rows)]
    return frame.assign(status=status.repeat(rows))


def visits(rows=120, seed=0):
    """Rows in no order, each with a day; several rows have the same day."""
    rng = np.random.default_rng(seed)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 40, rows), unit="D")
    frame = pd.DataFrame(rng.normal(size=(rows, 3)), columns=list("abc"))
    return frame.assign(day=day, y=np.where(frame["a"] + rng.normal(size=rows) > 0, "no", "yes"))
