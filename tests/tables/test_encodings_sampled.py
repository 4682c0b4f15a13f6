"""Samples of common words: read right, or refused, and as Windows-1252 if they are that."""

import random

import pytest
from encoding_words import OTHERS, WESTERN

from bridle.errors import DataError
from bridle.tables.encodings import single_bytes

SAMPLES = 50
SIZES = (1, 2, 3, 5, 8, 15, 25)
LONG = (8, 15, 25)


def _found(words, codec, sizes):
    """Yield what was written, and what is read of it: a text and its encoding, or nothing."""
    for size in sizes:
        for seed in range(SAMPLES):
            chosen = random.Random(1000 * seed + size).sample(words, size)
            text = "name;x\n" + "".join(f"{word};{at}\n" for at, word in enumerate(chosen))
            try:
                yield text, *single_bytes(text.encode(codec), "t.csv")
            except DataError:
                yield text, None, None


def _words(text):
    return [word.replace("_", " ") for word in text.split()]


@pytest.mark.parametrize("capitals", [False, True])
@pytest.mark.parametrize("language", WESTERN)
def test_western_words_are_read_as_windows_1252(language, capitals):
    words = _words(WESTERN[language])
    assert len(words) >= 40
    if capitals:
        words = [word.upper() for word in words if not set(word) & set("ßµ")]
    found = list(_found(words, "cp1252", SIZES))
    assert not [text for text, read, _ in found if read not in (None, text)]
    assert sum(read is None for _, read, _ in found) <= 0.02 * len(found)


@pytest.mark.parametrize(("language", "codec"), OTHERS)
def test_other_words_are_hardly_ever_read_as_windows_1252(language, codec):
    words = _words(OTHERS[language, codec])
    for size in LONG:
        found = list(_found(words, codec, (size,)))
        wrong = [text for text, read, _ in found if read not in (None, text)]
        assert len(wrong) <= 0.05 * len(found)
        assert sum(read is None for _, read, _ in found) <= 0.2 * len(found)


PLAIN = [
    *("x,y\n“Spaß”,1\n", "x\n„Fuß“\n", "x\nROSÉ® café\n", "x\nÀ’ça\n", "sì\nno\n"),
    *("mâle\nfemelle\n", "Tromsø\nBodø\nOslo\n", "KÖLN\n", "Ärzte\n", "Hélène\n", "Génève\n"),
    *("Škoda\n", "õun\npõld\n", "lunedì\nmartedì\nmercoledì\ngiovedì\nvenerdì\n"),
    "Algérie\nBelgique\nBrésil\nÉtats-Unis\nGrèce\nNorvège\nSuède\nSénégal\nPérou\nChine\n",
]


@pytest.mark.parametrize("text", PLAIN)
def test_short_tables_are_read_as_windows_1252(text):
    assert single_bytes(text.encode("cp1252"), "t.csv") == (text, "Windows-1252")


EASTERN = [
    ("名前,都市\n田中,東京\n鈴木,大阪\n", "shift_jis"),
    ("なまえ,x\nたろう,1\nはなこ,2\n", "shift_jis"),
    ("姓名,城市\n王伟,北京\n", "gbk"),
    ("이름,도시\n김,서울\n박,부산\n", "euc_kr"),
    ("имя,город\nИван,Москва\n", "cp1251"),
    ("имя,город\nИван,Москва\n", "koi8-r"),
    ("όνομα;πόλη\nΓιώργος;Αθήνα\n", "cp1253"),
]


@pytest.mark.parametrize(("text", "codec"), EASTERN)
def test_other_scripts_are_refused_and_their_encoding_named(text, codec):
    with pytest.raises(DataError, match=f"give its --encoding, such as .*{codec}"):
        single_bytes(text.encode(codec), "t.csv")
