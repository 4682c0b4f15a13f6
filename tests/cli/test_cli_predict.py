"""``bridle predict``: columns beside the predictions, empty rows, and what the program imports."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import bridle as library
from bridle.models.reading import read_for_fit
from bridle.tables import ClassTarget, TableEncoder

HEAVY = ("torch", "sklearn", "scipy", "skrub", "clevercsv", "matplotlib", "altair", "jinja2")
TABLE = pd.DataFrame(
    {
        "id": [f"{i:03}" for i in range(40)],
        "when": pd.date_range("2024-01-05", periods=40).strftime("%d/%m/%Y"),
        "price": [f"{i},50" for i in range(40)],
        "kind": ["a", "b"] * 20,
        "y": ["no", "yes", "yes", "no"] * 10,
    }
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model file of a network that is not trained, which does not know the column id."""
    folder = tmp_path_factory.mktemp("model")
    TABLE.drop(columns="id").to_csv(folder / "train.csv", index=False, sep=";")
    given = read_for_fit(folder / "train.csv", "y", ())
    encoder = TableEncoder().fit(given.frame, given.columns)
    network = library.Network([len(encoder.feature_names), 8, 2]).eval()
    facts = {"table": {"marks": given.marks}}
    made = library.TableModel(network, encoder, ClassTarget(("no", "yes")), "y", facts)
    library.save_model(made, folder / "model.bridle")
    return folder / "model.bridle"


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.csv"
    TABLE.drop(columns="y").to_csv(path, index=False, sep=";")
    return path


def _read(text):
    from io import StringIO

    return pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)


def test_append_writes_the_table_as_it_is_written(bridle, model, rows):
    alone = _read(bridle("predict", model, rows, "-q").out)
    found = _read(bridle("predict", model, rows, "-q", "--append").out)
    assert list(found) == ["id", "when", "price", "kind", *alone]
    assert found[list(alone)].equals(alone)
    assert found.iloc[:, :4].equals(TABLE.drop(columns="y").astype(found["id"].dtype))


def test_keep_writes_columns_in_the_wanted_order(bridle, model, rows, tmp_path):
    ran = bridle(
        "predict", model, rows, "--keep", "price", "--keep", "id", "-o", tmp_path / "o.csv"
    )
    assert ran.code == 0, ran.err
    found = pd.read_csv(tmp_path / "o.csv", dtype=str)
    assert list(found)[:3] == ["price", "id", "prediction"]
    assert found["id"].tolist() == TABLE["id"].tolist()
    records = json.loads(bridle("predict", model, rows, "--keep", "id", "--json").out)
    assert [each["id"] for each in records] == TABLE["id"].tolist()


def test_typed_tables_keep_their_types(bridle, model, tmp_path):
    pytest.importorskip("openpyxl")
    rows = TABLE.drop(columns="y").assign(
        when=pd.date_range("2024-01-05", periods=40), price=np.arange(40) + 0.5
    )
    rows["mixed"] = [1, "x"] * 20
    rows.loc[2, "price"] = np.nan
    rows.to_excel(tmp_path / "rows.xlsx", index=False)
    out = tmp_path / "out.parquet"
    ran = bridle("predict", model, tmp_path / "rows.xlsx", "--append", "--out", out)
    assert ran.code == 0, ran.err
    found = pd.read_parquet(out)
    assert found["when"].tolist() == rows["when"].tolist()
    assert found["price"].equals(rows["price"])
    assert found["mixed"].tolist() == ["1", "x"] * 20
    records = json.loads(
        bridle("predict", model, out, "--keep", "when", "--keep", "id", "--json").out
    )
    assert records[0]["when"].startswith("2024-01-05")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--keep", "idd"), 1, "has no column 'idd' to keep; did you mean 'id'"),
        (("--keep", "id", "--append"), 2, "--append writes all columns"),
        (("--out", "x.xlsx"), 2, "--out must end in .csv or .parquet"),
    ],
)
def test_refused(bridle, model, rows, arguments, code, message):
    ran = bridle("predict", model, rows, *arguments)
    assert ran.code == code
    assert message in ran.err
    assert ran.out == ""


def test_a_clash_of_names_is_refused(bridle, model, tmp_path):
    rows = TABLE.assign(prediction="old")
    rows.to_csv(tmp_path / "rows.csv", index=False, sep=";")
    for option in (("--append",), ("--keep", "prediction")):
        ran = bridle("predict", model, tmp_path / "rows.csv", *option)
        assert ran.code == 1
        assert "has a column 'prediction', as the predictions do; rename it" in ran.err
        assert ran.out == ""
    assert bridle("predict", model, tmp_path / "rows.csv", "--keep", "id").code == 0


def test_other_order_and_other_columns_change_nothing(bridle, model, rows, tmp_path):
    expected = bridle("predict", model, rows, "-q").out
    other = TABLE[["kind", "price", "y", "when", "id"]].assign(more=1)
    other.to_csv(tmp_path / "other.csv", index=False, sep=";")
    assert bridle("predict", model, tmp_path / "other.csv", "-q").out == expected
    TABLE.drop(columns="kind").to_csv(tmp_path / "less.csv", index=False, sep=";")
    ran = bridle("predict", model, tmp_path / "less.csv")
    assert (ran.code, ran.out) == (1, "")
    assert "lacks the column 'kind'" in ran.err


def test_empty_rows_at_the_end_are_left_out(bridle, model, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    rows = TABLE.drop(columns="y").head(5)
    for row in [list(rows), *rows.itertuples(index=False), [None] * 4, *[["", " ", "", None]] * 3]:
        book.active.append(row)
    book.active.cell(row=30, column=2).number_format = "0.00"
    book.save(tmp_path / "rows.xlsx")
    rows.to_csv(tmp_path / "rows.csv", index=False, sep=";")
    with (tmp_path / "rows.csv").open("a") as file:
        file.write(";;;\n; ;;\n")
    sheet, text = (bridle("predict", model, tmp_path / f"rows.{end}") for end in ("xlsx", "csv"))
    assert len(_read(sheet.out)) == len(_read(text.out)) == 5
    assert "left out: 2 empty rows at the end" in text.err


def test_empty_rows_between_others_are_said(bridle, model, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    rows = [list(row) for row in TABLE.drop(columns="y").head(4).itertuples(index=False)]
    for row in [["id", "when", "price", "kind"], *rows[:2], [" "], *rows[2:]]:
        book.active.append(row)
    book.save(tmp_path / "rows.xlsx")
    ran = bridle("predict", model, tmp_path / "rows.xlsx")
    assert len(_read(ran.out)) == 4
    assert "left out: 1 empty row between the others" in ran.err


def test_it_imports_nothing_that_it_does_not_need(model, rows):
    """As a program of its own: importing these takes longer than predicting."""
    code = (
        "import sys\nfrom bridle.cli import main\n"
        "try:\n    main()\nfinally:\n"
        f"    print([n for n in {HEAVY} if n in sys.modules], file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, "predict", str(model), str(rows), "--append", "-q"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(ran.stdout.splitlines()) == len(TABLE) + 1
    assert ran.stderr.strip() == "[]"


@pytest.mark.parametrize("link", ["none", "symbolic", "hard"])
@pytest.mark.parametrize("name", ["rows.csv", "model.csv"])
def test_predict_does_not_write_over_what_it_reads(bridle, model, rows, tmp_path, name, link):
    (tmp_path / "model.csv").write_bytes(model.read_bytes())
    read = tmp_path / name
    before = read.read_bytes()
    out = read if link == "none" else tmp_path / "link.csv"
    if link == "symbolic":
        out.symlink_to(read)
    elif link == "hard":
        out.hardlink_to(read)
    found = bridle("predict", tmp_path / "model.csv", rows, "-o", out)
    assert found.code == 2
    assert "itself; give another file" in " ".join(found.err.split())
    assert read.read_bytes() == before
