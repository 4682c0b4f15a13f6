"""Which category a string means, whatever the order of a set."""

import os
import subprocess
import sys

import pytest

from bridle.tables.columns import Column
from bridle.tables.levels import LevelsReader
from bridle.tables.strings import Spellings

ASKED = """
from bridle.tables.strings import Spellings
print(Spellings(["True", "true", "FALSE", "False"], [], only=True).level("TRUE"))
"""


def test_the_hash_seed_does_not_decide():
    found = {
        subprocess.run(
            [sys.executable, "-c", ASKED],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(3)
    }
    assert found == {"True\n"}


@pytest.mark.parametrize(
    ("known", "text", "level"),
    [
        (["True", "true"], "TRUE", "True"),
        (["FALSE", "False", "false"], "fAlSe", "FALSE"),
        (["1", "2", "x"], "1.0", "1"),
        (["1.0", "2.0"], "1", "1.0"),
        (["1", "1.0"], "1.0", "1.0"),
        (["1", "1.0"], "1.00", "1"),
        (["01", "x"], "01.0", "01.0"),
        (["x"], "0.0", "0"),
        (["NA", "x"], "NA", "NA"),
        (["x"], "NA", None),
    ],
)
def test_spellings(known, text, level):
    assert Spellings(known, [], only=True).level(text) == level


def test_numbers_are_no_booleans_among_other_words():
    texts, flags = (Column("c", kind, False, ("False",)) for kind in ("text", "category"))
    assert LevelsReader(texts).place("0") == (-1, "0")
    assert LevelsReader(texts).place("FALSE") == (0, None)
    assert LevelsReader(flags).place("0") == (0, None)
