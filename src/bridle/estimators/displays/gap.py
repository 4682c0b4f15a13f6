"""``GapDisplay``: training and held-out loss or score by epoch."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from bridle.errors import UsageError
from bridle.estimators.classifier import MLPClassifier
from bridle.estimators.displays.canvas import HELD_OUT, MARK, TRAINING, axes_for, final_step
from bridle.estimators.regressor import MLPRegressor
from bridle.networks.history import History

__all__ = ["GapDisplay"]

Array = np.ndarray[Any, np.dtype[Any]]
_METRICS = ("loss", "score")


class GapDisplay:
    """Plot of training and held-out loss or score by epoch, with the gap between them shaded.

    Both curves use the same weights, those at the end of the epoch, with noise off and penalties
    left out. Create a display with :meth:`from_estimator` or :meth:`from_history`.

    Parameters
    ----------
    training : array ``[epochs]``
        Loss or score on training rows.
    held_out : array ``[epochs]``
        Loss or score on held-out rows.
    metric_name : str, default="loss"
        Label of the vertical axis.
    kept : int, default=None
        Epoch, counted from 1, whose weights the network has.
    estimator_name : str, default=None
        Title of the plot.

    Raises
    ------
    UsageError
        If the two arrays do not have one value per epoch each.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure that contains the axes.
    training_line_ : matplotlib Line2D
        Training curve.
    held_out_line_ : matplotlib Line2D
        Held-out curve.
    gap_ : matplotlib PolyCollection
        Shaded area between the curves.
    kept_line_ : matplotlib Line2D or None
        Vertical line at the epoch ``kept``.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> import bridle
    >>> X, y = load_digits(return_X_y=True)
    >>> model = bridle.MLPClassifier(early_stopping=True, random_state=0, n_iter_no_change=3)
    >>> display = bridle.GapDisplay.from_estimator(model.fit(X[:600], y[:600]))
    >>> display.ax_.get_ylabel()
    'cross-entropy, noise off'
    """

    def __init__(
        self,
        *,
        training: Any,
        held_out: Any,
        metric_name: str = "loss",
        kept: int | None = None,
        estimator_name: str | None = None,
    ) -> None:
        self.training = np.asarray(training, dtype=np.float64)
        self.held_out = np.asarray(held_out, dtype=np.float64)
        if self.training.ndim != 1 or self.training.shape != self.held_out.shape:
            raise UsageError(
                f"training has the shape {list(self.training.shape)} and held_out "
                f"{list(self.held_out.shape)}; pass one value per epoch for both"
            )
        self.metric_name, self.kept, self.estimator_name = metric_name, kept, estimator_name

    def plot(
        self,
        ax: Any = None,
        *,
        training_kwargs: dict[str, Any] | None = None,
        held_out_kwargs: dict[str, Any] | None = None,
        gap_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        training_kwargs : dict, default=None
            Arguments of ``Axes.plot`` for the training curve.
        held_out_kwargs : dict, default=None
            Arguments of ``Axes.plot`` for the held-out curve.
        gap_kwargs : dict, default=None
            Arguments of ``Axes.fill_between``.

        Returns
        -------
        GapDisplay
            The display itself, with ``ax_``, ``figure_`` and the artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        (self.ax_,) = axes_for(ax, 1, 1)
        self.figure_ = self.ax_.figure
        epochs = np.arange(1, len(self.training) + 1)
        shade: dict[str, Any] = {"color": HELD_OUT, "alpha": 0.15, "linewidth": 0, "label": "gap"}
        self.gap_ = self.ax_.fill_between(
            epochs, self.training, self.held_out, **shade | (gap_kwargs or {})
        )
        lines = {
            "training": (self.training, TRAINING, training_kwargs),
            "held out": (self.held_out, HELD_OUT, held_out_kwargs),
        }
        self.training_line_, self.held_out_line_ = (
            self.ax_.plot(epochs, values, **{"color": color, "label": name} | (given or {}))[0]
            for name, (values, color, given) in lines.items()
        )
        self.kept_line_ = None
        if self.kept is not None:
            self.kept_line_ = self.ax_.axvline(
                self.kept, color=MARK, linestyle=":", linewidth=1, label="weights kept"
            )
        self.ax_.set(xlabel="epoch", ylabel=self.metric_name)
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name, loc="left")
        self.ax_.spines[["top", "right"]].set_visible(False)
        self.ax_.legend(frameon=False)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        X_held_out: Any = None,
        y_held_out: Any = None,
        *,
        metric: str = "loss",
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the gap of a fitted estimator.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor, or a Pipeline that ends in one
            Fitted estimator. With ``early_stopping``, its own record of each epoch is plotted. With
            ``keep_stages``, it can be evaluated on rows that are passed here.
        X, y : array, default=None
            Training rows, for an estimator with ``keep_stages``.
        X_held_out, y_held_out : array, default=None
            Rows that the estimator was not trained on.
        metric : {"loss", "score"}, default="loss"
            Metric to plot. The score is accuracy for a classifier, R² for a regressor.
        name : str, default=None
            Title. None uses the name of the estimator's class.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        **kwargs : dict
            Arguments of :meth:`plot`.

        Returns
        -------
        GapDisplay
            The display, drawn.

        Raises
        ------
        UsageError
            If the estimator is of another class, or has no record of the held-out metric.
        """
        network, before = final_step(estimator)
        if not isinstance(network, MLPClassifier | MLPRegressor):
            raise UsageError(
                f"the estimator is a {type(network).__name__}; pass a fitted "
                "bridle.MLPClassifier or MLPRegressor"
            )
        if metric not in _METRICS:
            raise UsageError(f"metric is {metric!r}; use 'loss' or 'score'")
        label = _label(network) if metric == "loss" else _score_name(network)
        title = type(network).__name__ if name is None else name
        kept: int | None
        parts = (X, y, X_held_out, y_held_out)
        given = [each is not None for each in parts]
        if not any(given):
            history = network.history_
            if "validation_loss" not in history:
                raise UsageError(
                    "the estimator has no held-out rows: fit with early_stopping=True, or fit with "
                    "keep_stages=True and pass X, y, X_held_out and y_held_out"
                )
            curves = [history[f"{part}_{metric}"] for part in ("training", "validation")]
            kept = int(np.nanargmax(history["validation_score"])) + 1
        elif all(given):
            if not network.keep_stages:
                raise UsageError(
                    "the weights of each epoch were not kept: fit with keep_stages=True"
                )
            stages = network.staged_loss if metric == "loss" else network.staged_score
            rows = [each if before is None else before.transform(each) for each in (X, X_held_out)]
            curves = [
                np.array(list(stages(part, target)))
                for part, target in zip(rows, (y, y_held_out), strict=True)
            ]
            kept = None if network.early_stopping else len(curves[0])
        else:
            raise UsageError("pass X, y, X_held_out and y_held_out together, or none of them")
        made = cls(
            training=curves[0],
            held_out=curves[1],
            metric_name=label,
            kept=kept,
            estimator_name=title,
        )
        return made.plot(ax, **kwargs)

    @classmethod
    def from_history(
        cls,
        history: History,
        *,
        member: int = 0,
        metric: str = "loss",
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the gap of a network, given its :class:`bridle.History`.

        Parameters
        ----------
        history : History
            History of a training run, such as ``bridle.fit(...).history``. The members of that one
            are the plain network, the regularized one, and the one with early stopping alone.
        member : int, default=0
            Index of the network.
        metric : {"loss", "score"}, default="loss"
            Metric to plot.
        name : str, default=None
            Title.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        **kwargs : dict
            Arguments of :meth:`plot`.

        Returns
        -------
        GapDisplay
            The display, drawn.

        Raises
        ------
        UsageError
            If the history has no such member, or ``metric`` is invalid.
        """
        if metric not in _METRICS:
            raise UsageError(f"metric is {metric!r}; use 'loss' or 'score'")
        members = len(history.epochs_kept)
        if not 0 <= member < members:
            raise UsageError(
                f"member is {member}; the history has {members} members, counted from 0"
            )
        made = cls(
            training=getattr(history, f"train_{metric}")[:, member],
            held_out=getattr(history, f"held_out_{metric}")[:, member],
            metric_name=f"{metric}, noise off",
            kept=int(history.epochs_kept[member]),
            estimator_name=name,
        )
        return made.plot(ax, **kwargs)


def _label(network: MLPClassifier | MLPRegressor) -> str:
    losses = {
        "softmax": "cross-entropy",
        "logistic": "cross-entropy",
        "exp": "half the Poisson deviance",
        "identity": "half the squared error",
    }
    return f"{losses[network.out_activation_]}, noise off"


def _score_name(network: MLPClassifier | MLPRegressor) -> str:
    return "accuracy" if isinstance(network, MLPClassifier) else "R²"
