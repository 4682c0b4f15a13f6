"""A multilayer perceptron with its parameters in one flat tensor and a handwritten backward pass.

scikit-learn's networks are small, so that autograd's overhead would exceed the arithmetic of a
step. The masks are those of :class:`bridle.Network`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from bridle.estimators.matmul import addmm, matmul
from bridle.ops.backends import backend_of

__all__ = ["OUTPUT_ACTIVATIONS", "Masks", "Perceptron"]

OUTPUT_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda scores: scores,
    "exp": torch.exp,
    "logistic": torch.sigmoid,
    "softmax": lambda scores: scores.softmax(-1),
}
"""Functions from scores to predictions, by the names of scikit-learn's ``out_activation_``."""

# activations work in place; derivatives are computed from their outputs
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_,
    "tanh": torch.tanh_,
    "logistic": torch.sigmoid_,
    "identity": lambda x: x,
}
DERIVATIVES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "relu": lambda delta, output: torch.ops.aten.threshold_backward(delta, output, 0),
    "tanh": torch.ops.aten.tanh_backward,
    "logistic": torch.ops.aten.sigmoid_backward,
    "identity": lambda delta, _: delta,
}


@dataclass(frozen=True)
class Masks:
    """The mask probabilities and the seed of a network.

    Attributes
    ----------
    keep_prob : float
        Probability of keeping a hidden unit.
    input_keep_prob : float
        Probability of keeping an input.
    drop_connect_keep_prob : float
        Probability of keeping a weight.
    seed : int
        Seed in the address of every mask.
    """

    keep_prob: float = 1.0
    input_keep_prob: float = 1.0
    drop_connect_keep_prob: float = 1.0
    seed: int = 0

    @property
    def any(self) -> bool:
        """Whether any probability is below 1."""
        return min(self.keep_prob, self.input_keep_prob, self.drop_connect_keep_prob) < 1


class Perceptron:
    """A single network whose weights ``[in, out]`` and biases ``[out]`` are views of ``flat``.

    Parameters
    ----------
    sizes : sequence of int
        Number of units per layer, inputs first.
    activation : {"relu", "tanh", "logistic", "identity"}
    out_activation : {"identity", "exp", "logistic", "softmax"}
        Output activation. It also sets the loss, in this order: half the squared error, half the
        Poisson deviance, the logistic loss of each output, the cross-entropy.
    dtype : torch.dtype
    device : str
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str,
        out_activation: str,
        dtype: torch.dtype,
        device: str,
    ) -> None:
        self.sizes, self.activation = list(sizes), activation
        self.out_activation = out_activation
        self.penalized = sum(a * b for a, b in pairwise(sizes))
        count = self.penalized + sum(sizes[1:])
        self.flat = torch.zeros(count, dtype=dtype, device=device)
        self.gradient = torch.zeros_like(self.flat)
        self.weights, self.biases = self.views(self.flat)
        self.weight_gradients, self.bias_gradients = self.views(self.gradient)
        self._backend = backend_of(self.flat.device)
        self._keeps: dict[float, Tensor] = {}

    def double(self) -> Perceptron:
        """Return a copy with parameters of float64."""
        device = str(self.flat.device)
        wide = Perceptron(self.sizes, self.activation, self.out_activation, torch.float64, device)
        wide.flat.copy_(self.flat)
        return wide

    def views(self, flat: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the weights and the biases as views of a tensor laid out like ``flat``."""
        shapes = [*pairwise(self.sizes), *((size,) for size in self.sizes[1:])]
        counts = [torch.Size(shape).numel() for shape in shapes]
        parts = [part.view(shape) for part, shape in zip(flat.split(counts), shapes, strict=True)]
        return parts[: len(self.sizes) - 1], parts[len(self.sizes) - 1 :]

    # ---------------------------------------------------------------------------------- forward

    def scores(self, X: Tensor) -> Tensor:
        """Return the scores ``[rows, outputs]``, noise off."""
        return self.noisy_scores(X, Masks(), 0)[0]

    def noisy_scores(self, X: Tensor, masks: Masks, step: int) -> tuple[Tensor, list[Tensor]]:
        """Return the scores with the masks of a step, and the input of each layer."""
        columns, inputs, _ = self._forward(X, masks, step)
        return columns.t(), inputs

    def _forward(
        self, X: Tensor, masks: Masks, step: int
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Return the scores ``[outputs, rows]`` and each layer's inputs and masked weights.

        The scores are transposed because a softmax, and the matrix products of a layer with few
        outputs, are several times as fast in that layout.
        """
        inputs, masked_weights = [], []
        hidden = X
        self._activated: list[Tensor] = []
        fused = masks.keep_prob < 1 and self.activation == "relu"
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if not layer and masks.input_keep_prob < 1:
                hidden = self._dropped(hidden, masks, 0, step, masks.input_keep_prob)
            inputs.append(hidden)
            if masks.drop_connect_keep_prob < 1:
                weight = self._masked(weight, masks, layer, step)
            masked_weights.append(weight)
            if layer == last:
                hidden = torch.addmm(bias[:, None], weight.t(), hidden.t())
            elif fused:
                keep = self._keep(masks.keep_prob)
                hidden = self._backend.relu_dropout(
                    matmul(hidden, weight)[None],
                    bias[None],
                    self._address(masks, 2 * layer + 2, step),
                    None,
                    keep,
                    True,
                )[0]
            else:
                hidden = ACTIVATIONS[self.activation](addmm(bias, hidden, weight))
                self._activated.append(hidden)
                if masks.keep_prob < 1:
                    hidden = self._dropped(hidden, masks, layer + 1, step, masks.keep_prob)
        return hidden, inputs, masked_weights

    def _keep(self, value: float) -> Tensor:
        if value not in self._keeps:
            self._keeps[value] = torch.tensor([value], dtype=torch.float64)
        return self._keeps[value]

    def _address(self, masks: Masks, stream: int, step: int) -> Tensor:
        return torch.tensor([[masks.seed, stream, step]], device=self.flat.device)

    def _dropped(self, x: Tensor, masks: Masks, layer: int, step: int, keep: float) -> Tensor:
        """Apply the mask of a layer's inputs to the inputs or to their gradients."""
        address = self._address(masks, 2 * layer, step)
        found: Tensor = self._backend.dropout(x[None], address, None, self._keep(keep), True)
        return found[0]

    def _masked(self, x: Tensor, masks: Masks, layer: int, step: int) -> Tensor:
        """Apply a layer's weight mask, shared by the batch, to the weights or their gradients."""
        keep = self._keep(masks.drop_connect_keep_prob)
        address = self._address(masks, 2 * layer + 1, step)
        row = x.reshape(1, 1, -1)
        found: Tensor = self._backend.dropout(row, address, None, keep, True)
        return found.view(x.shape)

    # --------------------------------------------------------------------------------- backward

    def losses(self, scores: Tensor, y: Tensor) -> Tensor:
        """Return the loss of each row, ``[rows]``; scores and y are ``[rows, outputs]``."""
        return self._losses_and_gradients(scores.t(), y.t())[0].sum(0)

    def _losses_and_gradients(self, scores: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the losses and their gradients with respect to the scores, ``[outputs, rows]``.

        As in scikit-learn, the loss is the mean of the squared errors over the outputs, but the
        gradient is that of their sum.
        """
        if self.out_activation == "softmax":
            logs = scores.log_softmax(0)
            return -logs * y, logs.exp().sub_(y)
        if self.out_activation == "logistic":
            losses = F.binary_cross_entropy_with_logits(scores, y, reduction="none")
            return losses, scores.sigmoid().sub_(y)
        if self.out_activation == "exp":
            rates = scores.exp()
            return torch.special.xlogy(y, y) - y * scores - y + rates, rates - y
        residuals = scores - y
        return residuals.square().mul_(0.5 / len(y)), residuals

    def step_gradient(
        self, X: Tensor, y: Tensor, weight: Tensor | None, masks: Masks, step: int
    ) -> Tensor:
        """Write the gradient of the mean loss into ``gradient``; return the loss, a 0-d tensor."""
        scores, inputs, masked_weights = self._forward(X, masks, step)
        losses, delta = self._losses_and_gradients(scores, y.t())
        if weight is None:
            loss = losses.sum() / len(y)
            delta.div_(len(y))
        else:
            total = weight.sum()
            loss = losses.mv(weight).sum() / total
            delta.mul_(weight / total)
        last = len(self.weights) - 1
        torch.sum(delta, 1, out=self.bias_gradients[last])
        self.weight_gradients[last].t().copy_(torch.mm(delta, inputs[last]))
        delta = delta.t()
        for layer in range(last, -1, -1):
            gradient = self.weight_gradients[layer]
            if layer < last:
                torch.sum(delta, 0, out=self.bias_gradients[layer])
                matmul(inputs[layer].t(), delta, out=gradient)
            if masks.drop_connect_keep_prob < 1:
                gradient.copy_(self._masked(gradient, masks, layer, step))
            if layer:
                delta = matmul(delta, masked_weights[layer].t())
                delta = self._activation_gradient(delta, inputs[layer], masks, layer, step)
        return loss

    def _activation_gradient(
        self, delta: Tensor, inputs: Tensor, masks: Masks, layer: int, step: int
    ) -> Tensor:
        """Backpropagate through the mask and the activation of a layer's inputs."""
        if masks.keep_prob < 1 and self.activation == "relu":
            keep = self._keep(masks.keep_prob)
            found: Tensor = self._backend.relu_dropout_backward(
                delta[None], inputs[None], keep, True
            )
            return found[0]
        if masks.keep_prob < 1:
            delta = self._dropped(delta, masks, layer, step, masks.keep_prob)
        return DERIVATIVES[self.activation](delta, self._activated[layer - 1])
