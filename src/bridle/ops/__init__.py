"""Tensor functions with gradients: dropout with masks by address, and proximal steps."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
