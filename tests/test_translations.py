"""Each Chinese document says what its English twin says: only the language may differ."""

import posixpath
import re
from collections import Counter

import pytest

from conftest import ROOT

CHINESE = "docs/zh-CN/"
TWINS = {
    f"docs/{path.relative_to(ROOT / CHINESE).as_posix()}": path.relative_to(ROOT).as_posix()
    for path in sorted((ROOT / CHINESE).rglob("*.md"))
}
TWINS["README.md"] = "README.zh-CN.md"

FENCED = re.compile(r"^(?:```[a-z]+[^\n]*\n.*?^```|:::\{div\} wrap|:::)\n", re.M | re.S)
LANGUAGES = re.compile(
    r"^(?:English|\[English\]\((.*)\)) \| (?:简体中文|\[简体中文\]\((.*)\))\n", re.M
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`]+)`")
# those of a name, such as L2 and float64, are no numbers; the marks are those of formulas
NUMBER = re.compile(r"(?<![A-Za-z\d.])\d+(?:[.,]\d+)*|[½²₁₂λΣ∞Δ±÷×]|(?<![A-Za-z])[pwc](?![A-Za-z])")


def _text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def _target(name, link):
    """Return where a link of a document goes: the English twin, if what it shows is Chinese."""
    path, mark, place = link.partition("#")
    path = path if "://" in path else posixpath.normpath(posixpath.join(name, "..", path))
    english = [each for each, twin in TWINS.items() if twin == path]
    return (english[0] if english else path) + mark + place


def _sections(name):
    """Return what each section of a document has apart from words."""
    prose = LANGUAGES.sub("", FENCED.sub("", _text(name)), count=1)
    heads = list(re.finditer(r"^(#+) ", prose, re.M))
    ends = [head.start() for head in heads[1:]] + [len(prose)]
    for head, end in zip(heads, ends, strict=True):
        section = prose[head.start() : end]
        words = CODE.sub("", LINK.sub("]", section))
        yield {
            "level": len(head[1]),
            "links": Counter(_target(name, link) for link in LINK.findall(section)),
            "code": Counter(" ".join(code.split()) for code in CODE.findall(section)),
            "numbers": Counter(NUMBER.findall(words)),
            "rows": len(re.findall(r"^\|", section, re.M)),
            "points": len(re.findall(r"^- ", section, re.M)),
        }


@pytest.mark.parametrize("english", TWINS)
def test_blocks_are_the_same(english):
    assert FENCED.findall(_text(TWINS[english])) == FENCED.findall(_text(english))


@pytest.mark.parametrize("english", TWINS)
def test_sections_have_the_same_links_code_numbers_and_rows(english):
    translated, original = list(_sections(TWINS[english])), list(_sections(english))
    assert [each["level"] for each in translated] == [each["level"] for each in original]
    for position, (here, there) in enumerate(zip(translated, original, strict=True)):
        for kind, found in here.items():
            assert found == there[kind], f"section {position}: {kind}"


@pytest.mark.parametrize("english", TWINS)
def test_languages_link_to_each_other(english):
    chinese = TWINS[english]
    there = LANGUAGES.search(_text(english))
    back = LANGUAGES.search(_text(chinese))
    assert posixpath.normpath(posixpath.join(english, "..", there[2])) == chinese
    assert posixpath.normpath(posixpath.join(chinese, "..", back[1])) == english


@pytest.mark.parametrize("chinese", TWINS.values())
def test_chinese_documents_link_to_chinese_ones_where_they_exist(chinese):
    text = LANGUAGES.sub("", FENCED.sub("", _text(chinese)), count=1)
    for link in LINK.findall(text):
        path = posixpath.normpath(posixpath.join(chinese, "..", link.partition("#")[0]))
        assert path not in TWINS, f"{link}: {TWINS.get(path)} is in Chinese"
