"""One multilayer perceptron whose parameters lie in one tensor, with its backward pass by hand.

scikit-learn's networks are small, and their steps as short as a few calls: there autograd takes
longer than the arithmetic. The masks, and what they mean, are those of :class:`bridle.Network`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from bridle.estimators.matmul import product, product_with_bias
from bridle.ops.registry import backend_of

__all__ = ["LINKS", "Masks", "Perceptron"]

LINKS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda scores: scores,
    "exp": torch.exp,
    "logistic": torch.sigmoid,
    "softmax": lambda scores: scores.softmax(-1),
}
"""From scores to predictions, by scikit-learn's names."""

# in place, and the gradient before them by what they returned
ACTIVATE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_,
    "tanh": torch.tanh_,
    "logistic": torch.sigmoid_,
    "identity": lambda x: x,
}
DEACTIVATE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "relu": lambda delta, said: torch.ops.aten.threshold_backward(delta, said, 0),
    "tanh": torch.ops.aten.tanh_backward,
    "logistic": torch.ops.aten.sigmoid_backward,
    "identity": lambda delta, _: delta,
}


@dataclass(frozen=True)
class Masks:
    """Which masks training draws.

    Attributes
    ----------
    keep_prob, input_keep_prob, drop_connect_keep_prob : float
        The probability to keep a hidden unit, an input, a weight.
    seed : int
        Of the address of every mask.
    """

    keep_prob: float = 1.0
    input_keep_prob: float = 1.0
    drop_connect_keep_prob: float = 1.0
    seed: int = 0

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return min(self.keep_prob, self.input_keep_prob, self.drop_connect_keep_prob) < 1


class Perceptron:
    """A network of one member: weights ``[in, out]`` and biases ``[out]``, views of ``flat``.

    Parameters
    ----------
    sizes : sequence of int
        Units of each layer, inputs first.
    activation : {"relu", "tanh", "logistic", "identity"}
    link : {"identity", "exp", "logistic", "softmax"}
        From scores to predictions; with it goes the loss: half the squared error, half the Poisson
        deviance, the logistic loss of each output, the cross-entropy.
    dtype : torch.dtype
    device : str
    """

    def __init__(
        self, sizes: Sequence[int], activation: str, link: str, dtype: torch.dtype, device: str
    ) -> None:
        self.sizes, self.activation, self.link = list(sizes), activation, link
        self.penalized = sum(a * b for a, b in pairwise(sizes))
        count = self.penalized + sum(sizes[1:])
        self.flat = torch.zeros(count, dtype=dtype, device=device)
        self.gradient = torch.zeros_like(self.flat)
        self.weights, self.biases = self.views(self.flat)
        self.weight_gradients, self.bias_gradients = self.views(self.gradient)
        self._backend = backend_of(self.flat.device)
        self._keeps: dict[float, Tensor] = {}

    def views(self, flat: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the weights and the biases in a tensor like ``flat``."""
        shapes = [*pairwise(self.sizes), *((size,) for size in self.sizes[1:])]
        counts = [torch.Size(shape).numel() for shape in shapes]
        parts = [part.view(shape) for part, shape in zip(flat.split(counts), shapes, strict=True)]
        return parts[: len(self.sizes) - 1], parts[len(self.sizes) - 1 :]

    # ---------------------------------------------------------------------------------- forward

    def scores(self, X: Tensor) -> Tensor:
        """Return the scores of rows, noise off, ``[rows, outputs]``."""
        return self.noisy_scores(X, Masks(), 0)[0]

    def noisy_scores(self, X: Tensor, masks: Masks, step: int) -> tuple[Tensor, list[Tensor]]:
        """Return the scores with the masks of a step, and what entered each layer."""
        columns, entered, _ = self._forward(X, masks, step)
        return columns.t(), entered

    def _forward(
        self, X: Tensor, masks: Masks, step: int
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Return the scores ``[outputs, rows]``, what entered each layer, and what it was used by.

        The scores lie with the outputs first: a softmax, and the products of a layer with few
        outputs, are several times as fast that way.
        """
        entered, used = [], []
        hidden = X
        self._activated: list[Tensor] = []
        fused = masks.keep_prob < 1 and self.activation == "relu"
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if not layer and masks.input_keep_prob < 1:
                hidden = self._dropped(hidden, masks, 0, step, masks.input_keep_prob)
            entered.append(hidden)
            if masks.drop_connect_keep_prob < 1:
                weight = self._masked(weight, masks, layer, step)
            used.append(weight)
            if layer == last:
                hidden = torch.addmm(bias[:, None], weight.t(), hidden.t())
            elif fused:
                keep = self._keep(masks.keep_prob)
                hidden = self._backend.relu_dropout(
                    product(hidden, weight)[None],
                    bias[None],
                    self._address(masks, 2 * layer + 2, step),
                    None,
                    keep,
                    True,
                )[0]
            else:
                hidden = ACTIVATE[self.activation](product_with_bias(bias, hidden, weight))
                self._activated.append(hidden)
                if masks.keep_prob < 1:
                    hidden = self._dropped(hidden, masks, layer + 1, step, masks.keep_prob)
        return hidden, entered, used

    def _keep(self, value: float) -> Tensor:
        if value not in self._keeps:
            self._keeps[value] = torch.tensor([value], dtype=torch.float64)
        return self._keeps[value]

    def _address(self, masks: Masks, stream: int, step: int) -> Tensor:
        return torch.tensor([[masks.seed, stream, step]], device=self.flat.device)

    def _dropped(self, x: Tensor, masks: Masks, layer: int, step: int, keep: float) -> Tensor:
        """Drop the units that enter a layer, or their gradients: the same mask."""
        address = self._address(masks, 2 * layer, step)
        found: Tensor = self._backend.dropout(x[None], address, None, self._keep(keep), True)
        return found[0]

    def _masked(self, x: Tensor, masks: Masks, layer: int, step: int) -> Tensor:
        """Drop weights of a layer, or their gradients: the batch shares one mask."""
        keep = self._keep(masks.drop_connect_keep_prob)
        address = self._address(masks, 2 * layer + 1, step)
        row = x.reshape(1, 1, -1)
        found: Tensor = self._backend.dropout(row, address, None, keep, True)
        return found.view(x.shape)

    # --------------------------------------------------------------------------------- backward

    def losses(self, scores: Tensor, y: Tensor) -> Tensor:
        """Return the loss of each row, ``[rows]``; scores and y are ``[rows, outputs]``."""
        return self._losses_and_slopes(scores.t(), y.t())[0].sum(0)

    def _losses_and_slopes(self, scores: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each output and row, and its slope by the scores: ``[outputs, rows]``.

        As in scikit-learn, the slope of the squared error is that of the sum over the outputs, of
        which the loss is the mean.
        """
        if self.link == "softmax":
            logs = scores.log_softmax(0)
            return -logs * y, logs.exp().sub_(y)
        if self.link == "logistic":
            losses = F.binary_cross_entropy_with_logits(scores, y, reduction="none")
            return losses, scores.sigmoid().sub_(y)
        if self.link == "exp":
            rates = scores.exp()
            return torch.special.xlogy(y, y) - y * scores - y + rates, rates - y
        slopes = scores - y
        return slopes.square().mul_(0.5 / len(y)), slopes

    def step_gradient(
        self, X: Tensor, y: Tensor, weight: Tensor | None, masks: Masks, step: int
    ) -> Tensor:
        """Write the gradient of the mean loss into ``gradient``; return that loss, 0-d."""
        scores, entered, used = self._forward(X, masks, step)
        losses, delta = self._losses_and_slopes(scores, y.t())
        if weight is None:
            loss = losses.sum() / len(y)
            delta.div_(len(y))
        else:
            total = weight.sum()
            loss = losses.mv(weight).sum() / total
            delta.mul_(weight / total)
        last = len(self.weights) - 1
        torch.sum(delta, 1, out=self.bias_gradients[last])
        self.weight_gradients[last].t().copy_(torch.mm(delta, entered[last]))
        delta = delta.t()
        for layer in range(last, -1, -1):
            slope = self.weight_gradients[layer]
            if layer < last:
                torch.sum(delta, 0, out=self.bias_gradients[layer])
                product(entered[layer].t(), delta, out=slope)
            if masks.drop_connect_keep_prob < 1:
                slope.copy_(self._masked(slope, masks, layer, step))
            if layer:
                delta = product(delta, used[layer].t())
                delta = self._before(delta, entered[layer], masks, layer, step)
        return loss

    def _before(
        self, delta: Tensor, entered: Tensor, masks: Masks, layer: int, step: int
    ) -> Tensor:
        """Return the gradient before the activation and the mask of what entered a layer."""
        if masks.keep_prob < 1 and self.activation == "relu":
            keep = self._keep(masks.keep_prob)
            found: Tensor = self._backend.relu_dropout_backward(
                delta[None], entered[None], keep, True
            )
            return found[0]
        if masks.keep_prob < 1:
            delta = self._dropped(delta, masks, layer, step, masks.keep_prob)
        return DEACTIVATE[self.activation](delta, self._activated[layer - 1])
