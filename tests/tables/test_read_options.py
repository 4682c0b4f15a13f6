"""Options overrule the signs of a file."""

import pandas as pd
import pytest

from bridle.errors import UsageError
from bridle.tables import ReadOptions, read_table
from bridle.tables.read import read_with_notes

ROWS = "town;x\nUlm;1,234\nBonn;2,345\nKiel;3,456\n"


def _read(tmp_path, content, **options):
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, ReadOptions(**options))


def test_the_decimal_mark_settles_what_is_doubtful(tmp_path):
    assert _read(tmp_path, ROWS, decimal=",")["x"].tolist() == [1.234, 2.345, 3.456]
    assert _read(tmp_path, ROWS, decimal=".")["x"].tolist() == [1234, 2345, 3456]
    assert _read(tmp_path, ROWS, thousands=",")["x"].tolist() == [1234, 2345, 3456]


def test_separator_and_encoding(tmp_path):
    content = "a;b,c\n1;x,y\n2;ü,z\n"
    assert list(_read(tmp_path, content, sep=";")) == ["a", "b,c"]
    assert list(_read(tmp_path, content, sep="comma")) == ["a;b", "c"]
    raw = "a,b\n1,Łódź\n2,Ulm\n".encode("iso-8859-2")
    assert _read(tmp_path, raw, encoding="iso-8859-2")["b"].tolist() == ["Łódź", "Ulm"]


def test_with_and_without_header(tmp_path):
    content = "Ulm,3\nBonn,14\nKiel,15\n"
    assert list(_read(tmp_path, content, header=False)) == ["column1", "column2"]
    assert len(_read(tmp_path, content, header=False)) == 3
    assert list(_read(tmp_path, content, header=True)) == ["Ulm", "3"]


def test_comments_and_missing_values(tmp_path):
    content = "% made by hand\na,b\n1,x\n% late\n-999,y\n3,unsure\n4,x\n"
    frame = _read(tmp_path, content, comment="%", missing=("-999", "unsure"))
    assert frame["a"].isna().tolist() == [False, True, False, False]
    assert frame["b"].isna().tolist() == [False, False, True, False]


def test_a_separator_in_words(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a|b\n1|2\n3|4\n")
    assert read_with_notes(path).line == "read 2 rows × 2 columns: separator pipe, UTF-8"


BAD = {
    "sep": ";;",
    "decimal": "x",
    "thousands": "0",
    "comment": " ",
    "encoding": "klingon",
    "date_format": "day",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options_are_named(name):
    with pytest.raises(UsageError, match=f"^{name} is .*; it must be"):
        ReadOptions(**{name: BAD[name]})


IDLE = {
    ("t.parquet", "sep", ";"),
    ("t.parquet", "encoding", "latin-1"),
    ("t.csv", "sheet", "one"),
    ("t.csv", "sql", "SELECT 1"),
    ("t.jsonl", "header", False),
    ("t.jsonl", "comment", "#"),
    (None, "sep", ";"),
}


@pytest.mark.parametrize(("name", "option", "value"), sorted(IDLE, key=str))
def test_an_option_that_does_not_act_on_the_format_is_refused(tmp_path, name, option, value):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    source = frame if name is None else tmp_path / name
    if name is not None:
        frame.to_csv(tmp_path / "t.csv", index=False)
        frame.to_parquet(tmp_path / "t.parquet")
        frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    with pytest.raises(UsageError, match=f"--{option} .* does not act on"):
        read_table(source, ReadOptions(**{option: value}))
    assert len(read_table(source)) == 2
