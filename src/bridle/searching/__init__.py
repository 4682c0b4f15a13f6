"""The search: many configurations × folds as one tensor program, and the best of them."""

from bridle.searching.configuration import PLAIN, Configuration, Space
from bridle.searching.entry import search
from bridle.searching.result import SearchResult

__all__ = ["PLAIN", "Configuration", "SearchResult", "Space", "search"]
