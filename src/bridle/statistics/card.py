"""A result in a few lines: as plain text, and as a card in a notebook."""

from __future__ import annotations

import html
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Card", "HasCard", "one_line"]

MOST_LINES = 12
WIDTH = 120
_ROWS = 7  # besides the title and the last line, these leave space for the verdict

_STYLE = """
.bridle-card { max-width: 62rem; padding: .75rem 1rem; border: 1px solid #d0d0d0;
  border-radius: 6px; background: #fff; color: #1a1a1a; font: 14px/1.5 system-ui, sans-serif; }
.bridle-card p { margin: 0 0 .5rem; }
.bridle-card .bridle-title { font-weight: 600; }
.bridle-card table { border-collapse: collapse; margin: 0 0 .5rem; background: none; }
.bridle-card th, .bridle-card td { padding: .15rem .75rem .15rem 0; border: 0; background: none;
  color: inherit; text-align: left; vertical-align: top; font-weight: 400; }
.bridle-card th { color: #595959; white-space: nowrap; }
.bridle-card .bridle-next { margin: 0; color: #595959; }
@media (prefers-color-scheme: dark) {
  .bridle-card { background: #1c1c1c; color: #e8e8e8; border-color: #444; }
  .bridle-card th, .bridle-card .bridle-next { color: #a8a8a8; }
}
"""


@dataclass(frozen=True)
class Card:
    """The content of a card.

    Attributes
    ----------
    title : str
        What the result is about.
    rows : sequence of (str, str)
        Names and values, such as scores with their intervals; the most important first.
    verdict : str
        One or more sentences.
    next_steps : str
        How to go on, as code.

    Examples
    --------
    >>> card = Card("A fit of 'y'", [("test accuracy", "74.5 ± 6.0 %")], "Fine.", "print(1)")
    >>> print(card.text())
    A fit of 'y'
      test accuracy  74.5 ± 6.0 %
    verdict: Fine.
    next: print(1)
    >>> "<script" in Card("<script>", []).html()
    False
    """

    title: str
    rows: Sequence[tuple[str, str]]
    verdict: str = ""
    next_steps: str = ""

    def text(self) -> str:
        """Return at most twelve lines."""
        shown = [(one_line(name), one_line(value)) for name, value in self.rows[:_ROWS]]
        wide = max((len(name) for name, _ in shown), default=0)
        head = [one_line(self.title, WIDTH)]
        head += [one_line(f"  {name:{wide}}  {value}", WIDTH, strip=False) for name, value in shown]
        last = [one_line(f"next: {self.next_steps}", WIDTH)] if self.next_steps else []
        free = MOST_LINES - len(head) - len(last)
        said = (
            textwrap.wrap(
                f"verdict: {one_line(self.verdict, None)}",
                WIDTH,
                max_lines=free,
                placeholder=" …",
                subsequent_indent="  ",
            )
            if self.verdict
            else []
        )
        return "\n".join([*head, *said, *last])

    def html(self) -> str:
        """Return an HTML element that needs nothing else: neither a script nor a file."""
        rows = "".join(
            f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>'
            for name, value in self.rows
        )
        parts = [f'<p class="bridle-title">{html.escape(self.title)}</p>']
        parts += [f"<p>{html.escape(self.verdict)}</p>"] if self.verdict else []
        parts += [f"<table><tbody>{rows}</tbody></table>"] if rows else []
        if self.next_steps:
            code = html.escape(self.next_steps)
            parts.append(f'<p class="bridle-next">next: <code>{code}</code></p>')
        return f'<div class="bridle-card"><style>{_STYLE}</style>{"".join(parts)}</div>'


class HasCard(ABC):
    """A record that shows itself by its card: as plain text, and in a notebook as HTML."""

    @abstractmethod
    def _card(self) -> Card:
        """Return the card."""

    def __repr__(self) -> str:
        return self._card().text()

    def _repr_html_(self) -> str:
        return self._card().html()


def one_line(text: str, longest: int | None = 200, *, strip: bool = True) -> str:
    r"""Return a text on one line, of at most ``longest`` characters.

    Examples
    --------
    >>> one_line("two\n lines"), one_line("much too long", 9)
    ('two lines', 'much too…')
    """
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    plain = " ".join(plain.split()) if strip else plain.rstrip()
    if longest is None or len(plain) <= longest:
        return plain
    return plain[: longest - 1].rstrip() + "…"
