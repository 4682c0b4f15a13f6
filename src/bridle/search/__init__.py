"""The search: many configurations × folds as one tensor program, and the best of them.

The names below load what they need when they are first used: a worker process, which only trains,
does not wait for what reads tables.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
