"""Shared masks: if the whole batch has one mask, a step computes with the kept units only.

The kept units of a shared mask form a smaller network (Graham et al. 2015, "Efficient batchwise
dropout training using submatrices"). A step copies the rows and columns of these units out of the
weights and the optimizer's state, trains them like any network, and writes them back. The weights
and the optimizer's state of dropped units do not change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bridle.networks.embedding import first_inputs
from bridle.networks.layers import ACTIVATIONS
from bridle.networks.population import Network
from bridle.noise import Multiplier
from bridle.penalties import Penalty

__all__ = ["Compacted", "can_compact", "compacted"]

# optimizers whose state has one number per weight, so that it can be indexed like the weights
_ELEMENTWISE = (
    torch.optim.SGD,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.Adamax,
    torch.optim.RMSprop,
    torch.optim.Adagrad,
)


def can_compact(
    network: Network, optimizer: torch.optim.Optimizer, penalties: Sequence[Penalty], mode: str
) -> bool:
    """Whether a step can compute with the kept units only; otherwise it multiplies by the mask.

    This needs one member, a shared mask on the hidden units, no mask on the weights, an optimizer
    whose state has one number per weight, and L1, L2 or elastic net penalties in proximal mode.
    """
    hidden = network.hidden_noise
    return (
        hidden is not None
        and hidden.shared
        and network.members == 1
        and network.weight_noise is None
        and isinstance(optimizer, _ELEMENTWISE)
        and (not penalties or mode == "proximal")
        and all(penalty.elastic is not None for penalty in penalties)
    )


@dataclass
class _Part:
    """The entries of a parameter that a step updates, as indices of its flattened tensor."""

    parameter: nn.Parameter
    whole: Tensor
    places: Tensor
    shape: tuple[int, ...]

    def take(self, whole: Tensor) -> Tensor:
        return whole.reshape(-1).index_select(0, self.places).view(self.shape)

    def put(self, part: Tensor, whole: Tensor) -> None:
        whole.view(-1).index_copy_(0, self.places, part.reshape(-1))

    def take_state(self, state: dict[str, object]) -> dict[str, Tensor]:
        """Replace the optimizer's tensors by their parts; return the full tensors."""
        wholes = {
            name: value
            for name, value in state.items()
            if isinstance(value, Tensor) and value.shape == self.whole.shape
        }
        state.update({name: self.take(value) for name, value in wholes.items()})
        return wholes

    def put_state(self, state: dict[str, object], wholes: dict[str, Tensor]) -> None:
        """Write the parts back; give new state of the optimizer the full shape."""
        for name, value in list(state.items()):
            if isinstance(value, Tensor) and value.shape == self.shape != self.whole.shape:
                # entries that were never updated keep the optimizer's initial state, 0
                whole = wholes.get(name)
                whole = torch.zeros_like(self.whole) if whole is None else whole
                self.put(value, whole)
                state[name] = whole


def _kept_units(network: Network, noise: Multiplier) -> list[Tensor]:
    """Return the kept units of each layer, inputs and outputs included, int64."""
    device = network.weights[0].device
    kept = [torch.arange(network.weights[0].shape[1], device=device)]
    for layer in range(1, len(network.sizes) - 1):
        ones = torch.ones(1, 1, network.sizes[layer], device=device)
        mask = noise.train(ones, network.address(2 * layer))
        kept.append(mask.flatten().nonzero().flatten())
    kept.append(torch.arange(network.sizes[-1], device=device))
    return kept


class Compacted:
    """The kept rows and columns of a network's parameters, as leaves of a separate graph.

    An older graph of the network may still be alive, and it has the full shapes. So the gradients
    are computed for separate leaves, and then assigned to the parameters.

    Attributes
    ----------
    times : list of float
        For each layer's weights, 1 / P(a weight is kept). A penalty's step is multiplied by it,
        because a weight takes the step only when it is kept.
    """

    def __init__(self, network: Network, times: list[float]) -> None:
        self.network = network
        self.times = times
        self._leaves = {
            parameter: parameter.detach().requires_grad_(parameter.requires_grad)
            for parameter in (*network.weights, *network.biases)
        }

    def forward(self, X: Tensor) -> Tensor:
        """Return the outputs ``[1, rows, outputs]`` with the masks of the current step."""
        network = self.network
        hidden = first_inputs(network.embedding, X if X.ndim == 3 else X[None])
        noise = network.hidden_noise
        scale = 1 / float(noise.drawn_keep_prob) if noise is not None and noise.inverted else 1.0
        if network.input_noise is not None:
            hidden = network.input_noise.train(hidden, network.address(0))
        for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
            hidden = ACTIVATIONS[network.activation](hidden) * scale if layer else hidden
            hidden = torch.baddbmm(self._leaves[bias], hidden, self._leaves[weight])
        return hidden

    def give_gradients(self) -> None:
        """Assign the gradients of the leaves to the parameters."""
        for parameter, leaf in self._leaves.items():
            parameter.grad = leaf.grad


@contextmanager
def compacted(network: Network, optimizer: torch.optim.Optimizer) -> Iterator[Compacted]:
    """Shrink a network and its optimizer's state to the kept units of the current step.

    Inside the context, the parameters hold the kept rows and columns only. On exit these are
    written back.

    Parameters
    ----------
    network : Network
        With one member, and shared dropout on its hidden units.
    optimizer : torch.optim.Optimizer
        Its state has one number per weight.
    """
    noise = network.hidden_noise
    if noise is None or not noise.shared or network.members != 1:
        raise ValueError("compacted() needs one member with a shared mask on its hidden units")
    kept = _kept_units(network, noise)
    parts: list[_Part] = []
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        above, below = kept[layer + 1], kept[layer]
        places = (below[:, None] * weight.shape[2] + above).flatten()
        parts.append(_Part(weight, weight.data, places, (1, len(below), len(above))))
        parts.append(_Part(bias, bias.data, above, (1, 1, len(above))))
    wholes = []
    for part in parts:
        part.parameter.data = part.take(part.whole)
        part.parameter.grad = None
        wholes.append(part.take_state(optimizer.state.get(part.parameter, {})))
    keep = float(noise.drawn_keep_prob)
    last = len(network.weights) - 1
    try:
        times = [1 / (keep ** ((layer > 0) + (layer < last))) for layer in range(last + 1)]
        yield Compacted(network, times)
    finally:
        for part, whole in zip(parts, wholes, strict=True):
            part.put(part.parameter.data, part.whole)
            part.parameter.data = part.whole
            part.parameter.grad = None  # it has the shape of the part
            torch.autograd.graph.increment_version(part.parameter)  # as an in-place step does
            part.put_state(optimizer.state.get(part.parameter, {}), whole)
