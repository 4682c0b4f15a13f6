"""The search: many configurations × folds as one tensor program, and the best of them.

The names below load what they need when they are first used: a worker process, which only trains,
does not wait for what reads tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridle.lazy import loader

if TYPE_CHECKING:
    from bridle.searching.configuration import PLAIN, Configuration, Space
    from bridle.searching.entry import search
    from bridle.searching.result import SearchResult

_HOME = {
    "PLAIN": "configuration",
    "Configuration": "configuration",
    "SearchResult": "result",
    "Space": "configuration",
    "search": "entry",
}

__all__ = ["PLAIN", "Configuration", "SearchResult", "Space", "search"]

__getattr__ = loader(__name__, _HOME, globals())
