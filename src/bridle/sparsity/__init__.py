"""Sparsity: the path of solutions over λ, and compaction of what became zero."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
