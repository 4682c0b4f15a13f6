"""Conversion of regularization strengths between bridle, scikit-learn, torch and Keras."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
