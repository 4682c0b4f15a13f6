"""A corpus of polluted tables: the bytes of each file, and the right answer for it.

The kinds are those of the Pollock benchmark (Vitagliano et al. 2023): separators, quotes, escapes,
record ends, headers, preambles, ragged rows, several tables. Beside them are the marks of numbers,
encodings and cells that analysts meet. ``CASES`` maps a name to a :class:`Case`.
"""

import polluted_cells
import polluted_files
from polluted_helpers import Case, same

__all__ = ["CASES", "Case", "same"]

CASES = polluted_files.CASES | polluted_cells.CASES
