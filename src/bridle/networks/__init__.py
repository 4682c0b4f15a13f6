"""bridle's own networks: a population of multilayer perceptrons, and its training loop."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
