"""Evaluates many subnetworks at once: kept units are gathered, each layer is one batched product.

If inputs are not dropped, all subnetworks share the first layer's product. In the other layers, a
subnetwork of keep probability p costs p² of the full layer. Activations are stored units first,
``[subnetworks, units, rows]``, so that gathering units copies contiguous memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.networks.embedding import first_inputs
from bridle.networks.population import Network
from bridle.networks.thinning import addresses, check_index, keep_factors
from bridle.ops import cpu, reference

__all__ = [
    "Evaluator",
    "Masks",
    "Scratch",
    "chunk_size",
    "masks_of",
    "row_batches",
    "subnetwork_numbers",
]

_BYTES = 1 << 26  # memory for the masks of one chunk of subnetworks
_CACHED = 1 << 23  # bytes of weights and activations of the subnetworks in one product

_IN_PLACE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_,
    "tanh": torch.tanh_,
    "logistic": torch.sigmoid_,
    "identity": lambda x: x,
}


@dataclass(frozen=True, eq=False)
class Masks:
    """The masks of several subnetworks of one member.

    Attributes
    ----------
    factors : list of Tensor or None
        For each layer, ``[subnetworks, in]``: the factors of its inputs.
    weights : list of Tensor or None
        For each layer, ``[subnetworks, in, out]``: its masked weights, or None if they are not
        masked.
    """

    factors: list[Tensor | None]
    weights: list[Tensor | None]


def subnetwork_numbers(k: int | Sequence[int]) -> Sequence[int]:
    """Return the subnetworks' numbers; a count k stands for 0 to k - 1."""
    numbers = range(k) if isinstance(k, int) and not isinstance(k, bool) else k
    if not isinstance(numbers, Sequence) or not numbers:
        raise UsageError(
            f"k is {k!r}; give a count of subnetworks (1 or more), or a sequence of their numbers"
        )
    for number in (numbers[0], numbers[-1]) if isinstance(numbers, range) else numbers:
        check_index(number)
    return numbers


def chunk_size(network: Network, rows: int) -> int:
    """Return how many subnetworks' masks to hold at once, so that memory is bounded."""
    entering = sum(weight.shape[1] for weight in network.weights)
    values = entering + (4 * rows + 1) * network.sizes[-1]  # scores and their moments
    if network.weight_noise is not None:
        values += sum(weight[0].numel() for weight in network.weights)
    return max(1, _BYTES // (8 * values))


def row_batches(network: Network, X: Tensor, batch_rows: int) -> Iterator[Tensor]:
    """Check the inputs, and return batches ``[members or 1, rows, inputs]``."""
    if X.ndim not in (2, 3) or X.shape[-1] != network.sizes[0]:
        raise UsageError(
            f"X has the shape {list(X.shape)}; this network takes [rows, {network.sizes[0]}] or "
            f"[{network.members}, rows, {network.sizes[0]}]"
        )
    if X.ndim == 3 and X.shape[0] != network.members:
        raise UsageError(f"X is for {X.shape[0]} members; the network has {network.members}")
    if batch_rows < 1:
        raise UsageError(f"batch_rows is {batch_rows}; it must be 1 or more")
    return iter((X if X.ndim == 3 else X[None]).split(batch_rows, dim=1))


def masks_of(network: Network, member: int, numbers: Sequence[int]) -> Masks:
    """Return the masks of a member's subnetworks with the given numbers."""
    place = torch.tensor([member])
    seed, masks = int(network.seeds[member]), Masks([], [])
    for layer, weight in enumerate(network.weights):
        noise = network.hidden_noise if layer else network.input_noise
        address, units = addresses(seed, 2 * layer, numbers), weight.shape[1]
        factors = noise and keep_factors(noise.take(place), address, units, 0, weight)
        masks.factors.append(factors)
        masked = None
        if network.weight_noise is not None:
            address[:, 1] += 1
            several = weight.detach()[member].expand(len(numbers), -1, -1)
            masked = network.weight_noise.take(place).train(several, address)
        masks.weights.append(masked)
    return masks


class Scratch:
    """Reusable buffers: allocating new memory pages costs more than writing to them."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._held: dict[object, Tensor] = {}

    def __call__(self, name: object, *shape: int) -> Tensor:
        """Return the uninitialized buffer ``name`` in a shape; each name has one buffer."""
        count = torch.Size(shape).numel()
        held = self._held.get(name)
        if held is None or len(held) < count:
            held = self._held[name] = self._like.new_empty(count)
        return held[:count].view(shape)


@dataclass(frozen=True)
class _KeptUnits:
    """The kept units of each subnetwork: their indices and factors, padded to equal length."""

    places: Tensor
    factors: Tensor
    counts: list[int]

    @classmethod
    def of(cls, factors: Tensor) -> _KeptUnits:
        kept = factors != 0
        counts = kept.sum(1)
        first = torch.arange(factors.shape[1], device=factors.device) < counts[:, None]
        places = torch.zeros_like(factors, dtype=torch.int64)
        places[first] = kept.nonzero()[:, 1]
        # pad with the first kept unit: its value is finite if the others' are
        places = torch.where(first, places, places[:, :1])
        chosen = factors.gather(1, places).masked_fill_(~first, 0)
        return cls(places, chosen, counts.tolist())

    def of_slice(self, part: slice) -> tuple[Tensor, Tensor]:
        """Return places and factors of a slice of subnetworks, padded to the largest of them."""
        most = max(1, *self.counts[part])
        return self.places[part, :most], self.factors[part, :most]


class Evaluator:
    """Evaluates one member of a network on a batch of rows, for any number of masks.

    Parameters
    ----------
    network : Network
    member : int
    X : Tensor
        ``[rows, inputs]``.
    scratch : Scratch
        Buffers that successive evaluators share.
    """

    def __init__(self, network: Network, member: int, X: Tensor, scratch: Scratch) -> None:
        self._weights = [weight[member].detach() for weight in network.weights]
        self._biases = [bias[member, 0].detach() for bias in network.biases]
        self._activate = _IN_PLACE[network.activation]
        self._scratch = scratch
        self._first = 0
        own = network.embedding and network.embedding.taken(torch.tensor([member]))
        self._hidden = first_inputs(own, X.to(self._weights[0])[None])[0].T
        if network.input_noise is None and network.weight_noise is None and len(self._weights) > 1:
            first = torch.addmm(self._biases[0][:, None], self._weights[0].T, self._hidden)
            self._first, self._hidden = 1, self._activate(first)

    @torch.no_grad()
    def scores(self, masks: Masks) -> Tensor:
        """Return the scores of each subnetwork, ``[subnetworks, outputs, rows]``."""
        picks = [None if each is None else _KeptUnits.of(each) for each in masks.factors]
        count = next(len(each) for each in (*masks.factors, *masks.weights) if each is not None)
        rows, outputs = self._hidden.shape[1], self._biases[-1].shape[0]
        found = self._biases[-1].new_empty(count, outputs, rows)
        for part in _slices(count, self._per_product(rows)):
            chosen = [None if each is None else each.of_slice(part) for each in picks]
            masked = [None if each is None else each[part] for each in masks.weights]
            found[part] = self._evaluate(chosen, masked, part.stop - part.start)
        return found

    def _per_product(self, rows: int) -> int:
        """Return how many subnetworks to evaluate in one product, so that they fit the cache."""
        values = sum(each.numel() + each.shape[1] * rows for each in self._weights)
        count = max(1, _CACHED // (values * self._hidden.element_size()))
        threads = torch.get_num_threads()
        return max(threads, count - count % threads)

    def _evaluate(
        self, picks: list[_Kept | None], masked: list[Tensor | None], count: int
    ) -> Tensor:
        hidden = self._hidden.expand(count, -1, -1)
        for layer in range(self._first, len(picks)):
            below, above = picks[layer], (*picks, None)[layer + 1]
            if layer == self._first and below is not None:
                places = below[0]
                shape = (*places.shape, hidden.shape[2])
                taken = self._scratch((layer, "units"), shape[0] * shape[1], shape[2])
                hidden = torch.index_select(self._hidden, 0, places.flatten(), out=taken)
                hidden = hidden.view(shape)
            elif layer > self._first:
                hidden = self._activate(hidden)
            weight = self._gather_weights(layer, masked[layer], below, above, count)
            bias = self._biases[layer][None]
            if above is not None:
                bias = bias[0].index_select(0, above[0].flatten()).view(above[0].shape)
            out = self._scratch((layer, "sums"), count, weight.shape[2], hidden.shape[2])
            hidden = torch.bmm(weight.mT, hidden, out=out).add_(bias[:, :, None])
        return hidden

    def _gather_weights(
        self,
        layer: int,
        masked: Tensor | None,
        below: _Kept | None,
        above: _Kept | None,
        count: int,
    ) -> Tensor:
        """Return a layer's weights between kept units, times the factors: ``[count, in, out]``."""
        weight = self._weights[layer] if masked is None else masked
        if below is None and above is None:
            return weight.expand(count, -1, -1)
        fan_in, fan_out = weight.shape[-2:]
        lines, factors = self._every_unit(fan_in, count) if below is None else below
        columns = self._every_unit(fan_out, count)[0] if above is None else above[0]
        block = self._scratch((layer, "block"), count, lines.shape[1], columns.shape[1])
        take = cpu.take_blocks if weight.is_cpu else reference.take_blocks
        return take(weight, lines, columns, factors, block)

    def _every_unit(self, units: int, count: int) -> _Kept:
        places = torch.arange(units, device=self._hidden.device)
        return places.expand(count, -1), self._hidden.new_ones(1, 1).expand(count, units)


_Kept = tuple[Tensor, Tensor]


def _slices(count: int, size: int) -> Iterator[slice]:
    return (slice(at, min(at + size, count)) for at in range(0, count, size))
