"""Checks with codes: what is wrong with a model or its evaluation, by severity."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
