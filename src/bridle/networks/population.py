"""The population of multilayer perceptrons: one tensor program for one network or for many."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.networks.thinning import addresses, check_name, keep_factors, thin
from bridle.noise import (
    AlphaDropout,
    DropConnect,
    Dropout,
    GaussianDropout,
    Scaling,
    Scheduled,
)

__all__ = ["ACTIVATIONS", "Network", "predict"]

UnitNoise = Dropout | GaussianDropout | AlphaDropout | Scheduled
WeightNoise = DropConnect | Scheduled

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
    "identity": lambda x: x,
}


class Network(nn.Module):
    """A population of multilayer perceptrons that share a shape and nothing else.

    Weights carry a leading axis ``[members, in, out]``, biases ``[members, 1, out]``; a layer is
    one ``baddbmm``. One network is a population of one. Members start from He's normal
    initialisation (He et al. 2015: standard deviation √(2 / in)), each from its own seed, so that
    a member is the same network whatever the population that it is in.

    In ``train()`` mode a forward pass draws the masks of ``(seed, stream, step)``, where ``step``
    counts the training steps taken; stream ``2 l`` holds the units that enter layer ``l`` and
    stream ``2 l + 1`` its weights. In ``eval()`` mode noise is replaced by its exact meaning at
    prediction.

    Parameters
    ----------
    sizes : sequence of int
        Units of each layer, inputs first, outputs last: ``[inputs, 256, 256, outputs]`` is the
        article's network of three layers. Two sizes make a linear model.
    seeds : int or sequence of int
        One per member; an int is one member.
    activation : {"relu", "tanh", "logistic", "identity"}
        Between layers.
    hidden_noise, input_noise : Dropout, GaussianDropout, AlphaDropout or Scheduled, optional
        On the hidden units, and on the inputs. Other noises need what a multilayer perceptron has
        not: channels, time, residual branches, or a rate of their own in the optimizer.
    weight_noise : DropConnect or Scheduled, optional
        On the weights of every layer.
    dtype : torch.dtype
        Of the parameters.

    Raises
    ------
    UsageError
        If a size, the activation or the number of members is not usable.

    Examples
    --------
    >>> import torch, bridle
    >>> network = bridle.Network([4, 8, 8, 3], seeds=[0, 1])
    >>> [list(weight.shape) for weight in network.weights]
    [[2, 4, 8], [2, 8, 8], [2, 8, 3]]
    >>> network(torch.zeros(5, 4)).shape
    torch.Size([2, 5, 3])
    """

    seeds: Tensor
    steps: Tensor

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        seeds: int | Sequence[int] = 0,
        activation: str = "relu",
        hidden_noise: UnitNoise | None = None,
        input_noise: UnitNoise | None = None,
        weight_noise: WeightNoise | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if len(sizes) < 2 or any(size < 1 for size in sizes):
            raise UsageError(
                f"sizes is {list(sizes)}; give two sizes or more, each at least 1, inputs first"
            )
        if activation not in ACTIVATIONS:
            raise UsageError(
                f"activation is {activation!r}; it is one of {', '.join(map(repr, ACTIVATIONS))}"
            )
        members = [seeds] if isinstance(seeds, int) else list(seeds)
        if not members:
            raise UsageError("seeds is empty; give one seed per member")
        self.sizes = tuple(sizes)
        self.activation = activation
        self.hidden_noise = hidden_noise
        self.input_noise = input_noise
        self.weight_noise = weight_noise
        self._check_noise(len(members))
        self.register_buffer("seeds", torch.tensor(members, dtype=torch.int64))
        self.register_buffer("steps", torch.zeros(len(members), dtype=torch.int64))
        generators = [torch.Generator().manual_seed(seed) for seed in members]
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for fan_in, fan_out in pairwise(sizes):
            draws = [torch.randn(fan_in, fan_out, generator=g) for g in generators]
            weight = torch.stack(draws) * math.sqrt(2 / fan_in)
            self.weights.append(nn.Parameter(weight.to(dtype)))
            self.biases.append(nn.Parameter(torch.zeros(len(members), 1, fan_out, dtype=dtype)))

    def _check_noise(self, members: int) -> None:
        for name, kinds in (
            ("hidden_noise", (Dropout, GaussianDropout, AlphaDropout)),
            ("input_noise", (Dropout, GaussianDropout, AlphaDropout)),
            ("weight_noise", (DropConnect,)),
        ):
            noise = getattr(self, name)
            inner = noise.noise if isinstance(noise, Scheduled) else noise
            if inner is not None and not isinstance(inner, kinds):
                raise UsageError(
                    f"{name} is {noise}, which this network has no place for: it takes "
                    f"{', '.join(kind.__name__ for kind in kinds)}; bridle.regularize puts others "
                    "into a model of your own"
                )
        for noise in (self.hidden_noise, self.input_noise, self.weight_noise):
            keep = noise.keep_prob if noise is not None else None
            if isinstance(keep, Tensor) and keep.shape[0] != members:
                raise UsageError(
                    f"{noise} has {keep.shape[0]} keep probabilities for {members} members; "
                    "give one each, or a single number"
                )

    @property
    def members(self) -> int:
        """How many networks there are."""
        return self.weights[0].shape[0]

    @property
    def has_noise(self) -> bool:
        """Whether training draws masks."""
        return any((self.hidden_noise, self.input_noise, self.weight_noise))

    def extra_repr(self) -> str:
        """Return the shape and the noises, for printing."""
        noises = [
            f"{name}={getattr(self, name)}"
            for name in ("input_noise", "hidden_noise", "weight_noise")
            if getattr(self, name) is not None
        ]
        return ", ".join([f"sizes={list(self.sizes)}, members={self.members}", *noises])

    def address(self, stream: int) -> Tensor:
        """Return the addresses of a stream's masks at the current step: int64 ``[members, 3]``."""
        return torch.stack([self.seeds, torch.full_like(self.seeds, stream), self.steps], dim=-1)

    def _train_forward(self, hidden: Tensor, rows: Tensor | None) -> Tensor:
        activation = ACTIVATIONS[self.activation]
        # with dropout after a ReLU, one pass adds the bias, clips and drops
        drop: Any = self.hidden_noise  # each kind has options of its own
        fused = drop is not None and drop.fuses_relu and self.activation == "relu"
        for layer, bias in enumerate(self.biases):
            if layer and fused:
                below = self.biases[layer - 1]
                place = self.address(2 * layer)
                hidden = drop.train(hidden, place, rows=rows, relu=True, bias=below)
            elif layer and drop is not None:
                hidden = drop.train(activation(hidden), self.address(2 * layer), rows=rows)
            elif layer:
                hidden = activation(hidden)
            elif self.input_noise is not None:
                hidden = self.input_noise.train(hidden, self.address(0), rows=rows)
            late = fused and layer < len(self.biases) - 1
            hidden = self._linear(hidden, None if late else bias, layer, rows)
        return hidden

    def _linear(
        self, hidden: Tensor, bias: Tensor | None, layer: int, rows: Tensor | None
    ) -> Tensor:
        if self.weight_noise is None:
            weight = self.weights[layer]
            if bias is None:
                return torch.bmm(hidden, weight)
            return torch.baddbmm(bias, hidden, weight)
        address = self.address(2 * layer + 1)
        product = self.weight_noise.linear(hidden, self.weights[layer], address, rows=rows)
        return product if bias is None else product + bias

    def _predict_forward(self, hidden: Tensor) -> Tensor:
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = ACTIVATIONS[self.activation](hidden) if layer else hidden
            dropout = self.hidden_noise if layer else self.input_noise
            hidden = hidden if dropout is None else dropout.predict(hidden)
            used = weight if self.weight_noise is None else self.weight_noise.predict(weight)
            hidden = torch.baddbmm(bias, hidden, used)
        return hidden

    def forward(
        self, X: Tensor, *, noise: bool | None = None, rows: Tensor | None = None
    ) -> Tensor:
        """Return the outputs (scores) of every member.

        Parameters
        ----------
        X : Tensor
            ``[rows, inputs]``, the same for all members, or ``[members, rows, inputs]``.
        noise : bool, optional
            Draw the masks of the current step. Default: as the module's mode, on in ``train()``.
        rows : Tensor, optional
            int64 ``[rows]``: the addresses of the rows in the masks. Default: ``0, 1, 2, ...``. A
            batch in parts, each with its own row addresses, draws the masks of the whole.

        Returns
        -------
        Tensor
            ``[members, rows, outputs]``.

        Raises
        ------
        UsageError
            If ``X`` does not have the network's inputs.
        """
        noise = self.training if noise is None else noise
        if X.ndim not in (2, 3) or X.shape[-1] != self.sizes[0]:
            raise UsageError(
                f"X has the shape {list(X.shape)}; this network takes [rows, {self.sizes[0]}] or "
                f"[{self.members}, rows, {self.sizes[0]}]"
            )
        hidden = X.expand(self.members, -1, -1) if X.ndim == 2 else X
        return self._train_forward(hidden, rows) if noise else self._predict_forward(hidden)

    def take(self, members: Sequence[int] | Tensor) -> Network:
        """Return a population of some members, as copies.

        Parameters
        ----------
        members : sequence of int or Tensor
            Their places on the leading axis, in the wanted order.

        Returns
        -------
        Network
            With the same parameters, seeds and steps, bit for bit.

        Examples
        --------
        >>> import bridle
        >>> bridle.Network([4, 8, 3], seeds=[5, 6, 7]).take([2]).seeds
        tensor([7])
        """
        index = torch.as_tensor(members, dtype=torch.int64, device=self.seeds.device)
        taken = Network(
            self.sizes,
            seeds=self.seeds[index].tolist(),
            activation=self.activation,
            hidden_noise=self.hidden_noise and self.hidden_noise.take(index),
            input_noise=self.input_noise and self.input_noise.take(index),
            weight_noise=self.weight_noise and self.weight_noise.take(index),
            dtype=self.weights[0].dtype,
        ).to(self.seeds.device)
        taken.load_state_dict({name: value[index] for name, value in self.state_dict().items()})
        return taken.train(self.training)

    @torch.no_grad()
    def subnetwork(self, k: int, *, row: int = 0) -> Network:
        """Return the ``k``-th subnetwork: dropped units are removed, and no noise is left.

        Of a network of one member with the seed ``s``, it is what computes under the masks of the
        addresses (``s``, stream, step ``k``, row ``row``), where stream ``2 l`` holds the units
        that enter layer ``l`` and stream ``2 l + 1`` its weights: what trained on row ``row`` of
        the batch at step ``k``, counted from 0; with masks that the batch shares (row 0), the one
        network that took the whole step. Its outputs are those of the masked network, to rounding.

        The factors of inverted scaling go into the weights. Dropped inputs stay, with zero
        weights, so that it takes the same ``X``; so do weights dropped by DropConnect, and
        :func:`bridle.compact` takes out what those leave dead. Of a layer whose units are all
        dropped, one stays, with zero weights behind it.

        Parameters
        ----------
        k : int
            Its number, from 0: the step of its masks.
        row : int
            The row of its masks, where those differ by row.

        Returns
        -------
        Network
            Of one member, with copies of the weights.

        Raises
        ------
        UsageError
            If the network has several members (``take`` one), or a number is negative.

        Examples
        --------
        >>> import torch, bridle
        >>> noise = bridle.Dropout(keep_prob=0.5, shared=True)
        >>> network = bridle.Network([4, 8, 8, 3], hidden_noise=noise)
        >>> network.subnetwork(7).sizes
        (4, 4, 3, 3)
        >>> X, step = torch.randn(2, 4), network.steps.fill_(7)
        >>> torch.allclose(network.subnetwork(7)(X), network(X, noise=True), atol=1e-6)
        True
        """
        check_name(k, row)
        if self.members != 1:
            raise UsageError(
                f"the Network has {self.members} members, each with subnetworks of its own; "
                "take one of them first: network.take([i])"
            )
        weights, factors = [], []
        for layer, weight in enumerate(self.weights):
            address = addresses(int(self.seeds), 2 * layer, [k])
            noise = self.hidden_noise if layer else self.input_noise
            like, units = weight[0], self.sizes[layer]
            drawn = None if noise is None else keep_factors(noise, address, units, row, like)[0]
            factors.append(drawn)
            if self.weight_noise is not None:
                address[:, 1] += 1
                now = cast(DropConnect, self.weight_noise.now(address))
                weight = now.train(weight, address, row=row if now.per_example else 0)
            weights.append(weight[0])
        return self.thinned(weights, factors)

    def subnetworks(self, names: Iterable[int], *, row: int = 0) -> Iterator[Network]:
        """Return several subnetworks, each made when it is asked for; see :meth:`subnetwork`.

        Parameters
        ----------
        names : iterable of int
            Such as ``range(50)``.
        row : int
            As in :meth:`subnetwork`.

        Examples
        --------
        >>> import bridle
        >>> network = bridle.Network([4, 8, 3], hidden_noise=bridle.Dropout(keep_prob=0.5))
        >>> [small.sizes[1] for small in network.subnetworks(range(5))]
        [3, 2, 4, 3, 1]
        """
        return (self.subnetwork(k, row=row) for k in names)

    @torch.no_grad()
    def thinned(self, weights: Sequence[Tensor], factors: Sequence[Tensor | None]) -> Network:
        """Return the network of these weights, without the units whose factor is 0.

        Parameters
        ----------
        weights : sequence of Tensor
            ``[in, out]`` of each layer, with the masks that act on weights applied.
        factors : sequence of Tensor or None
            ``[in]`` of each layer: what its units are multiplied by; None keeps all.

        Returns
        -------
        Network
            Of one member, without noise; see :func:`bridle.networks.thinning.thin`.
        """
        kept, shifts = thin(weights, [bias[0, 0] for bias in self.biases], factors)
        small = Network(
            [self.sizes[0], *(weight.shape[1] for weight in kept)],
            seeds=self.seeds.tolist(),
            activation=self.activation,
            dtype=self.weights[0].dtype,
        ).to(self.seeds.device)
        for to, value in zip([*small.weights, *small.biases], [*kept, *shifts], strict=True):
            to.copy_(value)
        small.steps.copy_(self.steps)
        return small.train(self.training)

    @torch.no_grad()
    def with_scaling(self, scaling: Scaling) -> Network:
        """Return the same trained network with its noises scaled the other way.

        The keep probability moves between the noise and the weights that read it: an inverted
        network's weights are ``p`` times the classic one's, in training and at prediction alike.
        In float64 a network of float32 weights converts there and back without loss, since p has
        16 bits; in float32 each weight is rounded once each way.

        Parameters
        ----------
        scaling : {"inverted", "classic"}
            The scaling to have; if the network has it already, the copy is unchanged.

        Returns
        -------
        Network

        Examples
        --------
        >>> import torch, bridle
        >>> noise = bridle.Dropout(keep_prob=0.5, scaling="classic")
        >>> classic = bridle.Network([4, 8, 3], hidden_noise=noise)
        >>> inverted = classic.with_scaling("inverted")
        >>> X = torch.randn(5, 4)
        >>> torch.equal(bridle.predict(classic, X), bridle.predict(inverted, X))
        True
        """
        converted = self.take(range(self.members))
        for layer, weight in enumerate(converted.weights):
            for noise in (self.hidden_noise if layer else self.input_noise, self.weight_noise):
                if noise is None or noise.scaling == scaling:
                    continue
                keep = torch.as_tensor(noise.drawn_keep_prob, dtype=torch.float64).view(-1, 1, 1)
                factor = keep if scaling == "inverted" else 1 / keep
                weight.copy_((weight.double() * factor.to(weight.device)).to(weight.dtype))
        for name in ("hidden_noise", "input_noise", "weight_noise"):
            noise = getattr(self, name)
            setattr(converted, name, noise and noise.rescaled(scaling))
        return converted


@torch.no_grad()
def predict(network: Network, X: Tensor, *, batch_rows: int = 4096) -> Tensor:
    """Return the outputs of every member with noise off: the article's ``predict``.

    Parameters
    ----------
    network : Network
        In either mode, which stays as it is.
    X : Tensor
        ``[rows, inputs]`` or ``[members, rows, inputs]``.
    batch_rows : int
        Rows at a time, which bounds the memory.

    Returns
    -------
    Tensor
        Scores ``[members, rows, outputs]``; softmax makes probabilities of them.

    Raises
    ------
    UsageError
        If ``X`` does not have the network's inputs.

    Examples
    --------
    >>> import torch, bridle
    >>> network = bridle.Network([4, 8, 3])
    >>> bridle.predict(network, torch.zeros(2, 4))
    tensor([[[0., 0., 0.],
             [0., 0., 0.]]])
    """
    if X.shape[-2] <= batch_rows:
        return network(X, noise=False)
    return torch.cat([network(part, noise=False) for part in X.split(batch_rows, dim=-2)], dim=1)
