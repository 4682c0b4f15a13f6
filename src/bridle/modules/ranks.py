"""Ranks: which processes of ``torch.distributed`` have masks of their own, and which share them.

Processes with different data have different masks: row ``r`` of process ``i`` of ``n`` has the
address ``r n + i``. Processes that hold the same data, or parts of it, are those of tensor
parallelism. They share the masks of activations that each of them holds as a whole. Each draws the
mask of its own part of an activation that is divided over them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, distributed as dist, nn

from bridle.errors import UsageError
from bridle.ops.sharding import is_sharded

__all__ = ["ALONE", "Layout", "Ranks", "refuse_flattened", "refuse_fully_sharded"]

_DATA = {"data", "ddp", "dp", "fsdp", "hsdp", "batch", "replicate", "shard", "pp", "pipeline"}
_SHARED = {"tp", "tensor", "sp", "mp", "model"}


@dataclass(frozen=True)
class Layout:
    """The place of this process among those with different data."""

    index: int
    count: int
    shared: tuple[Any, ...] = ()
    """The process groups whose members hold the same data."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Layout:
        return self  # a process group cannot be copied


ALONE = Layout(0, 1)


class Ranks:
    """The processes whose masks differ: given by a process group or a mesh, or found in a model."""

    def __init__(self, process_group: Any = None, mesh: Any = None) -> None:
        if process_group is not None and mesh is not None:
            raise UsageError("process_group and mesh are both given; give one of them")
        self._group = process_group
        self._mesh = mesh
        self._lost = False
        if mesh is not None:
            _by_mesh(mesh)
        elif process_group is not None:
            _by_group(process_group)

    def __deepcopy__(self, memo: dict[int, Any]) -> Ranks:
        return self  # a process group cannot be copied

    def __getstate__(self) -> dict[str, Any]:
        given = self._group is not None or self._mesh is not None
        return {"_group": None, "_mesh": None, "_lost": given or self._lost}

    def layout(self, root: nn.Module | None, everyone: Layout) -> Layout:
        """Return the layout for a model; without evidence it is ``everyone``, by rank.

        Raises
        ------
        UsageError
            If it cannot be found, or the process group was lost in a file.
        """
        if self._lost:
            raise UsageError(
                "the process_group or mesh of this model's noises is not saved with the model: "
                "regularize the model anew after loading it"
            )
        if self._mesh is not None:
            return _by_mesh(self._mesh)
        found = _detected(root, everyone)
        if self._group is not None:
            return Layout(*_by_group(self._group), found.shared)
        return found

    def average_(self, tensor: Tensor) -> None:
        """Average a tensor in place over the processes with different data."""
        groups, count = [self._group], None
        if self._mesh is not None:
            mesh = self._mesh
            groups = [mesh.get_group(axis) for axis in _differing(mesh)]
            count = _by_mesh(mesh).count
        for group in groups:
            dist.all_reduce(tensor, group=group)
        tensor /= dist.get_world_size(self._group) if count is None else count


def refuse_fully_sharded(model: nn.Module) -> None:
    """Raise a UsageError if ``fully_shard`` distributes a module, since torch cannot copy it."""
    if any(_fsdp_groups(module) for module in model.modules()):
        raise UsageError(
            "a model of fully_shard cannot be copied, and an audit makes its steps with copies: "
            "audit the model and its optimizer before fully_shard"
        )


def refuse_flattened(model: nn.Module, names: Iterable[str] | None = None) -> None:
    """Raise a UsageError if ``FullyShardedDataParallel`` has flattened one of these weights.

    Without names, if it has flattened any weights of the model.
    """
    if names is None:
        modules = list(model.modules())
        flattened = any(getattr(module, "_is_fsdp_managed_module", False) for module in modules)
        flattened &= not any(is_sharded(parameter) for parameter in model.parameters())
    else:
        flattened = any(
            getattr(model.get_parameter(name), "_fsdp_flattened", False) for name in names
        )
    if flattened:
        raise UsageError(
            "FullyShardedDataParallel flattens weights and cuts them without regard to their rows, "
            "so that penalties cannot see them: shard the model with fully_shard (FSDP2), or use "
            "DistributedDataParallel"
        )


def _by_group(group: Any) -> tuple[int, int]:
    from torch.distributed.device_mesh import DeviceMesh

    if isinstance(group, DeviceMesh):
        raise UsageError("process_group is a device mesh: give it as mesh=")
    outside = group is dist.GroupMember.NON_GROUP_MEMBER
    if not outside and not isinstance(group, dist.ProcessGroup):
        raise UsageError(
            f"process_group is {group!r}; give the torch.distributed process group whose members "
            "hold different data"
        )
    index = -1 if outside else dist.get_rank(group)
    if index < 0:
        raise UsageError(
            f"process {dist.get_rank()} is not in the process_group: regularize there with the "
            "group that it is in"
        )
    return index, dist.get_world_size(group)


def _differing(mesh: Any) -> list[int]:
    """Return the axes of a mesh along which data differ, by their names."""
    names = mesh.mesh_dim_names
    if names is None and mesh.ndim == 1:
        return [0]
    if names is None:
        raise UsageError(
            f"{mesh} has no mesh_dim_names, so it is unknown which of its dimensions have the same "
            "data: build it with names such as ('dp', 'tp')"
        )
    found = []
    for axis, name in enumerate(names):
        words = set(name.casefold().replace("-", "_").split("_"))
        data, shared = bool(words & _DATA), bool(words & _SHARED)
        if data == shared and mesh.ndim > 1:
            raise UsageError(
                f"the dimension {name!r} of the mesh may have the same data or different data: "
                "give the part of the mesh along which data differ, such as mesh['dp']"
            )
        if data or not shared:
            found.append(axis)
    return found


def _by_mesh(mesh: Any) -> Layout:
    from torch.distributed.device_mesh import DeviceMesh

    if not isinstance(mesh, DeviceMesh):
        raise UsageError(
            f"mesh is {mesh!r}; give a torch.distributed.device_mesh.DeviceMesh, or a "
            "process group as process_group="
        )
    differing = _differing(mesh)
    coordinate = mesh.get_coordinate()
    if coordinate is None:
        raise UsageError(
            f"process {dist.get_rank()} is not in {mesh}: regularize there with the mesh that it "
            "is in"
        )
    if not differing and mesh.size() < dist.get_world_size():
        raise UsageError(
            f"the mesh has {mesh.size()} of {dist.get_world_size()} processes, and they all hold "
            "the same data: give the whole mesh, such as ('dp', 'tp')"
        )
    axes = range(mesh.ndim)
    shared = tuple(mesh.get_group(axis) for axis in axes if axis not in differing)
    return _raveled(coordinate, list(mesh.shape), differing, shared)


def _raveled(
    coordinate: Sequence[int], sizes: list[int], axes: list[int], shared: tuple[Any, ...]
) -> Layout:
    index = 0
    for axis in axes:
        index = index * sizes[axis] + coordinate[axis]
    return Layout(index, math.prod(sizes[axis] for axis in axes), shared)


def _detected(root: nn.Module | None, everyone: Layout) -> Layout:
    """Return the layout that the parameters of a model show, or that of data parallelism."""
    shared, mesh = _tensor_parallel(root) if root is not None else ({}, None)
    if mesh is None:
        return everyone
    whole = mesh._get_root_mesh()
    coordinate = whole.get_coordinate()
    axes = []
    if coordinate is not None and whole.size() == dist.get_world_size():
        for axis in range(whole.ndim):
            along = [*coordinate[:axis], slice(None), *coordinate[axis + 1 :]]
            members = frozenset(whole.mesh[tuple(along)].tolist())
            if members in shared or len(members) == 1:
                axes.append(axis)
    known = {frozenset(_along(whole, coordinate, axis)) for axis in axes}
    if not shared.keys() <= known:
        raise UsageError(
            "the model is tensor-parallel, and it is unknown which processes hold different data: "
            "give mesh=, the whole device mesh, or process_group= to bridle.regularize"
        )
    differing = [axis for axis in range(whole.ndim) if axis not in axes]
    return _raveled(coordinate, list(whole.shape), differing, tuple(shared.values()))


def _along(mesh: Any, coordinate: Any, axis: int) -> list[int]:
    """Return the processes along an axis of a mesh, through a coordinate."""
    place = (*coordinate[:axis], slice(None), *coordinate[axis + 1 :])
    members: list[int] = mesh.mesh[place].tolist()
    return members


def _tensor_parallel(root: nn.Module) -> tuple[dict[frozenset[int], Any], Any]:
    """Return the groups over which a model's parameters are tensor-parallel, and their mesh."""
    data = {_members(group) for module in root.modules() for group in _fsdp_groups(module)}
    shared: dict[frozenset[int], Any] = {}
    found = None
    for parameter in root.parameters():
        if not is_sharded(parameter):
            continue
        mesh: Any = parameter.device_mesh  # type: ignore[attr-defined]
        for axis in range(mesh.ndim):
            group = mesh.get_group(axis)
            members = _members(group)
            if len(members) > 1 and members not in data:
                shared[members], found = group, mesh
    return shared, found


def _members(group: Any) -> frozenset[int]:
    return frozenset(dist.get_process_group_ranks(group))


def _fsdp_groups(module: nn.Module) -> list[Any]:
    """Return the process groups over which ``fully_shard`` distributes a module's parameters."""
    if not hasattr(module, "_get_fsdp_state"):
        return []
    known = [each.mesh_info for each in module._get_fsdp_state()._fsdp_param_groups]  # type: ignore[operator]
    return [
        info.mesh.get_group(axis)
        for info in known
        for axis in (info.shard_mesh_dim, info.replicate_mesh_dim)
        if axis is not None
    ]
