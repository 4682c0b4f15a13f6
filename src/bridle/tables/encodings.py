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
_WINDOWS = ("cp1252", "iso8859-15", "cp1250", "iso8859-2", "cp1254", "cp1257")
_USUAL = {"iso8859-2": 0.7, "mac-roman": 0.85, "mac-latin2": 0.6, "cp850": 0.7, "cp852": 0.7}
"""How usual encodings are; the others count fully."""
_OF_TWO_BYTES, _FOREIGN = ("shift_jis", "gbk", "euc_kr"), ("cp1251", "koi8-r", "cp1253")
_CLEAR = 1.1  # how many times as likely as the next an encoding is that is taken for its letters
_READ = 100_000  # bytes that the models judge at most
_FAR = 3.0  # the same, against a reading as Windows-1252 in which nothing is strange
_ENOUGH, _DIFFERENT = 8, 3  # words, and letters in them, for likelihood alone to tell
_FEW = 2  # words that tell an encoding besides Windows-1252
_STRAY = 0.1  # the share of strange words, such as names, that any text may have
_SHOWN, _GUESSES = 2, 4
_TOLD, _LONG = 5, 30  # words of a note, and their letters
_MIXED = 0.65  # the share of UTF-8 among the bytes beyond ASCII
_WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_CELL = re.compile(rb"[^,;\t\r\n|\"]*[\x80-\xff][^,;\t\r\n|\"]*")
_BEYOND_ASCII = re.compile(r"[A-Za-z\x80-\uffff]*[\x80-\uffff][A-Za-z\x80-\uffff]*")
_BEYOND = re.compile(rb"[\x80-\xff]")
_PAIR = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_LETTERS = re.compile("[ŠŒŽšœžŸƒÀ-ÖØ-öø-ÿ]")  # of Windows-1252, beyond ASCII
_RUN = re.compile(rf"^(?!(.)\1$){_LETTERS.pattern}{{2,}}$|{_LETTERS.pattern}{{3,}}")
_ACCENTS = "ˆ˜ˇ˘˙˛˝˚¯¨¸"  # letters to Python, but signs
_JOINED = "’‘-·´ªº\xa0\xad"  # signs that stand in words
_STRANGE = re.compile(
    # Portuguese has ão, ãe and ãs; Spanish ñ and French ç stand in front of vowels
    r"ã(?![oeszn]|$)|(?<=[a-z])ñ(?![aeiouáéíóú])|(?<=[a-z])ç(?=[bcdfghjklmnpqrstvwxz])"
    # Italian has ì and ù at the end of words; French has è in front of consonants
    r"|[ìù](?=[a-z])|è(?=[aeiou])|[øè][áéíóúýìùëï]|[áéíóúýìùë][øè]"
    # æ does not follow o, or end a word as iæ; ordinals are short, such as 1º and Mª
    r"|^ï|oæ|iæ$|[ºª][a-z]|[a-z]{3}[ºª]|[¼½¾¦][a-zà-ÿ]{2}|^[žÿ]$"
)
"""What no Western language has in a word of small letters, where others have theirs."""
_TURKISH, _NORDIC = re.compile("[ðþý]"), re.compile("[íóúäå]")  # ğşı in Windows-1254
_HUNGARIAN, _NOT_ESTONIAN = re.compile("õ(?!e)"), re.compile("[áéíóúû]")  # ő in Windows-1250


def single_bytes(raw: bytes, name: str) -> tuple[str, str]:
    """Return a text that is not UTF-8, and what its encoding is called.

    Windows-1252, which contains Latin-1, is taken if its words are such as Western languages have.
    If they are not, or if another encoding is many times as likely by chardet's models of
    languages, that is taken, as long as it is clearly the likeliest.

    Raises
    ------
    DataError
        If Windows-1252 does not fit, and none or several others do.
    """
    words = list(dict.fromkeys(_WORD.findall(raw)))
    texts: dict[str, list[str]] = {}
    for codec in _CALLED:
        try:
            found = [word.decode(codec) for word in words]
        except UnicodeDecodeError:
            continue
        if found not in texts.values():
            texts[codec] = found
    western = texts.get("cp1252")
    strange = _strange(western) if western else words
    if western and len(strange) <= _STRAY * len(words):
        best = "cp1252"
        lettered = sum(map(bool, map(_LETTERS.search, western)))
        letters = set(_LETTERS.findall("".join(western).lower()))
        if lettered >= max(_ENOUGH, len(words) / 2) and len(letters) >= _DIFFERENT:
            order = _by_likelihood(raw, [codec for codec in texts if codec in _WINDOWS])
            if order[0][1] >= _FAR * dict(order)[best]:
                best = order[0][0]
        return raw.decode(best), _CALLED[best]
    _check_mixed(raw, name)
    _check_foreign(raw, words, western, name)
    odd = {codec: sum(map(_oddities, found)) for codec, found in texts.items()}
    fewest = min(odd.values())
    kept = {codec: found for codec, found in texts.items() if odd[codec] == fewest}
    order = _by_likelihood(raw, list(kept))
    best, likely = order[0]
    clear = len(order) < 2 or likely >= _CLEAR * order[1][1]
    if clear and fewest <= _STRAY * len(words) and (best == "cp1252" or len(words) >= _FEW):
        return raw.decode(best), _CALLED[best]
    raise DataError(_ambiguous(raw, name, texts, [codec for codec, _ in order]))


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


def _by_likelihood(raw: bytes, codecs: list[str]) -> list[tuple[str, float]]:
    """Return encodings with how likely they are, the likeliest first."""
    if len(codecs) == 1:
        return [(codecs[0], 1.0)]
    import chardet  # takes long to import, and most texts are UTF-8

    cells = b"\n".join(dict.fromkeys(_CELL.findall(raw)))[:_READ]
    likely = {}
    for codec in codecs:
        small = cells.decode(codec, "ignore").lower().encode(codec, "ignore")
        found = chardet.detect_all(
            small,
            ignore_threshold=True,
            include_encodings=[codec],
            compat_names=False,
            no_match_encoding=codec,
        )
        likely[codec] = float(found[0]["confidence"] or 0.0) * _USUAL.get(codec, 1.0)
    return sorted(likely.items(), key=lambda each: -each[1])


def _strange(words: Sequence[str]) -> list[str]:
    """Return the words, read as Windows-1252, that no Western language has."""
    small = [word.lower() for word in words]
    nordic = any(map(_NORDIC.search, small))
    estonian = not any(map(_NOT_ESTONIAN.search, small))
    return [
        word
        for word, each in zip(words, small, strict=True)
        if _oddities(word)
        or _STRANGE.search(each)
        or _RUN.search(each)
        or (not nordic and _TURKISH.search(each))
        or (not estonian and _HUNGARIAN.search(each))
    ]


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
            found += (
                each.islower()
                and at > 1
                and word[at - 2 : at].isupper()
                and all(letters[at - 2 : at])
            )
        elif each in _ACCENTS:
            found += before or after
        elif each in "–—":
            found += before and after and word[at - 1].islower() and word[at + 1].islower()
        elif each not in _JOINED:
            behind = before and (
                each in "¿¡£¥¼½¾±¶¦" or (each in "¹²³" and at > 3 and all(letters[:at]))
            )
            found += (before and any(letters[at + 1 :])) or behind
            found += each == "¤" or "\x80" <= each < "\xa0" or "\u2500" <= each < "\u25a0"
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


def _check_foreign(
    raw: bytes, words: Sequence[bytes], western: list[str] | None, name: str
) -> None:
    """Refuse words of which most characters are beyond ASCII, as no Western language has them."""
    beyond = sum(len(_BEYOND.findall(word)) for word in words)
    if 2 * beyond <= sum(map(len, words)):
        return
    codecs = [codec for codec in (*_OF_TWO_BYTES, *_FOREIGN) if _decodes(raw, codec)]
    if not codecs:
        return
    likely = [codec for codec, _ in _by_likelihood(raw, codecs)]
    order = sorted(likely, key=lambda codec: codec not in _OF_TWO_BYTES)
    shown = (
        f"as Windows-1252 it has words such as {western[0]!r}"
        if western
        else "most of its letters are not Western"
    )
    raise DataError(
        f"{name} is not in UTF-8 ({_place(raw)}), and {shown}; give its --encoding, such as "
        f"{' or '.join(order[:_GUESSES])}, or save it as UTF-8"
    )


def _decodes(raw: bytes, codec: str) -> bool:
    try:
        raw.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


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
