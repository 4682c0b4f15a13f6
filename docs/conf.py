"""The documentation site: ``sphinx-build -W -b html docs site``."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

import typer
from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml
from typer.cli import get_docs_for_click

from bridle.cli import app as command_line
from bridle.version import __version__

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

project = "bridle"
author = "The bridle developers"
copyright = author  # noqa: A001
version = release = __version__
language = "en"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["images/**"]
html_math_renderer = "mathml"
nitpicky = True
# what is not bridle's own has no page here
nitpick_ignore_regex = [(r"py:.*", r"(?!bridle\.).*")]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say shapes and dtypes beside the types
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
# frameworks are large, and a callback's page needs none of them
autodoc_mock_imports = ["lightning", "mlflow", "pytorch_lightning", "skorch", "transformers"]
autodoc_mock_imports += ["torch.utils.tensorboard"]
napoleon_numpy_docstring = True
napoleon_google_docstring = False
# a field of a record is listed with it, and is no entry of its own
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_rtype = False

copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "bridle"
html_static_path = ["_static"]
html_css_files = ["bridle.css"]
html_js_files = [("dialects.js", {"defer": "defer"})]
# pages that have none below them need no list of them
html_sidebars = {name: [] for name in ("article", "install", "quickstart")}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 5,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

# Documents of the repository that the site includes, and the pages that they are here.
PAGES = {
    "README.md": "index.md",
    "README.zh-CN.md": "zh-CN.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks/index.md",
    "examples/README.md": "examples.md",
    "examples/article": "article.md",
}
LIVE = re.compile(r"\[([^]]*)\]\(live/index\.html\)")
LINK = re.compile(r"(?<=\]\()(?![a-z]+:)([^)#\s]+)")


def moved(text: str, written: str, shown: str) -> str:
    """Return a text whose links were written in one folder and are shown on a page in another."""

    def here(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(written, link[0]))
        page = f"docs/{PAGES[target]}" if target in PAGES else target
        return posixpath.relpath(page, shown)

    return LINK.sub(here, text)


def links_of_included(app: Any, path: Path, page: str, content: list[str]) -> None:  # noqa: ARG001
    """Turn an included document's links into those of its page, which lies in ``docs``."""
    folder = posixpath.dirname(posixpath.normpath(posixpath.join("docs", path.as_posix())))
    # Sphinx would offer the live page as a download
    content[0] = LIVE.sub(r'<a href="live/index.html">\1</a>', moved(content[0], folder, "docs"))


def links_of_page(app: Any, page: str, content: list[str]) -> None:  # noqa: ARG001
    """Turn a page's links to documents of the repository into links to their pages."""
    folder = posixpath.dirname(f"docs/{page}")
    content[0] = moved(content[0], folder, folder)


def command_line_page(app: Any, page: str, content: list[str]) -> None:  # noqa: ARG001
    """Put every command with its options under the page's introduction."""
    if page == "reference/cli":
        group = typer.main.get_command(command_line)
        context = typer.Context(group, info_name="bridle")
        written = get_docs_for_click(obj=group, ctx=context, name="bridle")
        content[0] += written.partition("\n")[2]  # the page has its own heading


def dialect_tables(app: Any, page: str, content: list[str]) -> None:  # noqa: ARG001
    """Put the tables of the records into their page, in both languages."""
    from dialects_page import page as with_tables

    content[0] = with_tables(page, content[0])


def mathml(translator: Any, node: Any, *, block: bool) -> None:
    """Write a formula as MathML, which browsers show without a script or a font from elsewhere."""
    formula = tex2mathml(node.astext(), as_block=block)
    translator.body.append(f'<div class="formula">{formula}</div>' if block else formula)
    raise SkipNode


def language_of_page(app: Any, page: str, template: str, context: Any, tree: Any) -> None:  # noqa: ARG001
    """Declare the language of a Chinese page, by which browsers choose fonts and voices."""
    if page.startswith("zh-CN"):
        context["language"] = "zh-CN"


def live_page(app: Any, exception: Exception | None) -> None:
    """Copy the live page, which is no page of Sphinx, to ``live/`` of the site."""
    if exception is None and app.builder.format == "html":
        target = Path(app.outdir) / "live" / "index.html"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((ROOT / "docs" / "live" / "index.html").read_bytes())


def setup(app: Any) -> None:
    """Register what this site adds to Sphinx."""
    app.connect("build-finished", live_page)
    app.connect("html-page-context", language_of_page)
    app.connect("include-read", links_of_included)
    app.connect("source-read", links_of_page)
    app.connect("source-read", command_line_page)
    app.connect("source-read", dialect_tables)
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(lambda t, n: mathml(t, n, block=False), None),
        block_renderers=(lambda t, n: mathml(t, n, block=True), None),
    )
