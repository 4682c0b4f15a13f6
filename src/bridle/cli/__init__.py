"""The command line: parses, calls, prints.

Exit codes: 0, it ran; 1, it ran and failed (the data, a file, the training); 2, it was called
wrongly. Results go to standard output, progress and errors to standard error.
"""

from bridle.cli.app import app, main
from bridle.cli.demo import example_table

__all__ = ["app", "example_table", "main"]
