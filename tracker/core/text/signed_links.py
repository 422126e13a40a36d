"""Owns removing what gives access from links in text: the values of their parameters, and user and password.

A signed link is a secret while it is valid, and error messages quote links: of a document that could not be fetched, or of the
storage that a request was redirected to.
"""

import re
from typing import Final

_VALUE: Final = re.compile(r"""((?:[?#]|&(?:amp;)?|%3F|%26)[\w.~-]{1,60}(?:=|%3D))[^\s&"'<>`]+""", re.IGNORECASE)
"""A parameter, also in a link that is escaped as HTML, JSON or a part of another link."""

_USER: Final = re.compile(r"""(:(?:\\?/){2})[^\s/@"'<>`]+@""")


def without_link_values(text: str) -> str:
    """`text` with "…" in the place of what is secret in its links: "https://host/file?expires=…&signature=…"."""
    return _USER.sub(r"\1…@", _VALUE.sub(r"\1…", text))
