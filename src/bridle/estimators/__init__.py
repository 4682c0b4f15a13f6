"""scikit-learn estimators: MLPs with bridle's regularizers, and search by cross-validation."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
