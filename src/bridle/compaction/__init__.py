"""Compaction: dead units and dead inputs are taken out of a module, which predicts as before."""

from bridle.compaction.entry import compact
from bridle.compaction.result import Compacted, CompactedLayer
from bridle.compaction.surgery import Select

__all__ = ["Compacted", "CompactedLayer", "Select", "compact"]
