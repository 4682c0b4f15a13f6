"""The loss of a model without some of its units; many removals are one tensor program."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol, final

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.modules.select import Selector, select_modules
from bridle.networks.embedding import first_inputs
from bridle.networks.layers import ACTIVATIONS
from bridle.networks.objectives import Objective
from bridle.networks.population import Network

__all__ = ["Ablation", "ModuleAblation", "NetworkAblation", "losses_without"]

_ROWS_AT_ONCE = 4096  # rows of a pass with all units


class Ablation(Protocol):
    """A model from which units of one layer can be removed."""

    layer: str
    units: int

    def outputs_without(self, X: Tensor) -> Callable[[Tensor], Tensor]:
        """Return a function that computes the outputs for ``X`` without sets of units.

        Parameters
        ----------
        X : Tensor
            The first axis is the rows.

        Returns
        -------
        callable
            Maps the units of each set, int64 ``[removals, size]``, to outputs
            ``[removals, rows, outputs]``.
        """


def losses_without(
    ablation: Ablation,
    X: Tensor,
    y: Tensor,
    removed: Tensor,
    *,
    objective: Objective,
    batch_rows: int,
) -> Tensor:
    """Return the mean loss without each set of units, float64 ``[removals]``.

    At most ``batch_rows`` rows times removals are in memory at a time.
    """
    total = torch.zeros(len(removed), dtype=torch.float64, device=X.device)
    for rows, targets in zip(X.split(batch_rows), y.split(batch_rows), strict=True):
        outputs = ablation.outputs_without(rows)
        at_once = batch_rows // len(rows)
        losses = [
            objective.loss(outputs(sets), targets).double().sum(1)
            for sets in removed.split(at_once)
        ]
        total += torch.cat(losses)
    return total / len(X)


@final
class NetworkAblation:
    """One member of a bridle network, in float64, with noise off.

    Without the units S, the next layer receives ``z − h[:, S] W[S, :]``. This is a correction of
    rank |S|, so a removal costs only the layers after it.
    """

    def __init__(self, network: Network, *, layer: int, member: int, X: Tensor, mean: bool) -> None:
        taken = network.take([member]).double()
        noise = taken.weight_noise
        weights = [w if noise is None else noise.predict(w) for w in taken.weights]
        self._weights = [weight[0].detach() for weight in weights]
        self._biases = [bias[0].detach() for bias in taken.biases]
        self._network, self._at = taken, layer
        self.layer = f"layer {layer}" if layer else "inputs"
        self.units = self._weights[layer].shape[0]
        self._mean = torch.zeros(self.units, dtype=torch.float64, device=X.device)
        if mean:
            parts = X.split(_ROWS_AT_ONCE)
            self._mean = torch.stack([self._hidden(part).sum(0) for part in parts]).sum(0) / len(X)

    def _input_of(self, layer: int, z: Tensor) -> Tensor:
        """Return the input of a layer, from the output ``z`` of the previous one."""
        noise = self._network.hidden_noise if layer else self._network.input_noise
        hidden = ACTIVATIONS[self._network.activation](z) if layer else z
        return hidden if noise is None else noise.predict(hidden[None])[0]

    def _hidden(self, X: Tensor) -> Tensor:
        embedded = first_inputs(self._network.embedding, X.double()[None])[0]
        hidden = self._input_of(0, embedded)
        for layer in range(self._at):
            z = torch.addmm(self._biases[layer], hidden, self._weights[layer])
            hidden = self._input_of(layer + 1, z)
        return hidden

    def outputs_without(self, X: Tensor) -> Callable[[Tensor], Tensor]:
        """Return a function that computes the float64 outputs for ``X`` without sets of units."""
        hidden, weight = self._hidden(X), self._weights[self._at]
        whole = torch.addmm(self._biases[self._at], hidden, weight)
        by_unit = (hidden - self._mean).T.contiguous()

        def outputs(removed: Tensor) -> Tensor:
            gone = by_unit[removed].transpose(1, 2)  # [removals, rows, size]
            z = torch.baddbmm(whole, gone, weight[removed], alpha=-1)
            for layer in range(self._at + 1, len(self._weights)):
                z = self._input_of(layer, z) @ self._weights[layer] + self._biases[layer]
            return z

        return outputs


@final
class ModuleAblation:
    """A torch module in evaluation mode; a hook replaces units in the output of one layer.

    The rows are repeated for each removal, so a removal costs a complete pass.
    """

    def __init__(
        self, model: nn.Module, *, layer: Selector, unit_axis: int, X: Tensor, mean: bool
    ) -> None:
        found = select_modules(model, layer)
        if len(found) > 1:
            raise UsageError(
                f"layer {layer!r} matches {len(found)} modules "
                f"({', '.join(map(repr, list(found)[:4]))}, ...); give the name of one of them"
            )
        self.layer = next(iter(found))
        try:
            self._model = copy.deepcopy(model).eval()
        except RuntimeError as error:
            raise UsageError(
                f"the model cannot be copied ({str(error).splitlines()[0]}); "
                "measure it before its first forward pass, or load it again"
            ) from error
        self._module = dict(self._model.named_modules())[self.layer]
        self._axis = unit_axis
        output = self._layer_output(X[:1])
        if not -output.ndim < unit_axis < output.ndim or unit_axis == 0:
            raise UsageError(
                f"unit_axis is {unit_axis}, but {self.layer!r} returns the shape "
                f"{list(output.shape)}; give the axis of its units (axis 0 is the rows)"
            )
        self.units = output.shape[unit_axis]
        self._replacement = self._mean_of(X) if mean else torch.zeros((), device=X.device)

    def _layer_output(self, X: Tensor) -> Tensor:
        """Return the output of the layer."""
        kept: list[Any] = []
        handle = self._module.register_forward_hook(lambda _, __, out: kept.append(out))
        try:
            self._model(X)
        finally:
            handle.remove()
        if len(kept) != 1 or not isinstance(kept[0], Tensor) or len(kept[0]) != len(X):
            raise UsageError(
                f"{self.layer!r} ran {len(kept)} times in one pass, or does not return a Tensor "
                "with one entry per row; select a layer that runs once and returns such a Tensor"
            )
        return kept[0]

    def _mean_of(self, X: Tensor) -> Tensor:
        """Return the mean of each unit over all other axes, in a shape that broadcasts."""
        total = torch.zeros((), device=X.device)
        for part in X.split(_ROWS_AT_ONCE):
            output = self._layer_output(part)
            others = [axis for axis in range(output.ndim) if axis != self._axis % output.ndim]
            total = total + output.mean(others, keepdim=True) * (len(part) / len(X))
        return total

    def outputs_without(self, X: Tensor) -> Callable[[Tensor], Tensor]:
        """Return a function that computes the outputs for ``X`` without sets of units."""
        return lambda removed: self._outputs(X, removed)

    def _outputs(self, X: Tensor, removed: Tensor) -> Tensor:
        count, rows = len(removed), len(X)
        keep = torch.ones(count, self.units, device=X.device, dtype=torch.bool)
        keep.scatter_(1, removed, value=False)

        def remove(module: nn.Module, args: tuple[Any, ...], out: Tensor) -> Tensor:  # noqa: ARG001
            shape = [1] * out.ndim
            shape[0], shape[self._axis] = len(out), self.units
            mask = keep.repeat_interleave(rows, 0).view(shape)
            return torch.where(mask, out, self._replacement.to(out))

        handle = self._module.register_forward_hook(remove)
        try:
            given = X.expand(count, *X.shape).flatten(0, 1)
            outputs = self._model(given)
        finally:
            handle.remove()
        if not isinstance(outputs, Tensor) or outputs.ndim > 2 or len(outputs) != count * rows:
            what = list(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
            raise UsageError(
                f"the model returns {what} for {count * rows} rows; "
                "give one that returns [rows, outputs]"
            )
        return outputs.view(count, rows, -1)
