"""What every noise that is placed in a model knows: its stream, and its process's rows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor, distributed as dist, nn
from torch.fx._symbolic_trace import is_fx_symbolic_tracing
from torch.fx.experimental.proxy_tensor import get_proxy_mode

from bridle.errors import UsageError
from bridle.modules.ranks import ALONE, Layout, Ranks
from bridle.modules.streams import Addressed, noises_in, outermost_module
from bridle.noise import Multiplier
from bridle.ops.sharding import Axis, is_sharded, on_shard, over_shards

__all__ = ["Placed", "Turn", "layout_of", "let_compilers_see_places", "named_noises"]

Turn = tuple[int, int, bool]
"""Of one pass: the index of this process, the number of processes with different data, and whether
others hold the same data."""

_DEFAULT = Ranks()
_SAME = 1e-2  # relative difference of replicas, which may be rounded differently


class Placed(Addressed):
    """A noise in a model: a stream of masks, and the rows of this process."""

    noise: Multiplier
    ranks: Ranks = _DEFAULT
    _layout: tuple[tuple[int, int], Layout] | None = None
    _turn: Turn = (0, 1, False)
    _part: str | None = None  # text, since compilers take differing numbers as variables

    def turn(self) -> Turn:
        """Return what a training pass needs to know.

        Raises
        ------
        UsageError
            If the pass is exported or traced, which would keep one mask for good.
        """
        if torch.compiler.is_exporting() or _is_traced():
            raise UsageError(
                f"{self}: a model in training mode cannot be exported or traced, since the result "
                "would have one mask for good: call model.eval() first"
            )
        self.prepare()
        return self._turn

    def prepare(self) -> None:
        """Find the stream and the rows of a pass; a compiler runs it when it traces the pass."""
        self.tell_apart()
        layout = self.layout()
        self._turn = layout.index, layout.count, bool(layout.shared)

    def layout(self, root: nn.Module | None = None) -> Layout:
        """Return the place of this process for a model; by default, for the running one."""
        here = self.process()
        if here[1] == 1:
            return ALONE
        if self._layout is None or self._layout[0] != here:
            running = outermost_module() if root is None else root
            self._layout = here, self.ranks.layout(running, Layout(*here))
        return self._layout[1]

    def process(self) -> tuple[int, int]:
        """Return this process's rank and the number of processes."""
        raise NotImplementedError

    def train_units(self, noise: Any, x: Tensor, address: Tensor, turn: Turn) -> Tensor:
        """Return units with noise, at the rows of this process."""
        index, count, shared = turn

        def train(whole: Tensor, first_row: int) -> Tensor:
            rows = None
            if count > 1 or first_row:  # interleave the rows, so that no two processes share one
                rows = torch.arange(noise.rows_of(whole), device=whole.device) + first_row
                rows = rows * count + index
            masked: Tensor = noise.train(whole, address, rows=rows)
            return masked

        if is_sharded(x):
            index, count = self._of_sharded(x, index, count)
            return over_shards(train, x, _rows_axis(self.noise))
        part = self._part_of(x) if shared else (0, 0)
        if part == (0, 0):
            return train(x, 0)
        return on_shard(train, x, [*[(0, 0)] * (x.ndim - 1), part])

    def train_packed(self, noise: Any, x: Any, address: Tensor, turn: Turn) -> Tensor:
        """Return the data of packed sequences with noise."""
        index, count, shared = turn
        if shared and self._part_of(x.data) != (0, 0):
            raise self._refusal("got packed sequences")
        masked: Tensor = noise.train_packed(x, address, rank=index, processes=count)
        return masked

    def train_weight(self, noise: Any, weight: Tensor, address: Tensor, turn: Turn) -> Tensor:
        """Return a weight with noise."""
        index, count, _ = turn
        if not is_sharded(weight):
            masked: Tensor = noise.train(weight, address, row=index)
            return masked
        index, _ = self._of_sharded(weight, index, count)
        return over_shards(
            lambda whole, _: noise.train(whole, address, row=index), weight, rows_axis=None
        )

    def _of_sharded(self, x: Any, index: int, count: int) -> tuple[int, int]:
        """Return the index and the count of processes outside the mesh of a distributed tensor."""
        if self.noise.learned is not None and any(each.is_shard() for each in x.placements):
            raise self._refusal("learns its rate")
        return (0, 1) if x.device_mesh.size() == dist.get_world_size() else (index, count)

    def _part_of(self, x: Tensor) -> Axis:
        """Return which units of an activation this process of tensor parallelism holds.

        The first pass compares the activation with that of the other processes: replicas are
        equal, parts are not.
        """
        size = x.shape[-1]
        known = None if self._part is None else [int(each) for each in self._part.split()]
        if known is None or known[0] != size:
            sizes, index, constant = self.compare(x)
            part = (sum(sizes[:index]), sum(sizes[index + 1 :]))
            if constant:  # zeros of a new layer, which do not show whose they are
                return part
            if part != (0, 0):
                self._check_part()
            self._part = f"{size} {part[0]} {part[1]}"
            return part
        return known[1], known[2]

    def compare(self, x: Tensor) -> tuple[list[int], int, bool]:
        """Return the sizes of an activation's parts, the place of this one, and whether it is flat.

        A replica is one part. It is flat if all its entries are equal.
        """
        found, place, constant = [x.shape[-1]], 0, False
        for group in self.layout().shared:
            mine = (tuple(x.shape), x.detach().double().cpu().nan_to_num())
            everyone: list[Any] = [None] * dist.get_world_size(group)
            dist.all_gather_object(everyone, mine, group=group)
            first = everyone[0][1]
            limit = _SAME * float(first.norm())
            if all(
                shape == everyone[0][0] and float((value - first).norm()) <= limit
                for shape, value in everyone
            ):
                constant |= all(bool((value == value.flatten()[:1]).all()) for _, value in everyone)
                continue
            if place or len(found) > 1:
                raise self._refusal("sees parts along two dimensions of the mesh")
            found, place = [shape[-1] for shape, _ in everyone], dist.get_rank(group)
        return found, place, constant

    def _check_part(self) -> None:
        if self.noise.learned is not None:
            raise self._refusal("learns its rate")
        if not _inner(self.noise).independent:
            raise self._refusal(
                "cannot know which axis is divided (a layer with use_local_output=False says so)"
            )

    def _refusal(self, why: str) -> UsageError:
        return UsageError(
            f"{self} acts on a tensor of which each process holds a part, and it {why}: put it "
            "where every process holds the whole"
        )


def _is_traced() -> bool:
    """Whether ``torch.jit`` or ``torch.fx`` records the pass, with the mask as a constant."""
    if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        return True
    if torch.compiler.is_compiling():  # its masks are computed anew in each pass
        return False
    return get_proxy_mode() is not None or is_fx_symbolic_tracing()


def layout_of(model: nn.Module) -> Layout:
    """Return the place of this process for a model: that of its noises, or what parameters show."""
    for _, noise in noises_in(model):
        if isinstance(noise, Placed):
            return noise.layout(model)
    return Ranks().layout(model, Layout(dist.get_rank(), dist.get_world_size()))


def named_noises(model: nn.Module) -> dict[str, Placed]:
    """Return the noises in a model by place and name; those of equal names by their paths."""
    paths = {id(module): path for path, module in model.named_modules()}
    found = [each for each in noises_in(model) if isinstance(each[1], Placed)]
    count = Counter((noise.where, noise.name) for _, noise in found)
    named: dict[str, Placed] = {}
    for module, noise in found:
        name = noise.name
        if count[noise.where, name] > 1:
            path = paths.get(id(getattr(noise, "host", module)), paths[id(module)])
            name = ".".join(filter(None, (path, getattr(noise, "attribute", ""))))
        named[f"{noise.where} {name}"] = noise  # type: ignore[assignment]
    return named


def let_compilers_see_places() -> None:
    """Run what depends on other models and processes while a compiler traces, or between graphs."""
    torch.compiler.assume_constant_result(Placed.prepare)
    if not hasattr(Placed.compare, "_torchdynamo_disable"):
        reason = "the first pass asks other processes whether they have the same activation"
        Placed.compare = torch.compiler.disable(Placed.compare, reason=reason)  # type: ignore[method-assign]


def _inner(noise: Any) -> Any:
    """Return the noise that a schedule changes, or the noise itself."""
    return getattr(noise, "noise", noise)


def _rows_axis(noise: Any) -> int:
    """Return the axis of the rows in what a noise acts on."""
    return int(getattr(_inner(noise), "batch_first", None) is False)
