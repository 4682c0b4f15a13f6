"""Sparsity: the λ path, and compaction, which removes units and inputs whose weights are zero."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
