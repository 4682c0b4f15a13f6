"""Where a display draws: axes of its own, given ones, or a given one divided."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from bridle.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["HELD_OUT", "MARK", "TRAINING", "axes_for", "final_step"]

TRAINING, HELD_OUT, MARK = "#0072b2", "#d55e00", "0.5"  # told apart by colour-blind eyes too
_PANEL = (3.2, 2.6)


def axes_for(ax: Any, panels: int, columns: int) -> list[Axes]:
    """Return the axes of so many panels.

    Parameters
    ----------
    ax : None, Axes or an iterable of them
        None makes a figure; one Axes is divided where there are several panels; several are taken
        as they are.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    UsageError
        If there are more or fewer Axes than panels.
    """
    try:
        import matplotlib.pyplot as plt
        from matplotlib.axes import Axes
    except ImportError as error:
        raise ImportError(
            "bridle's displays are drawn by matplotlib, which is not installed; "
            "pip install 'bridle[plot]'"
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
            raise UsageError(f"ax has {len(given)} axes, and there are {panels} panels to draw")
        return given
    if not isinstance(ax, Axes):
        raise UsageError(f"ax is a {type(ax).__name__}; give matplotlib's Axes, several, or None")
    if panels == 1:
        return [ax]
    place = ax.get_subplotspec()
    if place is None:
        raise UsageError(f"ax was placed by hand, and cannot be divided into {panels} panels")
    ax.set_axis_off()
    grid = place.subgridspec(rows, columns)
    return [ax.figure.add_subplot(grid[at // columns, at % columns]) for at in range(panels)]


def final_step(estimator: Any) -> tuple[Any, Any]:
    """Return the last step of a pipeline and the pipeline before it; None for no pipeline."""
    steps = getattr(estimator, "steps", None)
    if steps is None:
        return estimator, None
    return steps[-1][1], estimator[:-1] if len(steps) > 1 else None
