"""Does a network overfit? The diagnosis of any subject, and its record."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
