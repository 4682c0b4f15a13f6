"""A package's names load their module when they are first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["loader"]


def loader(package: str, home: Mapping[str, str], names: dict[str, Any]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__``, which imports a name and keeps it (PEP 562).

    Parameters
    ----------
    package : str
    home : mapping of str to str
        The module within the package that has each name.
    names : dict
        The package's ``globals()``.

    Returns
    -------
    callable
        Raises an AttributeError that names the package and what it does not have.

    Examples
    --------
    >>> names = {}
    >>> loader("json", {"JSONDecoder": "decoder"}, names)("JSONDecoder")
    <class 'json.decoder.JSONDecoder'>
    >>> list(names)
    ['JSONDecoder']
    """

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        names[name] = getattr(import_module(f"{package}.{home[name]}"), name)
        return names[name]

    return load
