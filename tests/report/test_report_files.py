"""Reports and figures on disk, and what happens if they cannot be written."""

import pytest
from page_parser import Page
from reported_fit import fitted_credit

import bridle as library
from conftest import CREDIT


@pytest.fixture(scope="module")
def fitted():
    return fitted_credit()


def test_folders_that_are_missing(fitted, tmp_path):
    with pytest.raises(library.UsageError, match="there is no folder"):
        library.write_report(fitted, tmp_path / "absent" / "report.html")
    with pytest.raises(library.UsageError, match="table cannot be used with a History"):
        library.write_report(fitted.history, tmp_path / "report.html", table=CREDIT)
    with pytest.raises(library.UsageError, match="name a folder"):
        library.report_of(fitted).save_figures(tmp_path / "absent" / "figures")
    (tmp_path / "file").write_text("x")
    with pytest.raises(library.UsageError, match="it is a file"):
        library.report_of(fitted).save_figures(tmp_path / "file")


def test_what_was_there_stays_when_writing_fails(fitted, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("before")
    report = library.report_of(fitted)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(library.DataError, match="No space left"):
        report.save(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_on_the_command_line(bridle, tmp_path):
    page, figures, model = tmp_path / "r.html", tmp_path / "figures", tmp_path / "m.bridle"
    short = ("--epochs", "2", "--hidden", "8", "--quiet")
    options = ("--report", page, "--figures", figures, "--out", model, "--no-ablation")
    ran = bridle("fit", CREDIT, "--target", "class", *options, *short)
    assert ran.code == 0, ran.err
    text = page.read_text(encoding="utf-8")
    assert f"bridle fit {CREDIT} --target class --report" in " ".join(Page(text).text("kbd"))
    assert (figures / "learning-curves.svg").is_file()
    assert "Each regularizer alone" not in text

    again = tmp_path / "d.html"
    ran = bridle("diagnose", model, CREDIT, "--report", again, "--no-refit", "--quiet")
    assert ran.code == 0, ran.err
    sections = {attrs.get("id") for attrs in Page(again.read_text()).all("section")}
    assert sections >= {"regularizers", "path", "weights", "calibration", "worst", "audit"}


def test_where_a_page_cannot_go(bridle, tmp_path):
    (tmp_path / "file").write_text("x")
    for option, place, said in (
        ("--report", tmp_path / "no" / "r.html", "there is no folder"),
        ("--report", tmp_path, "name a file"),
        ("--figures", tmp_path / "file", "name a folder"),
    ):
        ran = bridle("fit", CREDIT, "--target", "class", option, place)
        assert ran.code == 2
        assert said in ran.err
