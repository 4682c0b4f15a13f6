"""Every error that bridle raises on purpose.

::

    BridleError
    ├── UsageError      an argument is wrong (also a ValueError); the command line exits with 2
    ├── DataError       the arguments are right, the data are not (also a ValueError); exits with 1
    │   └── ModelFileError   a model file is truncated, foreign or of another version
    └── TrainingError   training could not go on; exits with 1

    RegularizationWarning   two settings work against each other (a UserWarning)

Each message is one line: what is wrong, the offending value, what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BridleError(Exception):
    """The base of every error that bridle raises on purpose."""


class UsageError(BridleError, ValueError):
    """An argument has a value that it cannot have."""


class DataError(BridleError, ValueError):
    """The data cannot be used as they are."""


class ModelFileError(DataError):
    """A file is not a model that this version of bridle can read."""


class TrainingError(BridleError):
    """Training could not go on."""


class RegularizationWarning(UserWarning):
    """Two settings work against each other, or one does what nobody wants."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known names, for the end of an error message.

    Parameters
    ----------
    name : str
        What the user wrote.
    known : iterable of str
        What exists.

    Returns
    -------
    str
        ``"did you mean 'x'?"``, or the first known names when nothing is near.

    Examples
    --------
    >>> did_you_mean("clas", ["age", "class"])
    "did you mean 'class'?"
    >>> did_you_mean("zzz", ["age", "class"])
    "there are: 'age', 'class'"
    """
    names = [str(item) for item in known]
    lowered = {item.casefold(): item for item in reversed(names)}
    near = difflib.get_close_matches(name.casefold(), list(lowered), n=2)
    if near:
        return "did you mean " + " or ".join(repr(lowered[item]) for item in near) + "?"
    if not names:
        return "there are none"
    shown = ", ".join(repr(item) for item in names[:8])
    return f"there are: {shown}" + (f" and {len(names) - 8} more" if len(names) > 8 else "")
