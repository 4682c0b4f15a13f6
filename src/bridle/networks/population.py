"""``Network``: a population of multilayer perceptrons that one tensor program trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from bridle.networks.embedding import (
    Embedding,
    PeriodicEmbedding,
    check_embedding,
    design_of,
)
from bridle.networks.forward import prediction_forward, training_forward
from bridle.networks.layers import (
    ACTIVATIONS,
    UnitNoise,
    WeightNoise,
    addresses,
    check_architecture,
    check_inputs,
    check_noises,
    he_normal,
    rescale_weights,
)
from bridle.networks.prediction import predict
from bridle.networks.thinning import masked_parameters, thin
from bridle.noise import Scaling

__all__ = ["ACTIVATIONS", "Network", "predict"]


class Network(nn.Module):
    """A population of multilayer perceptrons with the same layer sizes.

    Weights have the shape ``[members, in, out]`` and biases ``[members, 1, out]``; a layer is one
    ``baddbmm``. A single network is a population of one. Weights start from He's normal
    initialization (He et al. 2015: standard deviation √(2 / in)), with a seed for each member, so
    that a member does not depend on the rest of the population.

    In ``train()`` mode a forward pass draws the masks of ``(seed, stream, step)``, where ``step``
    counts the training steps taken. Stream ``2 l`` masks the units that enter layer ``l``, and
    stream ``2 l + 1`` its weights. In ``eval()`` mode noise is off: each noise is replaced by its
    exact prediction rule.

    Parameters
    ----------
    sizes : sequence of int
        Units of each layer, inputs first, outputs last: ``[inputs, 256, 256, outputs]`` is a
        network of three layers. Two sizes make a linear model.
    seeds : int or sequence of int
        One per member; an int means one member.
    activation : {"relu", "tanh", "logistic", "identity"}
        Between layers.
    hidden_noise, input_noise : Dropout, GaussianDropout, AlphaDropout or Scheduled, optional
        On the hidden units, and on the inputs. The other noises do not apply: they need channels,
        time steps or residual branches, or a rate in the optimizer.
    weight_noise : DropConnect or Scheduled, optional
        On the weights of every layer.
    dtype : torch.dtype
        Of the parameters.
    embedding : PeriodicEmbedding, optional
        A trainable embedding of the first inputs. Its outputs enter the first layer after the
        inputs; ``weights[0]`` has a row for each. ``sizes`` does not count them. Its parameters
        are those of ``network.embedding``.

    Raises
    ------
    UsageError
        If a size, the activation, a noise, the embedding or the number of members is invalid.

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
        embedding: PeriodicEmbedding | None = None,
    ) -> None:
        super().__init__()
        members = [seeds] if isinstance(seeds, int) else list(seeds)
        check_architecture(sizes, activation, members)
        check_noises(len(members), hidden_noise, input_noise, weight_noise)
        check_embedding(embedding, sizes[0], len(members))
        self.sizes = tuple(sizes)
        self.activation = activation
        self.hidden_noise = hidden_noise
        self.input_noise = input_noise
        self.weight_noise = weight_noise
        self.register_buffer("seeds", torch.tensor(members, dtype=torch.int64))
        self.register_buffer("steps", torch.zeros(len(members), dtype=torch.int64))
        generators = [torch.Generator().manual_seed(seed) for seed in members]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        more = 0 if embedding is None else embedding.count
        for fan_in, fan_out in pairwise([sizes[0] + more, *sizes[1:]]):
            weight = he_normal(fan_in, fan_out, generators, dtype)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(len(members), 1, fan_out, dtype=dtype)))
        # after the weights, so that these do not depend on it
        self.embedding = None if embedding is None else Embedding(embedding, generators, dtype)

    @property
    def members(self) -> int:
        """The number of networks."""
        return self.weights[0].shape[0]

    @property
    def has_noise(self) -> bool:
        """Whether there is any noise in training."""
        return any((self.hidden_noise, self.input_noise, self.weight_noise))

    def extra_repr(self) -> str:
        """Return the shape and the noises, for printing."""
        names = ("input_noise", "hidden_noise", "weight_noise")
        noises = [f"{name}={noise}" for name in names if (noise := getattr(self, name))]
        return ", ".join([f"sizes={list(self.sizes)}, members={self.members}", *noises])

    def address(self, stream: int) -> Tensor:
        """Return the addresses of a stream's masks at the current step: int64 ``[members, 3]``."""
        return addresses(self.seeds, stream, self.steps)

    def forward(
        self, X: Tensor, *, noise: bool | None = None, rows: Tensor | None = None
    ) -> Tensor:
        """Return the outputs (logits, or predictions for regression) of every member.

        Parameters
        ----------
        X : Tensor
            ``[rows, inputs]``, the same for all members, or ``[members, rows, inputs]``.
        noise : bool, optional
            Draw the masks of the current step. Default: on in ``train()`` mode, off in ``eval()``.
        rows : Tensor, optional
            int64 ``[rows]``: the row addresses of the masks. Default: ``0, 1, 2, ...``. A batch
            that is split into parts keeps its masks when each part gets its own row addresses.

        Returns
        -------
        Tensor
            ``[members, rows, outputs]``.

        Raises
        ------
        UsageError
            If the shape of ``X`` does not fit the network.
        """
        noise = self.training if noise is None else noise
        check_inputs(self, X)
        hidden = X.expand(self.members, -1, -1) if X.ndim == 2 else X
        return training_forward(self, hidden, rows) if noise else prediction_forward(self, hidden)

    def take(self, members: Sequence[int] | Tensor) -> Network:
        """Return a population with copies of some members.

        Parameters
        ----------
        members : sequence of int or Tensor
            Their indices on the leading axis, in the wanted order.

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
            embedding=design_of(self.embedding),
        ).to(self.seeds.device)
        taken.load_state_dict({name: value[index] for name, value in self.state_dict().items()})
        return taken.train(self.training)

    @torch.no_grad()
    def subnetwork(self, k: int, *, row: int = 0) -> Network:
        """Return the ``k``-th subnetwork: a network without the dropped units, and without noise.

        The network must have one member; let ``s`` be its seed. The masks are those of the
        addresses (``s``, stream, step ``k``, row ``row``), where stream ``2 l`` masks the units
        that enter layer ``l`` and stream ``2 l + 1`` its weights. So this is the subnetwork that
        was trained on row ``row`` of the batch at step ``k``, counted from 0. If the batch shares
        its masks (row 0), it is the one subnetwork of the whole step. Its outputs equal those of
        the masked network up to rounding.

        The factors of inverted scaling are multiplied into the weights. Dropped inputs stay, with
        zero weights, so that ``X`` stays the same. Weights dropped by DropConnect are zero;
        :func:`bridle.compact` removes units that this leaves unused. If all units of a layer are
        dropped, one unit stays, with zero outgoing weights.

        Parameters
        ----------
        k : int
            The step of the masks, from 0.
        row : int
            The row of the masks, if they differ by row.

        Returns
        -------
        Network
            With one member, and copies of the weights.

        Raises
        ------
        UsageError
            If the network has several members (``take`` one), or ``k`` or ``row`` is negative.

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
        return self.thinned(*masked_parameters(self, k, row))

    def subnetworks(self, names: Iterable[int], *, row: int = 0) -> Iterator[Network]:
        """Iterate over several subnetworks, which are built one by one; see :meth:`subnetwork`.

        Parameters
        ----------
        names : iterable of int
            The steps of their masks, such as ``range(50)``.
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
        """Return the network with these weights, without the units whose factor is 0.

        Parameters
        ----------
        weights : sequence of Tensor
            ``[in, out]`` for each layer, with weight masks applied.
        factors : sequence of Tensor or None
            ``[in]`` for each layer: the multipliers of its inputs; None keeps all.

        Returns
        -------
        Network
            With one member and no noise; see :func:`bridle.networks.thinning.thin`.
        """
        kept, shifts = thin(weights, [bias[0, 0] for bias in self.biases], factors)
        small = Network(
            [self.sizes[0], *(weight.shape[1] for weight in kept)],
            seeds=self.seeds.tolist(),
            activation=self.activation,
            dtype=self.weights[0].dtype,
            embedding=design_of(self.embedding),
        ).to(self.seeds.device)
        if self.embedding is not None and small.embedding is not None:
            small.embedding.load_state_dict(self.embedding.state_dict())
        for to, value in zip([*small.weights, *small.biases], [*kept, *shifts], strict=True):
            to.copy_(value)
        small.steps.copy_(self.steps)
        return small.train(self.training)

    @torch.no_grad()
    def with_scaling(self, scaling: Scaling) -> Network:
        """Return the same trained network with the other scaling of its noises.

        The keep probability p moves between the noise and the weights that follow it: the weights
        of an inverted network are ``p`` times those of the classic one. Outputs are the same in
        training and at prediction. Float32 weights that are stored as float64 convert there and
        back without loss, since p has 16 bits. In float32, each conversion rounds each weight once.

        Parameters
        ----------
        scaling : {"inverted", "classic"}
            The wanted scaling. If the network has it already, the result is a plain copy.

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
        rescale_weights(converted, scaling)
        for name in ("hidden_noise", "input_noise", "weight_noise"):
            noise = getattr(self, name)
            setattr(converted, name, noise and noise.rescaled(scaling))
        return converted
