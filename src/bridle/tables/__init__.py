"""Tables: read them, turn their columns into numbers, and their target into classes or values."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
