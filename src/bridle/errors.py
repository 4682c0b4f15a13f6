"""bridle's exceptions and warnings.

::

    BridleError
    ├── UsageError      an argument is wrong (also a ValueError); the command line exits with 2
    ├── DataError       the data cannot be used (also a ValueError); exits with 1
    │   └── ModelFileError   a model file is damaged, of another format or another version
    └── TrainingError   training failed; exits with 1

    RegularizationWarning   two settings conflict (a UserWarning)

Each message is one line: what is wrong, the offending value, what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BridleError(Exception):
    """Base class of bridle's errors."""


class UsageError(BridleError, ValueError):
    """An argument is invalid."""


class DataError(BridleError, ValueError):
    """The data cannot be used."""


class ModelFileError(DataError):
    """A file is not a model file that this version of bridle can read."""


class TrainingError(BridleError):
    """Training failed."""


class RegularizationWarning(UserWarning):
    """Two settings conflict, or one has an effect that is hardly intended."""


def flag_of(name: str, value: object) -> bool:
    """Return a boolean; refuse anything else, since "no" would count as true.

    Raises
    ------
    UsageError
        If the value is none.

    Examples
    --------
    >>> flag_of("resume", "no")
    Traceback (most recent call last):
        ...
    bridle.errors.UsageError: resume is 'no'; it must be True or False
    """
    if value is True or value is False:
        return value
    if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    raise UsageError(f"{name} is {value!r}; it must be True or False")


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint with the most similar known names, for the end of an error message.

    Parameters
    ----------
    name : str
        The name that the user gave.
    known : iterable of str
        The valid names.

    Returns
    -------
    str
        ``"did you mean 'x'?"``, or the first known names if none is similar.

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
