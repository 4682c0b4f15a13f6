"""The composed form of characters in a graph: é may come as e with an accent."""

from __future__ import annotations

from functools import cache
from unicodedata import combining, decomposition, normalize

import numpy as np

from bridle.models.export.graph import Graph

__all__ = ["with_composed"]


def with_composed(
    graph: Graph, characters: str, rows: str, every: tuple[str, ...]
) -> tuple[str, str]:
    """Return characters ``[length]`` in Unicode's composed form (NFC), and their rows.

    The marks of a character must be in the canonical order, as NFD has them.

    Parameters
    ----------
    graph : Graph
    characters, rows : str
        Characters, and the row that each belongs to.
    every : tuple of str
        All characters that there are.
    """
    for pairs in _pairs(every):
        empty = graph.constant(np.array([""], dtype=object))
        start, end = graph.constant([1], np.int64), graph.constant([2**62], np.int64)
        after = graph.joined([graph.node("Slice", characters, start, end), empty], axis=0)
        pair = graph.node("StringConcat", characters, after)
        places = {each: place for place, each in enumerate(pairs)}
        place = graph.looked_up(pair, places, len(pairs))
        single = graph.node("Equal", place, graph.constant(len(pairs), np.int64))
        made = graph.constant(np.array([*pairs.values(), ""], dtype=object))
        characters = graph.node("Where", single, characters, graph.node("Gather", made, place))
        first = graph.constant([True], np.bool_)
        framed = graph.joined([first, single], axis=0)
        kept = graph.node(
            "Slice", framed, graph.constant([0], np.int64), graph.constant([-1], np.int64)
        )
        characters = graph.node("Compress", characters, kept, axis=0)
        rows = graph.node("Compress", rows, kept, axis=0)
    return characters, rows


@cache
def _pairs(every: tuple[str, ...]) -> list[dict[str, str]]:
    """Return which two characters become one: first those whose first one is not made so."""
    depths: dict[str, int] = {}
    found: list[dict[str, str]] = []
    parts = {each: _parts(each) for each in every}
    pending = {each: pair for each, pair in parts.items() if pair}
    while pending:
        ready = {each: pair for each, pair in pending.items() if pair[0] not in pending}
        for each, (first, _) in ready.items():
            depths[each] = depths.get(first, -1) + 1
            del pending[each]
    for each, depth in depths.items():
        found += [{} for _ in range(depth + 1 - len(found))]
        found[depth]["".join(parts[each])] = each
    return found


def _parts(each: str) -> tuple[str, ...]:
    """Return the two characters that NFC makes this one, or none."""
    if "\uac00" <= each <= "\ud7a3":  # a Korean syllable, of two or three letters
        letters = normalize("NFD", each)
        return normalize("NFC", letters[:-1]), letters[-1]
    written = decomposition(each)
    if " " not in written or written.startswith("<"):
        return ()
    pair = tuple(chr(int(code, 16)) for code in written.split())
    return pair if normalize("NFC", "".join(pair)) == each and not combining(pair[0]) else ()
