"""``PathDisplay``: score or loss as a function of a regularizer's strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bridle.errors import UsageError, did_you_mean
from bridle.estimators.classifier_cv import MLPClassifierCV
from bridle.estimators.displays.canvas import HELD_OUT, MARK, TRAINING, axes_for, final_step
from bridle.estimators.regressor_cv import MLPRegressorCV
from bridle.sparsity.path_result import LambdaPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["PathDisplay", "PathPanel"]

_WIDE = 20  # a larger ratio of largest to smallest value gets a logarithmic axis


@dataclass(frozen=True)
class PathPanel:
    """One panel: lines over the values of a strength.

    Attributes
    ----------
    title : str
        Label of the horizontal axis.
    values : sequence of float
        Values of the strength, in increasing order. Infinity means that the regularizer is off.
    lines : dict of str to sequence of float
        Lines by their names.
    label : str
        Label of the vertical axis.
    marked : float or None
        Value that was chosen.
    """

    title: str
    values: Sequence[float]
    lines: Mapping[str, Sequence[float]] = field(repr=False)
    label: str
    marked: float | None = None


class PathDisplay:
    """Plot of the score by each searched strength, or of losses and zeros along a λ path.

    Create a display with :meth:`from_estimator` or :meth:`from_path`.

    Parameters
    ----------
    panels : sequence of PathPanel
        Panels to draw.
    share_scale : bool, default=False
        Whether all panels have the same vertical scale.

    Raises
    ------
    UsageError
        If there are no panels.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        One Axes per panel.
    ax_ : matplotlib Axes
        First of ``axes_``.
    figure_ : matplotlib Figure
        Figure that contains the axes.
    lines_ : list of dict of str to matplotlib Line2D
        Lines of each panel, by their names.
    marks_ : list of matplotlib Line2D or None
        Vertical line at each panel's chosen value.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> import bridle
    >>> X, y = load_iris(return_X_y=True)
    >>> model = bridle.MLPClassifierCV((8,), n_candidates=24, max_iter=10, cv=2, random_state=0)
    >>> display = bridle.PathDisplay.from_estimator(model.fit(X, y), strengths=["l2", "keep_prob"])
    >>> [ax.get_xlabel() for ax in display.axes_]
    ['l2', 'keep_prob']
    """

    def __init__(self, panels: Sequence[PathPanel], *, share_scale: bool = False) -> None:
        if not panels:
            raise UsageError("there are no panels; pass one or more")
        self.panels, self.share_scale = list(panels), share_scale

    def plot(
        self, ax: Any = None, *, n_cols: int = 3, line_kwargs: dict[str, Any] | None = None
    ) -> Self:
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes, or one per panel, default=None
            Axes to draw on. A single one is divided if there are several panels. None creates a
            figure.
        n_cols : int, default=3
            Maximum number of panels in a row.
        line_kwargs : dict, default=None
            Arguments of ``Axes.plot``.

        Returns
        -------
        PathDisplay
            The display itself, with ``axes_``, ``figure_`` and the artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        UsageError
            If ``ax`` does not fit the number of panels.
        """
        self.axes_ = axes_for(ax, len(self.panels), n_cols)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.lines_: list[dict[str, Line2D]] = []
        self.marks_: list[Line2D | None] = []
        for axis, panel in zip(self.axes_, self.panels, strict=True):
            self._draw(axis, panel, line_kwargs or {})
        if self.share_scale:
            low, high = zip(*(each.get_ylim() for each in self.axes_), strict=True)
            for axis in self.axes_:
                axis.set_ylim(min(low), max(high))
        return self

    def _draw(self, axis: Axes, panel: PathPanel, given: dict[str, Any]) -> None:
        places, marked, none, logarithmic = _places(panel)
        colors = [HELD_OUT, TRAINING] if len(panel.lines) > 1 else [TRAINING]
        several = len(panel.lines) > len(colors)
        lines = {}
        for at, (name, values) in enumerate(panel.lines.items()):
            style: dict[str, Any] = {"marker": "o", "markersize": 3, "label": name}
            style |= {} if several else {"color": colors[at]}
            (lines[name],) = axis.plot(places, values, **style | given)
        self.lines_.append(lines)
        axis.set_xscale("log" if logarithmic else "linear")
        if none is not None:
            axis.axvspan(none.start, none.end, color=MARK, alpha=0.12, linewidth=0)
            above = axis.get_xaxis_transform()
            axis.text(none.place, 0.03, "none", transform=above, ha="center", color="0.3")
            axis.margins(x=0.02)
        mark = None
        if marked is not None:
            mark = axis.axvline(marked, color=MARK, linestyle=":", linewidth=1, label="chosen")
        self.marks_.append(mark)
        axis.set(xlabel=panel.title, ylabel=panel.label)
        axis.spines[["top", "right"]].set_visible(False)
        if len(lines) > 1:
            axis.legend(frameon=False)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        strengths: Sequence[str] | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the held-out score as a function of each strength that the search varied.

        The scores are those of ``path_``: a random forest's partial dependence over all candidates
        of the first rung. A flat line means that the strength matters little there. All panels have
        the same scale. A dotted line marks the best candidate's value.

        Parameters
        ----------
        estimator : MLPClassifierCV, MLPRegressorCV, or a Pipeline that ends in one
            Fitted estimator with 20 candidates or more.
        strengths : sequence of str, default=None
            Names of the strengths. None plots all, the most important first.
        ax : matplotlib Axes, or one per strength, default=None
            Axes to draw on. None creates a figure.
        **kwargs : dict
            Arguments of :meth:`plot`.

        Returns
        -------
        PathDisplay
            The display, drawn.

        Raises
        ------
        UsageError
            If the estimator is of another class, has too few candidates, or has no such strength.
        """
        search, _ = final_step(estimator)
        if not isinstance(search, MLPClassifierCV | MLPRegressorCV):
            raise UsageError(
                f"the estimator is a {type(search).__name__}; pass a fitted "
                "bridle.MLPClassifierCV or MLPRegressorCV, or use PathDisplay.from_path for a "
                "LambdaPath"
            )
        path = search.path_
        if not len(path["strength"]):
            tried = len(search.cv_results_["params"])
            raise UsageError(
                f"the search had {tried} candidates, too few to estimate the effect of each "
                "strength; use 20 or more"
            )
        names = list(search.importance_) if strengths is None else list(strengths)
        for name in names:
            if name not in search.importance_:
                hint = did_you_mean(name, search.importance_)
                raise UsageError(f"the search has no strength {name!r}; {hint}")
        panels = []
        for name in names:
            own = path["strength"] == name
            chosen = search.best_params_[name]
            panels.append(
                PathPanel(
                    name,
                    path["value"][own],
                    {"score": path["score"][own]},
                    "held-out score",
                    np.inf if chosen is None else float(chosen),
                )
            )
        return cls(panels, share_scale=True).plot(ax, **kwargs)

    @classmethod
    def from_path(cls, path: LambdaPath, *, ax: Any = None, **kwargs: Any) -> Self:
        """Plot the losses and the share of zeros along a λ path.

        Parameters
        ----------
        path : LambdaPath
            Result of :func:`bridle.lambda_path`.
        ax : two matplotlib Axes, or one to divide, default=None
            Axes to draw on. None creates a figure.
        **kwargs : dict
            Arguments of :meth:`plot`.

        Returns
        -------
        PathDisplay
            The display, drawn.
        """
        best = path.strengths[path.best]
        losses = {"held out": path.held_out_loss, "training": path.training_loss}
        zeros = {name: [100 * each[name] for each in path.zeros] for name in path.zeros[0]}
        panels = [
            PathPanel("λ", path.strengths, losses, "loss, noise off", best),
            PathPanel("λ", path.strengths, zeros, "exact zeros, %", best),
        ]
        return cls(panels).plot(ax, **kwargs)


@dataclass(frozen=True)
class _Band:
    """Part of an axis that shows the value at which a regularizer is off."""

    start: float
    end: float
    place: float


def _places(panel: PathPanel) -> tuple[Any, float | None, _Band | None, bool]:
    """Return the positions of the values and of the mark, the band, and if the axis is logarithmic.

    A regularizer is off at 0 or infinity. If the axis cannot show that value, it is drawn in a band
    at the end of the axis.
    """
    values = np.asarray(panel.values, dtype=np.float64)
    known = values if panel.marked is None else np.append(values, panel.marked)
    inner = known[np.isfinite(known) & (known > 0)]
    logarithmic = len(inner) > 0 and bool(inner.max() > _WIDE * inner.min())
    outer = known[np.isinf(known) | (logarithmic & (known == 0))]
    if not len(outer):
        return values, panel.marked, None, logarithmic
    ends = np.array([inner.min(), inner.max()]) if len(inner) else np.ones(2)
    low, high = np.log10(ends) if logarithmic else ends
    step = max(high - low, 0.1 * abs(high), 1e-3) / 8
    at_start = bool(outer[0] == 0)
    steps = np.array([3, 2, 1]) * (-step if at_start else step) + (low if at_start else high)
    far, place, near = (10**steps if logarithmic else steps).tolist()
    band = _Band(min(far, near), max(far, near), place)
    marked = place if panel.marked in outer else panel.marked
    return np.where(np.isin(values, outer), place, values), marked, band, logarithmic
