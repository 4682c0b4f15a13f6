"""``WeightDisplay``: the weights of each layer of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse

from bridle.errors import UsageError
from bridle.estimators.classifier import MLPClassifier
from bridle.estimators.classifier_cv import MLPClassifierCV
from bridle.estimators.displays.canvas import TRAINING, axes_for, final_step
from bridle.estimators.regressor import MLPRegressor
from bridle.estimators.regressor_cv import MLPRegressorCV
from bridle.networks.population import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["WeightDisplay"]

_KINDS = ("histogram", "matrix")


class WeightDisplay:
    """Plot of each layer's weights, with the share of exact zeros.

    Create a display with :meth:`from_estimator` or :meth:`from_network`.

    Parameters
    ----------
    weights : sequence of array ``[inputs, units]``
        Weights of each layer.

    Raises
    ------
    UsageError
        If a layer's weights do not have two dimensions.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        One Axes per layer.
    ax_ : matplotlib Axes
        First of ``axes_``.
    figure_ : matplotlib Figure
        Figure that contains the axes.
    zeros_ : list of float
        Share of exact zeros in each layer.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> import bridle
    >>> X, y = load_iris(return_X_y=True)
    >>> model = bridle.MLPClassifier((16,), solver="lbfgs", random_state=0).fit(X, y)
    >>> display = bridle.WeightDisplay.from_estimator(model)
    >>> [ax.get_title(loc="left") for ax in display.axes_]
    ['layer 1: 4 × 16, 0 % zero', 'layer 2: 16 × 3, 0 % zero']
    """

    def __init__(self, weights: Sequence[Any]) -> None:
        dense = [each.toarray() if scipy.sparse.issparse(each) else each for each in weights]
        self.weights = [np.asarray(each, dtype=np.float64) for each in dense]
        shapes = [list(each.shape) for each in self.weights]
        if not shapes or any(len(shape) != 2 for shape in shapes):
            raise UsageError(
                f"the weights have the shapes {shapes}; pass [inputs, units] for each layer"
            )

    def plot(
        self,
        ax: Any = None,
        *,
        kind: str = "histogram",
        n_cols: int = 3,
        bins: int = 60,
        **kwargs: Any,
    ) -> Self:
        """Draw the plot.

        Parameters
        ----------
        ax : matplotlib Axes, or one per layer, default=None
            Axes to draw on. A single one is divided if there are several layers. None creates a
            figure.
        kind : {"histogram", "matrix"}, default="histogram"
            "histogram" draws the distribution of the weights, zeros left out. "matrix" draws each
            weight as a color, with one row per input and one column per unit; zeros are white.
        n_cols : int, default=3
            Maximum number of panels in a row.
        bins : int, default=60
            Number of bins of a histogram.
        **kwargs : dict
            Arguments of ``Axes.hist`` or ``Axes.imshow``.

        Returns
        -------
        WeightDisplay
            The display itself, with ``axes_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        UsageError
            If ``kind`` is invalid, or ``ax`` does not fit the number of layers.
        """
        if kind not in _KINDS:
            raise UsageError(f"kind is {kind!r}; use 'histogram' or 'matrix'")
        self.axes_ = axes_for(ax, len(self.weights), n_cols)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.zeros_ = [float(np.mean(each == 0)) for each in self.weights]
        largest = max(float(np.abs(each).max(initial=0)) for each in self.weights) or 1.0
        for layer, (axis, weights) in enumerate(zip(self.axes_, self.weights, strict=True)):
            if kind == "histogram":
                style: dict[str, Any] = {
                    "bins": bins,
                    "range": (-largest, largest),
                    "color": TRAINING,
                }
                axis.hist(weights[weights != 0], **style | kwargs)
                axis.set(xlabel="weight", ylabel="weights")
                axis.locator_params(axis="x", nbins=5)
                axis.spines[["top", "right"]].set_visible(False)
            else:
                self._matrix(axis, weights, kwargs)
            size = " × ".join(map(str, weights.shape))
            title = f"layer {layer + 1}: {size}, {100 * self.zeros_[layer]:.0f} % zero"
            axis.set_title(title, loc="left", fontsize="medium")
        return self

    def _matrix(self, axis: Axes, weights: Any, kwargs: dict[str, Any]) -> None:
        bound = float(np.abs(weights).max(initial=0)) or 1.0
        style: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound, "aspect": "auto"}
        style |= {"interpolation": "nearest"}
        image = axis.imshow(weights, **style | kwargs)
        axis.figure.colorbar(image, ax=axis)
        axis.set(xlabel="unit", ylabel="input")

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, member: int = 0, ax: Any = None, **kwargs: Any
    ) -> Self:
        """Plot the weights of a fitted estimator.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor, MLPClassifierCV, MLPRegressorCV or Pipeline
            Fitted estimator, or a pipeline that ends in one.
        member : int, default=0
            Index of the network, for the CV estimators.
        ax : matplotlib Axes, or one per layer, default=None
            Axes to draw on. None creates a figure.
        **kwargs : dict
            Arguments of :meth:`plot`.

        Returns
        -------
        WeightDisplay
            The display, drawn.

        Raises
        ------
        UsageError
            If the estimator is of another class, or has no such member.
        """
        network, _ = final_step(estimator)
        if isinstance(network, MLPClassifierCV | MLPRegressorCV):
            return cls.from_network(network.model_.network, member=member, ax=ax, **kwargs)
        if not isinstance(network, MLPClassifier | MLPRegressor):
            raise UsageError(
                f"the estimator is a {type(network).__name__}; pass a fitted bridle estimator"
            )
        return cls(network.coefs_).plot(ax, **kwargs)

    @classmethod
    def from_network(
        cls, network: Network, *, member: int = 0, ax: Any = None, **kwargs: Any
    ) -> Self:
        """Plot the weights of a :class:`bridle.Network`.

        Parameters
        ----------
        network : Network
            Network to plot.
        member : int, default=0
            Index of the member.
        ax : matplotlib Axes, or one per layer, default=None
            Axes to draw on. None creates a figure.
        **kwargs : dict
            Arguments of :meth:`plot`.

        Returns
        -------
        WeightDisplay
            The display, drawn.

        Raises
        ------
        UsageError
            If the network has no such member.
        """
        if not 0 <= member < network.members:
            raise UsageError(
                f"member is {member}; the network has {network.members} members, counted from 0"
            )
        weights = [each[member].detach().cpu().numpy() for each in network.weights]
        return cls(weights).plot(ax, **kwargs)
