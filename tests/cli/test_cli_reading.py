"""Tables on the command line: options, what is printed of the reading, and exit codes."""

import io
import sys

import numpy as np
import pandas as pd
import pytest

SHORT = ("--epochs", "2", "--hidden", "8")


@pytest.fixture
def table(rng):
    x = rng.normal(size=(80, 2)).round(2)
    frame = pd.DataFrame(x, columns=["a", "b"])
    return frame.assign(y=np.where(x[:, 0] > 0, "yes", "no"))


def _german(frame, path):
    frame.to_csv(path, sep=";", decimal=",", index=False, encoding="utf-8-sig")
    return path


def test_what_was_understood_is_one_line_on_standard_error(bridle, table, tmp_path):
    path, model = _german(table, tmp_path / "t.csv"), tmp_path / "m.bridle"
    ran = bridle("fit", path, "--target", "y", "--out", model, *SHORT)
    line = "read 80 rows × 3 columns: separator semicolon, decimal comma, UTF-8 with BOM"
    assert ran.code == 0
    assert line in ran.err.splitlines()
    ran = bridle("predict", model, path)
    assert ran.err.splitlines() == [line]
    assert ran.out.startswith("prediction,")
    assert bridle("predict", model, path, "--quiet").err == ""
    assert bridle("predict", model, path, "--json").err == ""


def test_predictions_do_not_depend_on_the_file(bridle, table, tmp_path, monkeypatch):
    model = tmp_path / "m.bridle"
    bridle("fit", _german(table, tmp_path / "t.csv"), "--target", "y", "--out", model, *SHORT)
    table.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    table.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    table.to_parquet(tmp_path / "t.parquet")
    outs = {bridle("predict", model, tmp_path / f"t.{e}").out for e in ("csv", "tsv", "jsonl")}
    outs.add(bridle("predict", model, tmp_path / "t.parquet").out)

    class Stdin:
        buffer = io.BytesIO((tmp_path / "t.tsv").read_bytes())

    monkeypatch.setattr(sys, "stdin", Stdin)
    outs.add(bridle("predict", model, "-").out)
    assert len(outs) == 1


def test_remarks_on_new_rows(bridle, table, tmp_path):
    model, new = tmp_path / "m.bridle", tmp_path / "new.csv"
    bridle("fit", _german(table, tmp_path / "t.csv"), "--target", "y", "--out", model, *SHORT)
    table.assign(a=[1e6, *table["a"][1:]]).to_csv(new, index=False)
    ran = bridle("predict", model, new)
    assert "note: 'a' is far outside the training range" in ran.err


def test_options_overrule(bridle, tmp_path):
    rows = "".join(f"{i % 9 + 1},{100 + i};{i % 2}\n" for i in range(40))
    path = tmp_path / "t.csv"
    path.write_text("x;y\n" + rows)
    ran = bridle("fit", path, "--target", "y", *SHORT, "--quiet")
    assert ran.code == 1
    assert "give --decimal . or --decimal ," in ran.err
    assert bridle("fit", path, "--target", "y", "--decimal", ",", *SHORT).code == 0
    bare = tmp_path / "bare.csv"
    bare.write_text(rows.replace(",", "."))
    options = ("--no-header", "--decimal", ".", "--sep", ";")
    assert bridle("fit", bare, "--target", "column2", *options, *SHORT).code == 0


def test_warnings_are_printed(bridle, table, tmp_path):
    path = tmp_path / "t.csv"
    table.assign(id=range(80)).to_csv(path, index=False)
    ran = bridle("fit", path, "--target", "y", *SHORT)
    assert "'id' is the position of the row" in " ".join(ran.out.split())
    dropped = bridle("fit", path, "--target", "y", "--drop", "id", *SHORT)
    assert "'id'" not in dropped.out


EXIT_CODES = {
    ("--sep", ";;"): 2,
    ("--decimal", "x"): 2,
    ("--encoding", "klingon"): 2,
    ("--date-format", "day"): 2,
    ("--sep", "|"): 1,
}


@pytest.mark.parametrize("options", EXIT_CODES)
def test_what_is_wrong_with_the_call_is_2_and_with_the_data_1(bridle, table, tmp_path, options):
    table.to_csv(tmp_path / "t.csv", index=False)
    ran = bridle("fit", tmp_path / "t.csv", "--target", "y", *options, *SHORT)
    assert ran.code == EXIT_CODES[options], ran.err
    assert len(ran.err.strip().splitlines()) == 1


def test_sql(bridle, table, tmp_path):
    import sqlite3

    path = tmp_path / "t.sqlite"
    base = sqlite3.connect(path)
    table.to_sql("rows", base, index=False)
    table.to_sql("more", base, index=False)
    base.close()
    assert bridle("fit", path, "--target", "y", *SHORT).code == 2
    query = ("--sql", "SELECT a, y FROM rows")
    assert bridle("fit", path, "--target", "y", *query, *SHORT).code == 0


def test_units_and_marks_of_a_new_file(bridle, table, tmp_path):
    model, new = tmp_path / "m.bridle", tmp_path / "new.csv"
    table.assign(a=[f"{100 * v:.1f} %" for v in table["a"]]).to_csv(tmp_path / "t.csv", index=False)
    bridle("fit", tmp_path / "t.csv", "--target", "y", "--out", model, *SHORT)
    new.write_text("a,b\n15.5 %,1.5\n")
    ran = bridle("predict", model, new)
    assert (ran.code, "note:" in ran.err) == (0, False)
    new.write_text("a,b\n15.5,1.5\n")
    assert bridle("predict", model, new).err.count("taken as percent") == 1
    new.write_text("a,b\n0.155,1.5\n")
    ran = bridle("predict", model, new)
    assert ran.code == 1
    assert "column 'a' had numbers with '%' in training, but has none" in ran.err
    new.write_text("a;b\n15.500 %;1.5\n16.125 %;2,5\n")
    assert bridle("predict", model, new).code == 1
    new.write_text("a;b\n15.500 %;1.125\n")
    assert "give --decimal . or --decimal ," in bridle("predict", model, new).err
    assert bridle("predict", model, new, "--decimal", ".").code == 0


def test_a_target_with_units_is_refused(bridle, table, tmp_path):
    table.assign(y=[f"{i} kg" for i in range(80)]).to_csv(tmp_path / "t.csv", index=False)
    ran = bridle("fit", tmp_path / "t.csv", "--target", "y", *SHORT)
    assert ran.code == 1
    assert "the target 'y' looks like numbers with a unit, such as '0 kg'" in ran.err
