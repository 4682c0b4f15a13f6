"""Inspection of a trained network: co-adaptation of units, and features as images."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
