"""Owns normalizing the message of a failed request: messages that differ in numbers, ids or quoted text become one."""

import re
from typing import Final

from tracker.core.text.one_line import one_line, truncate_json
from tracker.core.text.signed_links import without_link_values

LONGEST_MESSAGE: Final = 200
"""Characters, and one and a half times as many bytes of JSON."""

_LONGEST_READ: Final = 2_000
"""Characters of a message that are read."""

_QUOTED: Final = re.compile(
    r"""
    "[^"]*" | `[^`]*` | “[^”]*” | «[^»]*»
  | '(?<!\w')[^']*'(?!\w)    # no apostrophe
""",
    re.VERBOSE,
)

_MAY_BE_ID: Final = re.compile(r"[0-9][A-Za-z-]|[A-Za-z][0-9]")
"""A sequence that every id has; most messages have none, which this search finds faster."""

_ID: Final = re.compile(
    r"""
    \b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b                         # a UUID
  | \b(?=[a-fA-F]*[0-9])(?=[0-9]*[a-fA-F])[0-9a-fA-F]{8,}\b                           # hexadecimal digits
  | \b(?:[A-Za-z]+[_-])?(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[0-9A-Za-z]{16,}\b        # letters and digits, with a prefix
""",
    re.VERBOSE,
)

_NUMBER: Final = re.compile(r"[0-9]+(?:[.,:][0-9]+)*")


def normalize_message(text: str) -> str:
    """`text` as one line of at most 200 characters, with `<id>`, `"…"` and `#` for ids, quoted text and numbers."""
    text = _QUOTED.sub('"…"', without_link_values(text[:_LONGEST_READ]))
    if _MAY_BE_ID.search(text):
        text = _ID.sub("<id>", text)
    return bounded(_NUMBER.sub("#", text), LONGEST_MESSAGE)


def bounded(text: str, longest: int) -> str:
    """`text` as one printable line of at most `longest` characters, and one and a half times as many bytes of JSON.

    Links lose what gives access: the digest is in events, messages and the database, and no signed link may be there.
    """
    return truncate_json(one_line(without_link_values(text[:_LONGEST_READ]), longest), longest * 3 // 2)
