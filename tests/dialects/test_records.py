"""The records: every file is valid, and a wrong one is refused by a sentence with file and key."""

import re
import subprocess
import sys

import pytest

from bridle import DataError, UsageError
from bridle.dialects import find, frameworks, read_framework
from bridle.dialects.records import DATA
from bridle.dialects.signature import Signature

RECORDS = frameworks()
CHINESE = re.compile("[\u4e00-\u9fff]")
GOOD = """
name = "toy"
title = "Toy"
package = "toy"
version = "1.0"
measured = 2026-11-30
by = "toy.py"
surprise = "It keeps."
surprise_zh = "它保留。"

[[dropout]]
name = "Dropout"
call = "toy.Dropout(rate, keep=0.5, *, axis=None)"
argument = "rate"
probability = "drop"
scaling = "inverted"
evidence = "measured"
read = ["fresh"]
fresh = "active"
rate_one = "zeros"

[[claim]]
id = "toy.Dropout.seed"
value = true
evidence = "read"
text = "It has a seed."
text_zh = "它有种子。"
"""


@pytest.mark.parametrize("record", RECORDS, ids=lambda each: each.name)
def test_record_is_whole(record):
    assert record.settings
    assert CHINESE.search(record.surprise_zh)
    for each in record.settings:
        assert each.signature.path
        assert each.surprise_zh is None or CHINESE.search(each.surprise_zh)
        if each.template is not None:
            assert "{value}" in each.template
    for claim in record.claims:
        assert claim.id.startswith(f"{record.name}.")
        assert claim.evidence in {"measured", "read"}


def test_names_and_aliases_are_unique():
    names = [name for each in RECORDS for name in (each.name, *each.aliases)]
    assert len(set(names)) == len(names)
    assert {each.name for each in RECORDS} == {
        each.name.removesuffix(".toml") for each in DATA.iterdir() if each.name.endswith(".toml")
    }
    assert find("scikit-learn") is find("sklearn")
    with pytest.raises(UsageError, match="no framework 'torhc'; did you mean 'torch'"):
        find("torhc")
    with pytest.raises(UsageError, match="'torch' has no setting 'AdamX'; did you mean"):
        find("torch").setting("AdamX")


def test_claims_of_a_record():
    record = read_framework("toy", GOOD)
    claims = {each.id: (each.value, each.evidence) for each in record.claims}
    assert claims == {
        "toy.Dropout.probability": ("drop", "measured"),
        "toy.Dropout.scaling": ("inverted", "measured"),
        "toy.Dropout.fresh": ("active", "read"),
        "toy.Dropout.rate_one": ("zeros", "measured"),
        "toy.Dropout.seed": (True, "read"),
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Toy"', "", "toy.toml: title is missing"),
        ('title = "Toy"', "title = 1", "toy.toml: title is 1; it must be text"),
        ('title = "Toy"', "title =", "toy.toml: Invalid value"),
        ('name = "toy"', 'name = "joy"', "name is 'joy'; it must be 'toy'"),
        ('by = "toy.py"', 'by = "me"', "by is 'me'; it must be a script's name, 'tests'"),
        ("measured = 2026-11-30", "measured = 3", "measured is 3; it must be a date"),
        ('title = "Toy"', 'title = "T"\nnote = "x"', "'note' is not a key; there are name, title"),
        ('title = "Toy"', 'title = "T"\naliases = "x"', "aliases is 'x'; it must be a list"),
        ('scaling = "inverted"', "", r"\[\[dropout\]\] Dropout: scaling is missing"),
        ('"inverted"', '"up"', "scaling is 'up'; it must be one of 'inverted', 'classic'"),
        ('scaling = "inverted"', 'scaling = "none"\nscale = 1', "'scale' is not a key; there are"),
        ('name = "Dropout"', 'name = "Drop out"', "name is 'Drop out'; it must be letters"),
        ("(rate, ", "(rate, rate, ", "must have each argument once"),
        ("toy.Dropout(rate", "2.Dropout(rate", "its path must be like"),
        ("keep=0.5", "keep=x", "call is .*; it must be like"),
        ('argument = "rate"', 'argument = "p"', "argument is 'p', which is no argument of"),
        ('read = ["fresh"]', 'read = ["frsh"]', "read has 'frsh', which is not a key"),
        ('evidence = "measured"', 'evidence = "seen"', "evidence is 'seen'; it must be one of"),
        ('fresh = "active"', 'fresh = "active"\nsurprise = "x"', "must be given together"),
        ('fresh = "active"', "variants = [{ scaling = 'none' }]", "a list of tables with 'when'"),
        (
            'fresh = "active"',
            "variants = [{ when = { mode = 'x' }, scaling = 'none' }]",
            "'when' has 'mode', which is no argument",
        ),
        (
            'fresh = "active"',
            "variants = [{ when = { keep = 1 }, scaling = 'up' }]",
            "a variant: scaling is 'up'",
        ),
        ("toy.Dropout.seed", "toy.Drop.seed", "the id must be toy.SETTING.property"),
        ("toy.Dropout.seed", "toy.Dropout.fresh", "'toy.Dropout.fresh' is there 2 times"),
        ('text_zh = "它有种子。"', "", "toy.Dropout.seed: text_zh is missing"),
        ('text = "It has a seed."', "text = 1", "text is 1; it must be text"),
        ("value = true", "value = true\nwhy = 1", "'why' is not a key; there are id, value"),
        ('evidence = "read"', 'evidence = "told"', "evidence is 'told'"),
    ],
)
def test_wrong_record_is_refused(old, new, message):
    assert GOOD.count(old) == 1
    with pytest.raises(DataError, match=message) as caught:
        read_framework("toy", GOOD.replace(old, new))
    assert str(caught.value).startswith("toy.toml: ")


def test_signature():
    found = Signature.parse("toy.nn.Dropout(x, p=0.5, *, axis=(0, 1), keep)")
    assert found.path == ("toy", "nn", "Dropout")
    assert found.arguments == ("x", "p", "axis", "keep")
    assert found.positional == 2
    assert found.defaults == {"p": 0.5, "axis": (0, 1)}


def test_records_are_read_without_torch():
    code = (
        "import sys, bridle.dialects as d; d.frameworks(); d.DIALECTS;"
        "d.translate('torch.Dropout(0.5)', 'keras');"
        "print(sorted({'torch', 'numpy', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
