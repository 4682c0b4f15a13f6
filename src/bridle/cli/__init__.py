"""The command line: parses options, calls the library, prints results.

Exit codes: 0 for success, 1 for a failure (of the data, a file or the training), 2 for wrong usage,
3 if a check fails that --fail-on names, 130 for an interrupt before everything is written.
Results go to standard output; progress and errors go to standard error.
"""

from bridle.cli.app import app, main
from bridle.cli.demo import example_table

__all__ = ["app", "example_table", "main"]
