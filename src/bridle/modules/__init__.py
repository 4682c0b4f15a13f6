"""Regularization of any ``torch.nn.Module``: select, add noises, attach penalties, undo."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
