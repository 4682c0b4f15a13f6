"""The documentation site builds without a warning, and needs nothing from elsewhere."""

import re
import subprocess
import sys

import pytest
import typer

from bridle.cli import app
from conftest import ROOT

pytest.importorskip("pydata_sphinx_theme")

# what a page loads by itself; links that a reader may follow are not among it
LOADED = re.compile(
    r"<(?:script|img|iframe|source|video)\b[^>]*?\bsrc=[\"']([^\"']+)"
    r"|<link\b(?![^>]*rel=[\"'](?:canonical|author|license)[\"'])[^>]*?\bhref=[\"']([^\"']+)"
    r"|url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    ran = subprocess.run(
        [*command, "-d", folder / "doctrees", ROOT / "docs", folder / "html"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert ran.returncode == 0, ran.stderr
    return folder / "html"


def test_pages_load_nothing_from_other_hosts(site):
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(pages) > 40
    for page in pages:
        for found in LOADED.findall(page.read_text(encoding="utf-8")):
            target = "".join(found)
            assert not re.match(r"(?:\w+:)?//", target), f"{page.name} loads {target}"


def test_formulas_are_written_as_mathml(site):
    page = (site / "mathematics" / "penalties.html").read_text(encoding="utf-8")
    assert page.count("<math ") > 20
    assert "$$" not in page


def test_every_command_and_option_is_on_the_page(site):
    page = (site / "reference" / "cli.html").read_text(encoding="utf-8")
    commands = typer.main.get_command(app).commands
    assert {"fit", "predict", "audit", "demo"} <= set(commands)
    for name, command in commands.items():
        section = page.partition(f'id="bridle-{name}"')[2].partition("</section>")[0]
        assert section, name
        for parameter in command.params:
            for option in parameter.opts:
                shown = (option, option.upper())  # an argument is in capitals, a list is not
                assert any(each in section for each in shown), f"bridle {name} {option}"


def test_included_documents_link_within_the_site(site):
    page = (site / "zh-CN.html").read_text(encoding="utf-8")
    targets = (
        "strengths.html",
        "from-sklearn.html",
        "benchmarks/search-rivals.html",
        "contributing.html",
    )
    for target in targets:
        assert f'href="{target}' in page


def test_chinese_pages_declare_their_language_and_link_to_each_other(site):
    for name in ("zh-CN", "zh-CN/article", "zh-CN/guides/network"):
        assert '<html lang="zh-CN"' in (site / f"{name}.html").read_text(encoding="utf-8")
    assert '<html lang="en"' in (site / "article.html").read_text(encoding="utf-8")
    page = (site / "zh-CN.html").read_text(encoding="utf-8")
    assert 'href="zh-CN/guides/overfitting.html"' in page
    assert 'href="zh-CN/article.html"' in (site / "article.html").read_text(encoding="utf-8")
