"""Subnetworks of a network with masks: one by its number, the mean over many, their spread."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
