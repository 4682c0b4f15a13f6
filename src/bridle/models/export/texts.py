"""The features of a text column in a graph: hashed character n-grams."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from typing import Any
from unicodedata import category, normalize

import numpy as np

from bridle.models.export.composition import with_composed
from bridle.models.export.graph import Graph
from bridle.tables.strings import WHOLE_WITH_ZEROS, composed
from bridle.tables.text import HASHES

__all__ = ["padded", "text_features"]

_SIGMA, _FINAL_SIGMA = "Σ", "ς"
_MICROSOFT = "com.microsoft"  # the operators that onnxruntime has besides those of ONNX


def padded(cell: str) -> list[str]:
    """Return a cell, composed and decomposed, and with a blank before it, behind it, or both."""
    if not cell:
        return ["", " "]
    forms = dict.fromkeys((cell, normalize("NFC", cell), normalize("NFD", cell)))
    return [way for each in forms for way in (each, f" {each}", f"{each} ", f" {each} ")]


def text_features(
    graph: Graph,
    texts: str,
    absent: Iterable[str],
    *,
    idf: Any,
    directions: Any,
    scale: Any,
    limit: Any,
) -> str:
    """Add the features of :class:`bridle.tables.text.TextFeatures`, ``[rows, count]``.

    Parameters
    ----------
    graph : Graph
    texts : str
        Strings, ``[rows]``.
    absent : iterable of str
        What means a missing value; its features are zeros.
    idf, directions, scale, limit : ndarray
        What the features have learned.
    """
    # one row more, which is left out again: Tokenizer and StringSplit need one that is not empty
    texts = graph.joined([texts, graph.constant(np.array(["1"], dtype=object))], axis=0)
    place, counts = graph.counted(_places(graph, _without_zeros(graph, texts)))
    hashes = graph.constant(HASHES, np.int64)
    row, bucket = graph.node("Div", place, hashes), graph.node("Mod", place, hashes)
    weight = graph.node("Gather", graph.constant(idf, np.float64), bucket)
    weighted = graph.node("Mul", graph.cast(counts, np.float64), weight)
    size = graph.node("Shape", texts)
    square = graph.node("Mul", weighted, weighted)
    length = graph.node("Sqrt", _sums(graph, row, square, size))
    none = graph.node("Equal", length, graph.constant(0.0, np.float64))
    length = graph.node("Where", none, graph.constant(1.0, np.float64), length)
    scaled = graph.constant((directions / scale[:, None]).T, np.float64)
    parts = graph.node("Mul", graph.column(weighted), graph.node("Gather", scaled, bucket))
    shape = graph.node("Concat", size, graph.constant([len(directions)], np.int64), axis=0)
    values = graph.node("Div", _sums(graph, row, parts, shape), graph.column(length))
    values = graph.node("Max", values, graph.constant(-limit, np.float64))
    values = graph.node("Min", values, graph.constant(limit, np.float64))
    known = {written: 0 for cell in absent for written in padded(cell)}
    kept = graph.cast(graph.column(graph.looked_up(texts, known, 1)), np.float64)
    return _part(graph, graph.node("Mul", values, kept), 0, 2)


def _without_zeros(graph: Graph, texts: str) -> str:
    """Return the strings as :func:`bridle.tables.strings.without_zeros` does."""
    whole = graph.node("RegexFullMatch", texts, pattern=rf"\s*{WHOLE_WITH_ZEROS}\s*")
    pieces = graph.split(texts, ".")
    first = graph.node("Gather", pieces, graph.constant(0, np.int64), axis=1)
    return graph.node("Where", whole, first, texts)


def _sums(graph: Graph, rows: str, values: str, shape: str) -> str:
    """Add up the values that belong to the same row."""
    zeros = graph.node("Expand", graph.constant(0.0, np.float64), shape)
    return graph.node("ScatterND", zeros, graph.column(rows), values, reduction="add")


def _places(graph: Graph, texts: str) -> str:
    """Return ``row * hashes + hash`` of each n-gram of 3 and 4 characters within words."""
    characters, rows = _characters(graph, texts)
    blank = _is(graph, characters, [" "])
    grams, owners = [], []
    for length in (3, 4):
        # an n-gram has blanks at its ends only; words are apart by at least one
        parts = [_part(graph, characters, at, length) for at in range(length)]
        inner = [_part(graph, blank, at, length) for at in range(1, length - 1)]
        outside = inner[0] if len(inner) == 1 else graph.node("Or", *inner)
        fits = graph.node("Not", outside)
        joined = parts[0]
        for part in parts[1:]:
            joined = graph.node("StringConcat", joined, part)
        grams.append(graph.node("Compress", joined, fits, axis=0))
        owners.append(graph.node("Compress", _part(graph, rows, 1, length), fits, axis=0))
    grams_of_all, owner = graph.joined(grams, axis=0), graph.joined(owners, axis=0)
    hashed = graph.node("MurmurHash3", grams_of_all, domain=_MICROSOFT, positive=0, seed=0)
    bucket = graph.node("Abs", graph.cast(hashed, np.int64))
    bucket = graph.node("Mod", bucket, graph.constant(HASHES, np.int64))
    start = graph.node("Mul", owner, graph.constant(HASHES, np.int64))
    return graph.node("Add", start, bucket)


def _characters(graph: Graph, texts: str) -> tuple[str, str]:
    """Return the characters of all rows in lower case with blanks around, and their rows."""
    tokens = graph.node(
        "Tokenizer",
        texts,
        domain=_MICROSOFT,
        separators=[""],
        mark=0,
        pad_value="",
        mincharnum=1,
    )
    size = graph.node("Shape", texts)
    tall = graph.node("Concat", size, graph.constant([1], np.int64), axis=0)
    blanks = graph.node("Expand", graph.constant(" ", object), tall)
    framed = graph.node("Concat", blanks, tokens, blanks, axis=1)
    count = graph.node("Range", *_ends(graph, graph.node("Squeeze", size)))
    rows = graph.node("Expand", graph.column(count), graph.node("Shape", framed))
    written, rows = with_composed(graph, *_present(graph, framed, rows), _every())
    lowered = [graph.column(each) for each in _lowered(graph, written)]
    owners = graph.joined([graph.column(rows)] * len(lowered))
    return _present(graph, graph.joined(lowered), owners)


def _present(graph: Graph, characters: str, rows: str) -> tuple[str, str]:
    """Return the characters that are not empty, row by row, and their rows."""
    flat = graph.constant([-1], np.int64)
    characters, rows = (graph.node("Reshape", each, flat) for each in (characters, rows))
    kept = _is(graph, characters, [""], negated=True)
    return (
        graph.node("Compress", characters, kept, axis=0),
        graph.node("Compress", rows, kept, axis=0),
    )


def _is(graph: Graph, characters: str, members: Iterable[str], *, negated: bool = False) -> str:
    """Return whether each character is one of a set, bool."""
    table = {each: int(not negated) for each in members}
    return graph.cast(graph.looked_up(characters, table, int(negated)), np.bool_)


def _ends(graph: Graph, stop: str) -> tuple[str, str, str]:
    return graph.constant(0, np.int64), stop, graph.constant(1, np.int64)


def _lowered(graph: Graph, characters: str) -> list[str]:
    """Return each character in lower case, then its second and third one where it becomes more."""
    changed = _changed()
    code = graph.looked_up(characters, {each: at for at, each in enumerate(changed)}, len(changed))
    made = [_lower(each) for each in changed]
    places = range(max(map(len, made)))
    parts = [np.array([*(each[at : at + 1] for each in made), ""], dtype=object) for at in places]
    first, *rest = (graph.node("Gather", graph.constant(part), code) for part in parts)
    same = graph.node("Equal", code, graph.constant(len(changed), np.int64))
    lowered = graph.node("Where", same, characters, first)
    last = graph.node("And", _is(graph, characters, [_SIGMA]), _ends_a_word(graph, characters))
    return [graph.node("Where", last, graph.constant(_FINAL_SIGMA, object), lowered), *rest]


def _ends_a_word(graph: Graph, characters: str) -> str:
    """Return whether a letter comes before each character, and none behind it.

    Characters such as apostrophes and accents do not count.
    """
    letters, skipped = _letters()
    counted = _is(graph, characters, skipped, negated=True)
    cased = graph.node("Compress", _is(graph, characters, letters), counted, axis=0)
    edge = graph.constant([False], np.bool_)
    framed = graph.node("Concat", edge, cased, edge, axis=0)
    before, after = _part(graph, framed, 0, 3), _part(graph, framed, 2, 3)
    ends = graph.node("And", before, graph.node("Not", after))
    number = graph.node("CumSum", graph.cast(counted, np.int64), graph.constant(0, np.int64))
    place = graph.node("Sub", number, graph.constant(1, np.int64))
    return graph.node("Gather", ends, place)


@cache
def _changed() -> list[str]:
    """Return the characters that are others in lower case, or another form of the blank."""
    return [each for each in _every() if each != " " and _lower(each) != each]


@cache
def _letters() -> tuple[list[str], list[str]]:
    """Return the characters that count as letters, and those that do not count.

    They decide how the Greek sigma is written in lower case, so Python is asked which they are.
    """
    letters = [each for each in _every() if _is_final(each)]
    skipped = [each for each in _every() if not _is_final(each) and _is_final(f"A{each}")]
    return letters, skipped


def _is_final(before: str) -> bool:
    return f"{before}{_SIGMA}".lower().endswith(_FINAL_SIGMA)


@cache
def _every() -> tuple[str, ...]:
    """Return all characters that Unicode has assigned; the others have no case."""
    every = map(chr, range(sys.maxunicode + 1))
    return tuple(each for each in every if category(each) not in ("Cn", "Co", "Cs"))


def _lower(character: str) -> str:
    return " " if character.isspace() else composed(character).lower()


def _part(graph: Graph, values: str, start: int, length: int) -> str:
    """Return the values at a place of each run of ``length`` values."""
    stop = start - length + 1
    ends = graph.constant([stop] if stop else [np.iinfo(np.int64).max], np.int64)
    return graph.node("Slice", values, graph.constant([start], np.int64), ends)
