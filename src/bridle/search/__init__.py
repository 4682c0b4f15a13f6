"""Search for the best regularization: many configurations × folds as one tensor program.

The names are imported when they are first used, so that a worker process, which only trains, does
not import what reads tables.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
