"""Does a model overfit? ``diagnose``, and the record of its result."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
