"""Pure tensor functions, autograd included: masks by address, dropout and its kin."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
