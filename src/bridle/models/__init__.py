"""Models of tables: fit, predict, save and load, audit and ablation."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
