"""Axes for a display: a new figure, the given axes, or one divided into panels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from bridle.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["HELD_OUT", "MARK", "TRAINING", "axes_for", "final_step"]

TRAINING, HELD_OUT, MARK = "#0072b2", "#d55e00", "0.5"  # distinguishable with color blindness
_PANEL = (3.2, 2.6)


def axes_for(ax: Any, panels: int, columns: int) -> list[Axes]:
    """Return one Axes for each panel.

    Parameters
    ----------
    ax : None, Axes or iterable of Axes
        None creates a figure. One Axes is divided if there are several panels. Several are used as
        they are.
    panels : int
        Number of panels.
    columns : int
        Maximum number of panels in a row.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    UsageError
        If the number of Axes differs from the number of panels.
    """
    try:
        import matplotlib.pyplot as plt
        from matplotlib.axes import Axes
    except ImportError as error:
        raise ImportError(
            "bridle's displays need matplotlib, which is not installed: pip install matplotlib"
        ) from error
    columns = min(columns, panels)
    rows = math.ceil(panels / columns)
    if ax is None:
        size = (_PANEL[0] * columns, _PANEL[1] * rows) if panels > 1 else None
        figure, made = plt.subplots(
            rows, columns, figsize=size, squeeze=False, layout="constrained", sharey=False
        )
        for spare in made.ravel()[panels:]:
            figure.delaxes(spare)
        return list(made.ravel()[:panels])
    if isinstance(ax, Iterable) and not isinstance(ax, str):
        given = list(np.ravel(np.asarray(ax, dtype=object)))
        if len(given) != panels:
            raise UsageError(
                f"ax has {len(given)} axes, but there are {panels} panels; pass one Axes per panel"
            )
        return given
    if not isinstance(ax, Axes):
        raise UsageError(
            f"ax is a {type(ax).__name__}; pass one or several matplotlib Axes, or None"
        )
    if panels == 1:
        return [ax]
    place = ax.get_subplotspec()
    if place is None:
        raise UsageError(
            f"ax was placed by hand and cannot be divided into {panels} panels; use plt.subplots()"
        )
    ax.set_axis_off()
    grid = place.subgridspec(rows, columns)
    return [ax.figure.add_subplot(grid[at // columns, at % columns]) for at in range(panels)]


def final_step(estimator: Any) -> tuple[Any, Any]:
    """Return the last step of a pipeline, and the pipeline of the steps before it or None."""
    steps = getattr(estimator, "steps", None)
    if steps is None:
        return estimator, None
    return steps[-1][1], estimator[:-1] if len(steps) > 1 else None
