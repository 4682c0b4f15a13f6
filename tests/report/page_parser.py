"""A page of a report as a parser sees it."""

import json
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "wbr"}


class Page(HTMLParser):
    """A page as a parser sees it: elements with attributes, texts by element."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open:
            tag, attrs = self.open[-1]
            self.texts.setdefault((tag, attrs.get("id")), []).append(data)

    def text(self, *tags):
        return [
            " ".join(each.split())
            for (tag, _), all_ in self.texts.items()
            if tag in tags
            for each in all_
        ]

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def charts_of(page):
    (text,) = page.texts["script", "charts"]
    return json.loads(text)["charts"]


def rows_of(spec):
    return [row for rows in spec["datasets"].values() for row in rows]
