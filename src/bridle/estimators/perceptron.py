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

from bridle.network import ACTIVATIONS
from bridle.ops.registry import backend_of

__all__ = ["LINKS", "Masks", "Perceptron"]

LINKS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda scores: scores,
    "exp": torch.exp,
    "logistic": torch.sigmoid,
    "softmax": lambda scores: scores.softmax(-1),
}
"""From scores to predictions, by scikit-learn's names."""


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
        hidden = X
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = ACTIVATIONS[self.activation](hidden) if layer else hidden
            hidden = torch.addmm(bias, hidden, weight)
        return hidden

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

    def noisy_scores(self, X: Tensor, masks: Masks, step: int) -> tuple[Tensor, list[Tensor]]:
        """Return the scores with the masks of a step, and what entered each layer."""
        entered: list[Tensor] = []
        hidden = X
        self._activated: list[Tensor] = []
        self._used: list[Tensor] = []
        fused = masks.keep_prob < 1 and self.activation == "relu"
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if not layer and masks.input_keep_prob < 1:
                hidden = self._dropped(hidden, masks, 0, step, masks.input_keep_prob)
            entered.append(hidden)
            bare = fused and layer < last
            used = weight
            if masks.drop_connect_keep_prob < 1:
                used = self._masked(weight, masks, layer, step)
            self._used.append(used)
            hidden = torch.mm(hidden, used) if bare else torch.addmm(bias, hidden, used)
            if layer == last:
                break
            if bare:
                address = self._address(masks, 2 * layer + 2, step)
                keep = self._keep(masks.keep_prob)
                hidden = self._backend.relu_dropout(
                    hidden[None], bias[None], address, None, keep, True
                )[0]
            else:
                hidden = ACTIVATIONS[self.activation](hidden)
                self._activated.append(hidden)
                if masks.keep_prob < 1:
                    hidden = self._dropped(hidden, masks, layer + 1, step, masks.keep_prob)
        return hidden, entered

    def _masked(self, x: Tensor, masks: Masks, layer: int, step: int) -> Tensor:
        """Drop weights of a layer, or their gradients: the batch shares one mask."""
        keep = self._keep(masks.drop_connect_keep_prob)
        address = self._address(masks, 2 * layer + 1, step)
        row = x.reshape(1, 1, -1)
        found: Tensor = self._backend.dropout(row, address, None, keep, True)
        return found.view(x.shape)

    # --------------------------------------------------------------------------------- backward

    def losses(self, scores: Tensor, y: Tensor) -> Tensor:
        """Return the loss of each row, ``[rows]``; y is ``[rows, outputs]``."""
        if self.link == "softmax":
            return -(y * scores.log_softmax(1)).sum(1)
        if self.link == "logistic":
            return F.binary_cross_entropy_with_logits(scores, y, reduction="none").sum(1)
        if self.link == "exp":
            return (torch.special.xlogy(y, y) - y * scores - y + scores.exp()).sum(1)
        return (scores - y).square().mean(1).mul(0.5)

    def step_gradient(
        self, X: Tensor, y: Tensor, weight: Tensor | None, masks: Masks, step: int
    ) -> Tensor:
        """Write the gradient of the mean loss into ``gradient``; return that loss, 0-d.

        As in scikit-learn, the gradient of the squared error is of the sum over the outputs, of
        which the loss is the mean.
        """
        scores, entered = self.noisy_scores(X, masks, step)
        losses = self.losses(scores, y)
        total: float | Tensor
        if weight is None:
            total = float(len(y))
            loss = losses.mean()
            delta = (LINKS[self.link](scores) - y).div_(total)
        else:
            total = weight.sum()
            loss = losses.dot(weight) / total
            delta = (LINKS[self.link](scores) - y).mul_((weight / total)[:, None])
        fused = masks.keep_prob < 1 and self.activation == "relu"
        for layer in range(len(self.weights) - 1, -1, -1):
            torch.sum(delta, 0, out=self.bias_gradients[layer])
            slope = self.weight_gradients[layer]
            torch.mm(entered[layer].t(), delta, out=slope)
            if masks.drop_connect_keep_prob < 1:
                slope.copy_(self._masked(slope, masks, layer, step))
            if not layer:
                break
            delta = torch.mm(delta, self._used[layer].t())
            if fused:
                keep = self._keep(masks.keep_prob)
                delta = self._backend.relu_dropout_backward(
                    delta[None], entered[layer][None], keep, True
                )[0]
                continue
            if masks.keep_prob < 1:
                delta = self._dropped(delta, masks, layer, step, masks.keep_prob)
            delta = self._through(delta, self._activated[layer - 1])
        return loss

    def _through(self, delta: Tensor, activated: Tensor) -> Tensor:
        """Return the gradient before an activation, given what it returned."""
        if self.activation == "relu":
            return delta.mul_(activated > 0)
        if self.activation == "tanh":
            return delta.mul_(1 - activated.square())
        if self.activation == "logistic":
            return delta.mul_(activated - activated.square())
        return delta
