"""The report: what was found, for people, as one HTML page and as files."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
