from .configuration import PLAIN as PLAIN, Configuration as Configuration, Space as Space
from .result import SearchResult as SearchResult
from .search import search as search
from .successive_halving import Progress as Progress
