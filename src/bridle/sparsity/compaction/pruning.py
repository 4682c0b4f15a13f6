"""Decides which units go: zeroes them, and folds what is constant into the next bias.

Nothing is cut here. After each round the model still has its sizes and its predictions, and the
weights around a removed unit are zero. So other units may be dead in the next round.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from bridle.sparsity.compaction.plan import Plan, Reader
from bridle.sparsity.compaction.recognize import is_norm, layer_label, node_name, quoted, user_name
from bridle.sparsity.compaction.stages import Constants
from bridle.sparsity.compaction.steps import (
    Combined,
    Convolved,
    Normed,
    Place,
    Step,
    Through,
    exact,
    no_constants,
    pads_with_zeros,
)

__all__ = ["Pruning"]

_UNEVEN = "in each key/value group, the same number of heads must be dead"


class Pruning:
    """Removes units from a model, by zeroing them, until no more can go.

    Attributes
    ----------
    root : Tensor
        int64: for each id, the unit that stands for it.
    gone, cut : Tensor
        bool, by id: which units are zeroed, and which of them can be cut. A layer keeps one.
    """

    def __init__(self, model: nn.Module, plan: Plan) -> None:
        self.model, self.plan = model, plan
        self.root = plan.units.roots()
        count = len(self.root)
        self._removed = torch.zeros(count, dtype=torch.bool)
        self._pinned = torch.zeros(count, dtype=torch.bool)
        self._why: dict[int, str] = {}
        for ids, reason in plan.pins:
            for unit in self.root[ids].unique().tolist():
                self._pinned[unit] = True
                self._why.setdefault(unit, reason)
        while self._round():
            pass
        self.gone = self._removed[self.root]
        self.cut = (self._removed & ~self._stubs())[self.root]

    def why_kept(self, ids: Tensor) -> str | None:
        """Return why all of a layer's units are kept whatever their weights are, or None."""
        units = self.root[ids]
        return self._why[int(units[0])] if bool(self._pinned[units].all()) else None

    def why_dead_stay(self, ids: Tensor) -> tuple[int, str] | None:
        """Return how many dead units a layer keeps, and the first reason."""
        units = self.root[ids]
        dead = ~self._removed[units] & (self._dead[ids] | ~self._read[units])
        if not dead.any():
            return None
        first = ids[dead][0]
        reasons = (self._lost.get(int(first)), self._blocked.get(int(self.root[first])))
        pinned = self._why.get(int(self.root[first]))
        found = next((reason for reason in (pinned, *reasons) if reason), _UNEVEN)
        return int(dead.sum()), found

    def _round(self) -> bool:
        """Remove all units that are dead now; return whether there was one."""
        values = self._constants()
        self._blocked: dict[int, str] = {}
        self._read = torch.zeros_like(self._removed)
        ok = ~self._pinned
        found = [self._read_by(reader, values, ok) for reader in self.plan.readers]
        for ids, source, name in self.plan.mixers:
            known, value = values[source]
            bad = ids[~((known & (value == 0)) | self._removed[self.root[ids]])]
            self._block(bad, ok, f"{quoted(name)} normalizes over them, and they are not 0")
            self._read[self.root[bad]] = True
        self._share_groups(ok)
        new = ok & ~self._removed
        # an id that is no unit's root does not count
        new &= self.root == torch.arange(len(self.root))
        if not new.any():
            return False
        for reader, (unread, value) in zip(self.plan.readers, found, strict=True):
            folded = new[self.root[reader.ids]] & ~unread
            if folded.any():
                self._fold(reader, folded, value)
        self._zero(new)
        self._removed |= new
        return True

    def _constants(self) -> dict[Place, Constants]:
        """Return the constants at each node; note units that are constant only up to some node."""
        values = {place: no_constants(len(ids)) for place, ids in self.plan.ids.items()}
        self._dead = torch.zeros_like(self._removed)
        self._lost: dict[int, str] = {}
        for step in self.plan.steps:
            ids = self.plan.ids.get(step.node)
            if ids is None:
                continue
            values[step.node] = step.push(values, self.model)
            known = values[step.node].known
            lost = ids[self._dead[ids] & ~known]
            if isinstance(step, Convolved):  # its inputs and its units are one unit by group
                inputs = self.plan.ids[step.source]
                varying = torch.isin(self.root[inputs], self.root[ids[~known]])
                lost = inputs[self._dead[inputs] & varying]
            for unit in lost.tolist():
                self._lost.setdefault(unit, _loses(step))
            self._dead[ids[known]] = True
        return values

    def _read_by(
        self, reader: Reader, values: dict[Place, Constants], ok: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Block the units that a reader needs; return what it does not read, and the constants."""
        module = self.model.get_submodule(reader.target)
        weight = getattr(module, reader.weight)[reader.rows]
        unread = (weight == 0).transpose(0, 1).flatten(1).all(1).cpu()
        known, value = values[reader.source]
        name = layer_label(reader.target)
        self._read[self.root[reader.ids[~unread]]] = True
        foldable = known & value.isfinite()
        self._block(reader.ids[known & ~foldable & ~unread], ok, "the constants are not finite")
        if pads_with_zeros(module):
            bad = foldable & (value != 0) & ~unread
            why = f"{name} pads with zeros, and the constants are not 0"
            self._block(reader.ids[bad], ok, why)
        elif not reader.folds:
            bad = foldable & (value != 0) & ~unread
            why = f"{name} is called more than once, and the constants are not 0"
            self._block(reader.ids[bad], ok, why)
        self._block(reader.ids[~known & ~unread], ok, "other layers read them")
        return unread, value

    def _block(self, ids: Tensor, ok: Tensor, reason: str) -> None:
        for unit in self.root[ids].unique().tolist():
            ok[unit] = False
            self._blocked.setdefault(unit, reason)

    def _share_groups(self, ok: Tensor) -> None:
        """Let query heads go in equal numbers from each key/value group, or the whole group."""
        for group in self.plan.groups.values():
            queries, shared = self.root[group.queries], self.root[group.shared]
            if queries.shape[1] == 1:
                continue
            whole = ok[queries].all(1) & ok[shared]
            ok[shared[~whole]] = False
            self._read[shared[~whole]] = True
            rest = queries[~whole]
            if not len(rest):
                continue
            count = min(int(ok[rest].sum(1).min()), queries.shape[1] - 1)
            for row in rest:
                free = row[ok[row]]
                order = (~self._removed[free]).long().argsort(stable=True)  # the removed first
                ok[free[order[count:]]] = False

    def _fold(self, reader: Reader, folded: Tensor, value: Tensor) -> None:
        """Add the contribution of constant units to the bias of their reader."""
        module: Any = self.model.get_submodule(reader.target)
        weight = getattr(module, reader.weight)
        part = exact(weight[reader.rows])[:, folded]
        added = (part.flatten(2).sum(2) if part.ndim > 2 else part) @ value[folded]
        if not added.any():
            return
        bias = getattr(module, reader.bias)
        total = torch.zeros(len(weight)).double() if bias is None else exact(bias)
        total[reader.rows] += added
        like = weight if bias is None else bias
        total = total.to(like.device, like.dtype)
        setattr(module, reader.bias, nn.Parameter(total, requires_grad=like.requires_grad))
        rows = self.plan.cuts.get((reader.target, reader.weight, 0))
        if bias is None and rows is not None:
            self.plan.cuts[reader.target, reader.bias, 0] = rows

    def _zero(self, new: Tensor) -> None:
        """Zero the weights around units."""
        for (target, name, axis), ids in self.plan.cuts.items():
            module = self.model.get_submodule(target)
            places = new[self.root[ids]]
            if places.any() and not is_norm(module) and target not in self.plan.norms:
                tensor = cast(Tensor, getattr(module, name))
                tensor.index_fill_(axis, places.nonzero().flatten().to(tensor.device), 0)

    def _stubs(self) -> Tensor:
        """Return which removed units stay, zeroed, because torch layers have at least one unit."""
        stubs = torch.zeros_like(self._removed)
        changed = True
        while changed:
            changed = False
            for ids in self.plan.cuts.values():
                units = self.root[ids]
                if bool((self._removed & ~stubs)[units].all()):
                    stubs[units[0]] = changed = True
            for group in self.plan.groups.values():
                kept = ~(self._removed & ~stubs)
                queries, shared = self.root[group.queries], self.root[group.shared]
                for place in range(len(shared)):
                    if bool(kept[queries[place]].any()) != bool(kept[shared[place]]):
                        stubs[shared[place]] = stubs[queries[place, 0]] = changed = True
        return stubs


def _loses(step: Step) -> str:
    """Return how a step makes constant units vary."""
    if isinstance(step, Combined):
        return f"{quoted(node_name(step.node))} joins them with units that are not dead"
    if isinstance(step, Normed | Convolved):
        return f"{quoted(user_name(step.target))} makes constants vary"
    if isinstance(step, Through):
        return f"{quoted(step.stage.name)} makes constants vary"
    return "they are joined with units that are not dead"
