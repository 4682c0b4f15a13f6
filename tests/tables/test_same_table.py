"""Properties: a table written in any dialect or format, and read again, is the same table."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from bridle.errors import DataError
from bridle.tables import TableEncoder, read_table
from bridle.tables.schema import columns_of

WORDS = ("Ulm", "Bonn", "a, b", "c; d", 'say "hi"', "O'Hara", "zwölf", "x|y", "two words", "A3")
COLUMNS = {
    "town": st.sampled_from(WORDS),
    "code": st.sampled_from(("01", "02", "007")),
    "count": st.integers(-5000, 5000),
    "size": st.floats(-1e6, 1e6).map(lambda value: round(value, 2) + 0.001),
    "hole": st.one_of(st.none(), st.floats(0, 9).map(lambda value: round(value, 1))),
}
DIALECTS = [
    (sep, decimal, end, quoting, encoding)
    for sep, decimal in ((",", "."), (";", ","), (";", "."), ("\t", "."), ("\t", ","), ("|", "."))
    for end in ("\n", "\r\n")
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "latin-1")
]


@st.composite
def tables(draw):
    rows = draw(st.integers(12, 30))
    drawn = {
        name: draw(st.lists(cells, min_size=rows, max_size=rows)) for name, cells in COLUMNS.items()
    }
    drawn["town"][:4] = ["Ulm", "Bonn", "zwölf", "Ulm"]
    drawn["hole"][:3] = [0.5, None, 1.5]
    return pd.DataFrame(drawn)


def written(frame, sep, decimal, end, quoting, encoding):
    text = io.StringIO(newline="")
    rows = csv.writer(text, delimiter=sep, lineterminator=end, quoting=quoting)
    rows.writerow(frame.columns)
    for row in frame.itertuples(index=False):
        rows.writerow(
            ["" if pd.isna(v) else str(v).replace(".", decimal) if _number(v) else v for v in row]
        )
    return text.getvalue().encode(encoding)


def _number(value):
    return isinstance(value, float)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(frame=tables(), dialect=st.sampled_from(DIALECTS))
def test_any_dialect(tmp_path, frame, dialect):
    path = tmp_path / "t.csv"
    path.write_bytes(written(frame, *dialect))
    expected = read_table(frame)
    found = read_table(path)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=True)
    columns, _ = columns_of(expected)
    encoder = TableEncoder().fit(expected, columns)
    assert np.array_equal(encoder.transform(found), encoder.transform(expected))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(frame=tables())
def test_any_format(tmp_path, frame):
    frame.to_parquet(tmp_path / "t.parquet")
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    expected = read_table(frame)
    for name in ("t.parquet", "t.jsonl"):
        found = read_table(tmp_path / name)
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=True)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.text(st.sampled_from('ab,;\t|"\n\r 1.2-#é'), max_size=60))
def test_any_text_is_a_table_or_one_sentence(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode())
    error = None
    try:
        assert len(read_table(path).columns)
    except DataError as caught:
        error = str(caught)
    assert error is None or "\n" not in error


@pytest.mark.parametrize("rows", [1, 2])
def test_short_tables(tmp_path, rows):
    path = tmp_path / "t.csv"
    path.write_text("town,count\n" + "Ulm,3\n" * rows)
    assert read_table(path).to_dict("list") == {"town": ["Ulm"] * rows, "count": [3] * rows}
