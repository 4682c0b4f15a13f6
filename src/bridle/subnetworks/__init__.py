"""The ensemble that a network with masks is: its subnetworks evaluated together, and averaged."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
