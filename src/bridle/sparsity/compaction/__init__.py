"""Compaction: removes dead units and dead inputs; predictions do not change."""

from bridle.sparsity.compaction.compact import compact
from bridle.sparsity.compaction.result import Compacted, CompactedLayer
from bridle.sparsity.compaction.select_inputs import Select

__all__ = ["Compacted", "CompactedLayer", "Select", "compact"]
