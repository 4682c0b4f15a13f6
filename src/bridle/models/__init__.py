"""A network together with its table: fit, predict, save and load, audit, ablation."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
