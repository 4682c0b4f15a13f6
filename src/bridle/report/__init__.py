"""The report: one HTML page, and figures as PNG and SVG."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
