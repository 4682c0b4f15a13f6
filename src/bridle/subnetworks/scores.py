"""Many subnetworks at once: the kept units are gathered, and each layer is one batched product.

Where inputs are not dropped, all subnetworks share the first layer's product. After it, a
subnetwork of keep probability p has a share p² of each layer's work. Units come first, ``[names,
units, rows]``, so that gathering units copies whole lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.networks.population import Network
from bridle.networks.thinning import addresses, check_index, keep_factors
from bridle.ops import cpu, reference

__all__ = ["Evaluator", "Masks", "Scratch", "at_once", "drawn_masks", "names_of", "row_parts"]

_BYTES = 1 << 26  # of the masks that are drawn together
_CACHED = 1 << 23  # of the weights and units of the subnetworks in one product

_IN_PLACE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_,
    "tanh": torch.tanh_,
    "logistic": torch.sigmoid_,
    "identity": lambda x: x,
}


@dataclass(frozen=True, eq=False)
class Masks:
    """The masks of some subnetworks of one member.

    Attributes
    ----------
    factors : list of Tensor or None
        ``[names, in]`` of each layer: what its inputs are multiplied by.
    weights : list of Tensor or None
        ``[names, in, out]`` of each layer: its masked weights; None are the member's own.
    """

    factors: list[Tensor | None]
    weights: list[Tensor | None]


def names_of(k: int | Sequence[int]) -> Sequence[int]:
    """Return the numbers of the wanted subnetworks; a count is of the first ones."""
    names = range(k) if isinstance(k, int) and not isinstance(k, bool) else k
    if not isinstance(names, Sequence) or not names:
        raise UsageError(f"k is {k!r}; give how many subnetworks (1 or more), or their numbers")
    for name in (names[0], names[-1]) if isinstance(names, range) else names:
        check_index(name)
    return names


def at_once(network: Network, rows: int) -> int:
    """Return how many subnetworks to draw masks of together, so that memory is bounded."""
    numbers = sum(network.sizes) + 4 * network.sizes[-1] * rows  # scores, and what becomes of them
    if network.weight_noise is not None:
        numbers += sum(weight[0].numel() for weight in network.weights)
    return max(1, _BYTES // (8 * numbers))


def row_parts(network: Network, X: Tensor, batch_rows: int) -> Iterator[Tensor]:
    """Check the inputs, and return them in parts ``[members or 1, rows, inputs]``."""
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


def drawn_masks(network: Network, member: int, names: Sequence[int]) -> Masks:
    """Return the masks of a member's subnetworks of these numbers."""
    place = torch.tensor([member])
    seed, masks = int(network.seeds[member]), Masks([], [])
    for layer, weight in enumerate(network.weights):
        noise = network.hidden_noise if layer else network.input_noise
        address, units = addresses(seed, 2 * layer, names), network.sizes[layer]
        drawn = noise and keep_factors(noise.take(place), address, units, 0, weight)
        masks.factors.append(drawn)
        masked = None
        if network.weight_noise is not None:
            address[:, 1] += 1
            several = weight.detach()[member].expand(len(names), -1, -1)
            masked = network.weight_noise.take(place).train(several, address)
        masks.weights.append(masked)
    return masks


class Scratch:
    """Memory that is used again: new pages cost more than what is written to them."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._held: dict[object, Tensor] = {}

    def __call__(self, name: object, *shape: int) -> Tensor:
        """Return a tensor of that shape, with anything in it; under its name there is one only."""
        count = torch.Size(shape).numel()
        held = self._held.get(name)
        if held is None or len(held) < count:
            held = self._held[name] = self._like.new_empty(count)
        return held[:count].view(shape)


@dataclass(frozen=True)
class _Picks:
    """The kept units of each subnetwork, those first."""

    places: Tensor
    factors: Tensor
    counts: list[int]

    @classmethod
    def of(cls, factors: Tensor) -> _Picks:
        kept = factors != 0
        counts = kept.sum(1)
        first = torch.arange(factors.shape[1], device=factors.device) < counts[:, None]
        places = torch.zeros_like(factors, dtype=torch.int64)
        places[first] = kept.nonzero()[:, 1]
        # behind the kept ones, the first of them again: its value is finite where theirs are
        places = torch.where(first, places, places[:, :1])
        chosen = factors.gather(1, places).masked_fill_(~first, 0)
        return cls(places, chosen, counts.tolist())

    def of_names(self, part: slice) -> tuple[Tensor, Tensor]:
        """Return places and factors of some subnetworks, as many as the largest of them has."""
        most = max(1, *self.counts[part])
        return self.places[part, :most], self.factors[part, :most]


class Evaluator:
    """One member of a network on some rows, ready for any number of masks.

    Parameters
    ----------
    network : Network
    member : int
    X : Tensor
        ``[rows, inputs]``.
    scratch : Scratch
        Memory that evaluators may use one after the other.
    """

    def __init__(self, network: Network, member: int, X: Tensor, scratch: Scratch) -> None:
        self._weights = [weight[member].detach() for weight in network.weights]
        self._biases = [bias[member, 0].detach() for bias in network.biases]
        self._activate = _IN_PLACE[network.activation]
        self._scratch = scratch
        self._first = 0
        self._hidden = X.to(self._weights[0]).T
        if network.input_noise is None and network.weight_noise is None and len(self._weights) > 1:
            first = torch.addmm(self._biases[0][:, None], self._weights[0].T, self._hidden)
            self._first, self._hidden = 1, self._activate(first)

    @torch.no_grad()
    def scores(self, masks: Masks) -> Tensor:
        """Return the scores of each subnetwork, ``[names, outputs, rows]``."""
        picks = [None if each is None else _Picks.of(each) for each in masks.factors]
        names = next(len(each) for each in (*masks.factors, *masks.weights) if each is not None)
        rows, outputs = self._hidden.shape[1], self._biases[-1].shape[0]
        found = self._biases[-1].new_empty(names, outputs, rows)
        for part in _parts(names, self._together(rows)):
            chosen = [None if each is None else each.of_names(part) for each in picks]
            masked = [None if each is None else each[part] for each in masks.weights]
            found[part] = self._some(chosen, masked, part.stop - part.start)
        return found

    def _together(self, rows: int) -> int:
        """Return how many subnetworks to evaluate in one product, so that they stay in cache."""
        numbers = sum(each.numel() + each.shape[1] * rows for each in self._weights)
        count = max(1, _CACHED // (numbers * self._hidden.element_size()))
        threads = torch.get_num_threads()
        return max(threads, count - count % threads)

    def _some(self, picks: list[_Chosen | None], masked: list[Tensor | None], names: int) -> Tensor:
        hidden = self._hidden.expand(names, -1, -1)
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
            weight = self._taken(layer, masked[layer], below, above, names)
            bias = self._biases[layer][None]
            if above is not None:
                bias = bias[0].index_select(0, above[0].flatten()).view(above[0].shape)
            out = self._scratch((layer, "sums"), names, weight.shape[2], hidden.shape[2])
            hidden = torch.bmm(weight.mT, hidden, out=out).add_(bias[:, :, None])
        return hidden

    def _taken(
        self,
        layer: int,
        masked: Tensor | None,
        below: _Chosen | None,
        above: _Chosen | None,
        names: int,
    ) -> Tensor:
        """Return a layer's weights of kept units, times their factors, ``[names, in, out]``."""
        weight = self._weights[layer] if masked is None else masked
        if below is None and above is None:
            return weight.expand(names, -1, -1)
        fan_in, fan_out = weight.shape[-2:]
        lines, factors = self._all(fan_in, names) if below is None else below
        columns = self._all(fan_out, names)[0] if above is None else above[0]
        block = self._scratch((layer, "block"), names, lines.shape[1], columns.shape[1])
        take = cpu.take_blocks if weight.is_cpu else reference.take_blocks
        return take(weight, lines, columns, factors, block)

    def _all(self, units: int, names: int) -> _Chosen:
        places = torch.arange(units, device=self._hidden.device)
        return places.expand(names, -1), self._hidden.new_ones(1, 1).expand(names, units)


_Chosen = tuple[Tensor, Tensor]


def _parts(count: int, size: int) -> Iterator[slice]:
    return (slice(at, min(at + size, count)) for at in range(0, count, size))
