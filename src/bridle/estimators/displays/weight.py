"""The weights of a network, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse

from bridle.errors import UsageError
from bridle.estimators import MLPClassifier, MLPClassifierCV, MLPRegressor, MLPRegressorCV
from bridle.estimators.displays.canvas import TRAINING, axes_for, final_step
from bridle.networks.population import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["WeightDisplay"]

_KINDS = ("histogram", "matrix")


class WeightDisplay:
    """How large the weights of each layer are, and how many are exactly zero.

    Make it by :meth:`from_estimator` or :meth:`from_network`.

    Parameters
    ----------
    weights : sequence of array ``[inputs, units]``
        A layer each.

    Raises
    ------
    UsageError
        If a layer is not of two axes.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        One for each layer.
    ax_ : matplotlib Axes
        The first.
    figure_ : matplotlib Figure
    zeros_ : list of float
        The share of exact zeros in each layer.

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
            raise UsageError(f"the weights have the shapes {shapes}; give [inputs, units] for each")

    def plot(
        self,
        ax: Any = None,
        *,
        kind: str = "histogram",
        n_cols: int = 3,
        bins: int = 60,
        **kwargs: Any,
    ) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, or one for each layer, optional
            One is divided where there are several layers; default: a new figure.
        kind : {"histogram", "matrix"}
            How many weights there are of each size, zeros left out; or each weight as a colour, a
            row for each input and a column for each unit, where zeros are white.
        n_cols : int
            Layers beside each other, at most.
        bins : int
            Of the histograms.
        **kwargs : dict
            For ``Axes.hist`` or ``Axes.imshow``.

        Returns
        -------
        WeightDisplay
            Itself, with ``axes_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        UsageError
            If ``kind`` is another, or ``ax`` does not fit.
        """
        if kind not in _KINDS:
            raise UsageError(f"kind is {kind!r}; give 'histogram' or 'matrix'")
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
        """Draw the weights of a fitted estimator.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor, one of the two that end in CV, or a Pipeline
            Fitted.
        member : int
            Which of the networks that predict, of the estimators that end in CV.
        ax : matplotlib Axes, or one for each layer, optional
        **kwargs : dict
            For :meth:`plot`.

        Returns
        -------
        WeightDisplay

        Raises
        ------
        UsageError
            If the estimator is another, or there is no such member.
        """
        network, _ = final_step(estimator)
        if isinstance(network, MLPClassifierCV | MLPRegressorCV):
            return cls.from_network(network.model_.network, member=member, ax=ax, **kwargs)
        if not isinstance(network, MLPClassifier | MLPRegressor):
            raise UsageError(
                f"the estimator is a {type(network).__name__}; give one of bridle's, fitted"
            )
        return cls(network.coefs_).plot(ax, **kwargs)

    @classmethod
    def from_network(
        cls, network: Network, *, member: int = 0, ax: Any = None, **kwargs: Any
    ) -> Self:
        """Draw the weights of a :class:`bridle.Network`.

        Parameters
        ----------
        network : Network
        member : int
            Which of its members.
        ax : matplotlib Axes, or one for each layer, optional
        **kwargs : dict
            For :meth:`plot`.

        Returns
        -------
        WeightDisplay

        Raises
        ------
        UsageError
            If there is no such member.
        """
        if not 0 <= member < network.members:
            raise UsageError(f"member is {member}; the network has {network.members}, from 0")
        weights = [each[member].detach().cpu().numpy() for each in network.weights]
        return cls(weights).plot(ax, **kwargs)
