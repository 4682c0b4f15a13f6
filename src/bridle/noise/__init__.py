"""Noises: random masks on units or weights in training, with an exact rule for prediction."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
