"""Penalties: functions R of a weight tensor, with value, gradient and prox."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
