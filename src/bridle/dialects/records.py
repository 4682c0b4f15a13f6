"""The records of the frameworks: read from ``data/NAME.toml``, checked, and found by name."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from bridle.dialects.settings import (
    KINDS,
    Claim,
    Setting,
    checked,
)
from bridle.errors import DataError, UsageError, did_you_mean

__all__ = ["Framework", "find", "frameworks", "known_names", "read_framework"]

DATA = files("bridle.dialects") / "data"
TEXTS = ("name", "title", "package", "version", "by", "surprise", "surprise_zh")
EVIDENCE = ("measured", "read")


@dataclass(frozen=True)
class Framework:
    """What one framework's settings of regularizers mean."""

    name: str
    """The name by which it is found, such as "torch"."""
    title: str
    """Its name for readers."""
    package: str
    """The package that is installed."""
    version: str
    """The version that was measured or read."""
    measured: date
    """When."""
    by: str
    """The script in ``dialects/measure`` that measured it; "tests" for bridle, or "reading"."""
    surprise: str
    """One sentence: what surprises most."""
    surprise_zh: str
    """The sentence in Chinese."""
    aliases: tuple[str, ...] = ()
    """Other names under which it is imported."""
    settings: tuple[Setting, ...] = ()
    """Its settings."""
    stated: tuple[Claim, ...] = ()
    """The claims that no field of a setting makes."""

    @property
    def claims(self) -> tuple[Claim, ...]:
        """All claims: those of the settings' fields, and the others."""
        return (
            *(claim for each in self.settings for claim in each.claims(self.name)),
            *self.stated,
        )

    def setting(self, name: str) -> Setting:
        """Return the setting with a name.

        Raises
        ------
        UsageError
            If there is none.
        """
        for each in self.settings:
            if each.name == name:
                return each
        known = [each.name for each in self.settings]
        raise UsageError(f"{self.name!r} has no setting {name!r}; {did_you_mean(name, known)}")


def read_framework(name: str, text: str) -> Framework:
    """Return the record in the text of a data file.

    Parameters
    ----------
    name : str
        The name of the file without ``.toml``.
    text : str
        Its text.

    Returns
    -------
    Framework
        The record.

    Raises
    ------
    DataError
        If a key is unknown or missing, or a value is none of those that the key can have. The
        message names the file and the key.

    Examples
    --------
    >>> from bridle.dialects import find, read_framework
    >>> read_framework("torch", "name = 'torch'")
    Traceback (most recent call last):
    bridle.errors.DataError: torch.toml: title is missing; it must be text
    """
    where = f"{name}.toml"
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{where}: {error}") from error
    tables = {kind: data.pop(kind, []) for kind in KINDS}
    settings = tuple(
        _setting(kind, table, f"{where}: [[{kind}]] {table.get('name', f'number {place}')}")
        for kind, found in tables.items()
        for place, table in enumerate(found, start=1)
    )
    stated = tuple(_claim(name, table, settings, where) for table in data.pop("claim", []))
    framework = _framework(name, data, settings, stated, where)
    ids = Counter(claim.id for claim in framework.claims)
    names = Counter(each.name for each in settings)
    for value, count in (*names.items(), *ids.items()):
        if count > 1:
            raise DataError(f"{where}: {value!r} is there {count} times; it must be unique")
    return framework


def _framework(
    name: str,
    data: dict[str, Any],
    settings: tuple[Setting, ...],
    stated: tuple[Claim, ...],
    where: str,
) -> Framework:
    known: tuple[str, ...] = (*TEXTS, "measured", "aliases")
    if unknown := sorted(set(data) - set(known)):
        known = (*known, *KINDS, "claim")
        raise DataError(f"{where}: {unknown[0]!r} is not a key; there are {', '.join(known)}")
    for key in TEXTS:
        if key not in data:
            raise DataError(f"{where}: {key} is missing; it must be text")
        if not isinstance(data[key], str) or not data[key]:
            raise DataError(f"{where}: {key} is {data[key]!r}; it must be text")
    if data["name"] != name:
        raise DataError(f"{where}: name is {data['name']!r}; it must be {name!r}, as the file's")
    if not re.fullmatch(r"reading|tests|\w+\.(py|sh|R|js)", data["by"]):
        raise DataError(
            f"{where}: by is {data['by']!r}; it must be a script's name, 'tests' or 'reading'"
        )
    if type(data.get("measured")) is not date:
        raise DataError(f"{where}: measured is {data.get('measured')!r}; it must be a date")
    aliases = data.pop("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(each, str) for each in aliases):
        raise DataError(f"{where}: aliases is {aliases!r}; it must be a list of names")
    return Framework(**data, aliases=tuple(aliases), settings=settings, stated=stated)


def _setting(kind: str, table: dict[str, Any], where: str) -> Setting:
    setting: Setting = checked(KINDS[kind], table, where)
    if not re.fullmatch(r"\w+", setting.name):
        raise DataError(f"{where}: name is {setting.name!r}; it must be letters, digits and _")
    try:
        known = setting.signature.arguments
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    for key in ("argument", "second_argument", "lr_argument", "axes_argument", "opposite_argument"):
        given = getattr(setting, key, None)
        if given is not None and given not in known:
            raise DataError(
                f"{where}: {key} is {given!r}, which is no argument of {setting.call!r}"
            )
    if (setting.surprise is None) != (setting.surprise_zh is None):
        raise DataError(f"{where}: surprise and surprise_zh must be given together")
    for variant in setting.variants:
        changed = {key: value for key, value in variant.items() if key != "when"}
        checked(KINDS[kind], table | changed, f"{where}: a variant")
        if unknown := sorted(set(variant["when"]) - set(known)):
            raise DataError(f"{where}: 'when' has {unknown[0]!r}, which is no argument of the call")
    for name in setting.read:
        if name != "default" and not hasattr(setting, name):
            raise DataError(f"{where}: read has {name!r}, which is not a key")
    return setting


def _claim(name: str, table: dict[str, Any], settings: tuple[Setting, ...], where: str) -> Claim:
    where = f"{where}: [[claim]] {table.get('id', '')}"
    keys = ("id", "value", "evidence", "text", "text_zh")
    for key in keys:
        if key not in table:
            raise DataError(f"{where}: {key} is missing")
    if unknown := sorted(set(table) - set(keys)):
        raise DataError(f"{where}: {unknown[0]!r} is not a key; there are {', '.join(keys)}")
    known = {"general", *(each.name for each in settings)}
    parts = str(table["id"]).split(".")
    if len(parts) != 3 or parts[0] != name or parts[1] not in known or not parts[2].isidentifier():
        raise DataError(
            f"{where}: the id must be {name}.SETTING.property, of a setting or 'general'"
        )
    if table["evidence"] not in EVIDENCE:
        raise DataError(f"{where}: evidence is {table['evidence']!r}; it must be one of {EVIDENCE}")
    for key in ("text", "text_zh"):
        if not isinstance(table[key], str) or not table[key].strip():
            raise DataError(f"{where}: {key} is {table[key]!r}; it must be text")
    return Claim(**table)


@cache
def known_names() -> tuple[str, ...]:
    """Return the names of the frameworks that have a record."""
    found = (each.name for each in DATA.iterdir() if each.name.endswith(".toml"))
    return tuple(sorted(name.removesuffix(".toml") for name in found))


@cache
def _read(name: str) -> Framework:
    return read_framework(name, (DATA / f"{name}.toml").read_text(encoding="utf-8"))


def frameworks() -> tuple[Framework, ...]:
    """Return the records of all frameworks, sorted by name.

    Returns
    -------
    tuple of Framework
        The records.

    Examples
    --------
    >>> from bridle.dialects import frameworks
    >>> "torch" in [each.name for each in frameworks()]
    True
    """
    return tuple(map(_read, known_names()))


def find(name: str) -> Framework:
    """Return the record of a framework.

    Parameters
    ----------
    name : str
        Its name or one of its aliases, as it is imported: "torch", "sklearn".

    Returns
    -------
    Framework
        The record.

    Raises
    ------
    UsageError
        If there is none.

    Examples
    --------
    >>> from bridle.dialects import find
    >>> find("torch").setting("AdamW").coupling
    'decoupled'
    """
    if name in known_names():
        return _read(name)
    for each in frameworks():
        if name in each.aliases:
            return each
    raise UsageError(f"there is no framework {name!r}; {did_you_mean(name, known_names())}")
