"""Put the live page together: ``python docs/live_page.py`` writes ``docs/live/index.html``.

A browser loads no module and no worker from a file on disk that another file names. So the page
holds the modules of ``docs/live/modules`` itself: joined for the page, and as a text for the
worker.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

LIVE = Path(__file__).parent / "live"
IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+\.js)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ", re.MULTILINE)

START = """\
globalThis.bridleWorker = URL.createObjectURL(new Blob([%s], { type: "text/javascript" }));
%s
"""


def joined(entry: str) -> str:
    """Return a module and all that it imports as one text without imports and exports.

    Names at the top of the modules have to differ, or the browser refuses the text.
    """
    texts: dict[str, str] = {}

    def add(name: str) -> None:
        text = (LIVE / "modules" / name).read_text(encoding="utf-8")
        for other in IMPORT.findall(text):
            if other not in texts:
                add(other)
        texts[name] = EXPORT.sub("", IMPORT.sub("", text))

    add(entry)
    return "\n".join(f"// {name}\n{text}" for name, text in texts.items())


def page() -> str:
    """Return the page as text."""
    text = (LIVE / "page.html").read_text(encoding="utf-8")
    style = (LIVE / "style.css").read_text(encoding="utf-8")
    worker = json.dumps(joined("worker.js"), ensure_ascii=False).replace("</", "<\\/")
    text = text.replace("/* style.css */", style)
    return text.replace("/* modules */", START % (worker, joined("app.js")))


if __name__ == "__main__":
    (LIVE / "index.html").write_text(page(), encoding="utf-8")
