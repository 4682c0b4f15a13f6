"""The encoding of a text of single bytes, by its letters: Windows-1252, or one like it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridle.errors import DataError

__all__ = ["assumed", "single_bytes"]

_CALLED = {
    "cp1252": "Windows-1252",
    "iso8859-15": "ISO 8859-15",
    "cp1250": "Windows-1250",
    "iso8859-2": "ISO 8859-2",
    "cp1254": "Windows-1254",
    "cp1257": "Windows-1257",
    "mac-roman": "Mac Roman",
    "mac-latin2": "Mac Latin 2",
    "cp850": "code page 850",
    "cp852": "code page 852",
}
_USUAL = ("cp1252", "iso8859-15", "cp1250", "iso8859-2", "cp1254", "cp1257")
_CLEAR = 1.2  # how many times as likely as any other an encoding besides Windows-1252 is
_SHOWN = 2
_TOLD, _LONG = 5, 30  # words of a note, and their letters
_WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_CELL = re.compile(rb"[^,;\t\r\n|\"]*[\x80-\xff][^,;\t\r\n|\"]*")
_BEYOND_ASCII = re.compile(r"[A-Za-z\x80-\uffff]*[\x80-\uffff][A-Za-z\x80-\uffff]*")
_BEYOND = re.compile(rb"[\x80-\xff]")
_PAIR = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_FOREIGN = re.compile(r"^[\x80-\uffff]{2,}$|[\x80-\uffff]{3,}")
_LETTERS = re.compile("[ŠŒŽšœžŸƒÀ-ÖØ-öø-ÿ]")  # of Windows-1252, beyond ASCII
_SELDOM = re.compile("[ðþÐÞÝý]|^[Û‚ˆ¦¬ŽŸÿ]$")  # in Turkish, Baltic and other encodings more usual
_ACCENTS = "ˆ˜ˇ˘˙˛˝˚¯¨¸"  # letters to Python, but signs
_JOINED = "’‘–—-·´ªº\xa0\xad"  # signs that stand in words
_FEW = 2  # words that tell an encoding besides Windows-1252
_KNOWN = frozenset(
    ("naïve", "naïf", "noël", "zoë", "chloë", "citroën", "haïti", "maïs", "ça", "øst")
)
"""Words of which few letters are left for the models of languages to judge."""
_USE = {"cp1252": 1.0, "cp1250": 0.9, "iso8859-2": 0.8, "mac-roman": 0.7}
"""How usual encodings are, which counts where there are few words; others half as usual."""
_MIXED = 0.5  # the share of UTF-8 among the bytes beyond ASCII


def single_bytes(raw: bytes, name: str) -> tuple[str, str]:
    """Return a text that is not UTF-8, and what its encoding is called.

    An encoding is out if words have signs or capitals inside which they lack in another one. Of
    those that remain, chardet's models of languages tell the likeliest. Windows-1252, which
    contains Latin-1, is taken if it is that; another one, if it is clearly so.

    Raises
    ------
    DataError
        If no encoding fits, or several do.
    """
    words = list(dict.fromkeys(_WORD.findall(raw)))
    _check_mixed(raw, name)
    texts: dict[str, list[str]] = {}
    for codec in _CALLED:
        try:
            texts[codec] = [word.decode(codec) for word in words]
        except UnicodeDecodeError:
            continue
    _check_western(texts.get("cp1252", []), name)
    odd = {codec: sum(map(_oddities, found)) for codec, found in texts.items()}
    fewest = min(odd.values())
    kept: dict[str, list[str]] = {}
    for codec, found in texts.items():
        if odd[codec] == fewest and found not in kept.values():
            kept[codec] = found
    western = kept.get("cp1252")
    doubted = {codec: sum(map(_doubts, found)) for codec, found in kept.items()}
    if "cp1252" in doubted and b"?" not in raw:
        doubted["cp1252"] += sum(word.startswith("¿") for word in kept["cp1252"])
    if western is not None and not doubted["cp1252"] and not _LETTERS.search("".join(western)):
        return raw.decode("cp1252"), _CALLED["cp1252"]
    few = len(words) <= _FEW
    if western is not None and few and all(word.lower() in _KNOWN for word in western):
        return raw.decode("cp1252"), _CALLED["cp1252"]
    order = _by_likelihood(raw, list(kept), few=few)
    best, likely = order[0]
    clear = len(order) < 2 or likely >= _CLEAR * order[1][1]
    if best == "cp1252" and few and len(order) > 1 and any(map(_SELDOM.search, kept[best])):
        clear = False
    elif best == "cp1252":
        clear = clear or (len(words) > 1 and not doubted[best])
    elif len(order) > 1:
        clear = clear and best in _USUAL and len(words) >= _FEW
    if clear and (not doubted[best] or all(doubted.values())):
        return raw.decode(best), _CALLED[best]
    raise DataError(_ambiguous(raw, name, kept, [codec for codec, _ in order]))


def assumed(text: str, called: str) -> str:
    """Return a note on an encoding that is assumed, with words that tell whether it is right.

    Examples
    --------
    >>> assumed("Zürich;1", "Mac Roman").partition(": ")[2]
    "it has 'Zürich'; if that is wrong, give --encoding"
    """
    words = dict.fromkeys(each.strip()[:_LONG] for each in _BEYOND_ASCII.findall(text))
    *first, last = [repr(word) for word in list(words)[:_TOLD]]
    shown = f"{', '.join(first)} and {last}" if first else last
    return (
        f"the file is not UTF-8, and is taken for {called}: it has {shown}; if that is wrong, "
        "give --encoding"
    )


def _by_likelihood(raw: bytes, codecs: list[str], *, few: bool) -> list[tuple[str, float]]:
    """Return encodings with how likely they are, the likeliest first."""
    if len(codecs) == 1:
        return [(codecs[0], 1.0)]
    import chardet  # takes long to import, and most texts are UTF-8

    cells = b"\n".join(dict.fromkeys(_CELL.findall(raw)))
    found = chardet.detect_all(
        cells,
        ignore_threshold=True,
        include_encodings=codecs,
        compat_names=False,
        no_match_encoding=codecs[0],
    )
    told = {str(each["encoding"]).replace("_", "-"): each["confidence"] for each in found}
    usual = {codec: _USE.get(codec, 0.5) if few else 1.0 for codec in codecs}
    likely = [(codec, float(told.get(codec) or 0.0) * usual[codec]) for codec in codecs]
    return sorted(likely, key=lambda each: -each[1])


def _oddities(word: str) -> int:
    """Return how many characters beyond ASCII no language has in that place of a word."""
    letters = [_is_letter(each) for each in word]
    found = 0
    for at, each in enumerate(word):
        if each < "\x80":
            continue
        before, after = at > 0 and letters[at - 1], at + 1 < len(word) and letters[at + 1]
        if letters[at]:
            found += each == "ń" and after and word[at + 1] in "aeiouyó"  # Polish has ni there
            # a capital behind a small letter or in front of one, or a small one between capitals
            capital = each.isupper() and before
            found += capital and (word[at - 1].islower() or (after and word[at + 1].islower()))
            found += each.islower() and at > 1 and letters[at - 2] and word[at - 2 : at].isupper()
        elif each in _ACCENTS:
            found += before or after
        elif each not in _JOINED:
            behind = before and (
                each in "¿¡£¥¼½¾±¶¦" or (each in "¹²³" and at > 3 and all(letters[:at]))
            )
            found += (before and any(letters[at + 1 :])) or behind
            found += each == "¤" or "\x80" <= each < "\xa0" or "\u2500" <= each < "\u25a0"
    return int(found)


def _doubts(word: str) -> int:
    """Return how many characters beyond ASCII are seldom in that place of a word."""
    letters = [_is_letter(each) for each in word]
    found = 0
    for at, each in enumerate(word):
        before, after = at > 0 and letters[at - 1], at + 1 < len(word) and letters[at + 1]
        small = before and after and word[at - 1].islower() and word[at + 1].islower()
        found += (each in "–—" and small) or (each in "‘“‚„‹«†‡‰•§" and before)
        found += (each in "…†‡‰™”›»€¢©®ƒ" and after) or (each in "œ€¢" and before and not after)
        found += each in "ºª" and before and after
        found += each in "¼½¾¦" and len(word) > at + 2 and all(letters[at + 1 : at + 3])
        found += each in "–—" and before and at + 1 == len(word)
    return int(found)


def _is_letter(each: str) -> bool:
    return each.isalpha() and each not in "ªºƒ" and each not in _ACCENTS


def _check_mixed(raw: bytes, name: str) -> None:
    """Refuse a text that is UTF-8 but for some bytes."""
    pairs = sum(map(len, _PAIR.findall(raw)))
    if pairs and pairs >= _MIXED * len(_BEYOND.findall(raw)):
        raise DataError(f"{name} is in UTF-8 but for {_place(raw)}; correct it, or give --encoding")


def _place(raw: bytes) -> str:
    """Return where a text is not UTF-8."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return f"line {line}, byte {raw[error.start]:#04x}"
    return "no byte"


def _check_western(words: Sequence[str], name: str) -> None:
    """Refuse words of which most letters are beyond ASCII, as no Western language has them.

    Signs alone, such as £££, are no words.
    """
    runs = [run for word in words for run in _FOREIGN.findall(word) if _LETTERS.search(run)]
    letters = len(_LETTERS.findall("".join(runs)))
    enough = 1 if len(words) <= _FEW else 2
    if len(set(runs)) < enough or 2 * letters <= len(_LETTERS.findall("".join(words))):
        return
    raise DataError(
        f"{name} is not in UTF-8, and as Windows-1252 it has words such as {runs[0]!r}; give its "
        "--encoding, such as cp1251, gbk or shift_jis (or cp1252, if that is right), or save it as "
        "UTF-8"
    )


def _ambiguous(raw: bytes, name: str, kept: dict[str, list[str]], order: list[str]) -> str:
    shown = order[:_SHOWN]
    ways = zip(*(kept[codec] for codec in shown), strict=True)
    words = next(way for way in ways if len(set(way)) > 1)
    read = " or ".join(f"{w!r} in {_CALLED[c]}" for w, c in zip(words, shown, strict=True))
    given = " or ".join(f"--encoding {codec}" for codec in shown)
    return (
        f"{name} is not in UTF-8 ({_place(raw)}), and its letters fit several encodings, such as "
        f"{read}; give {given} or another, or save it as UTF-8"
    )
