"""Texts from elsewhere, such as names of runs and what a server said, made fit to be shown."""

from __future__ import annotations

import html
import re

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """A text that does nothing to a terminal: controls, and half characters, as their codes.

    Line ends and tabs stay.
    """
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def line(text: str) -> str:
    """The same in one line, for a name within a sentence or a table."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def as_html(text: str) -> str:
    """A text as part of rich text, in which it is no markup."""
    return html.escape(printable(text)).replace("\n", "<br>")
