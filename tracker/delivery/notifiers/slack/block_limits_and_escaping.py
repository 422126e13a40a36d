"""Owns the blocks of a Slack message: escaped, without control characters, within Slack's limits.

Text from elsewhere (metadata, models, errors, names) goes into `plain_text` only, in which Slack reads no formatting, mention,
link or emoji; only text of this package goes into `mrkdwn`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tracker.core.text.one_line import to_text

Block = dict[str, Any]
Payload = dict[str, Any]

MAX_BLOCKS: Final = 50
MAX_HEADER: Final = 150
MAX_TEXT: Final = 3000
"""Characters, as sent, of a section; and of the fallback, for which Slack's limit is 40,000."""

MAX_LINE: Final = 250
"""Characters, as sent, of one value; Slack's limit for a field is 2000, which is too much to read."""

_FIELDS_PER_SECTION: Final = 5
"""Slack's limit is ten; a label and its value take two, which Slack shows in two columns."""

_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_UNFINISHED: Final = re.compile(r"(?:&[a-z]{0,3}|<[^>]*)$")
_EMPTY: Final = "-"
"""Replaces an empty text, which Slack refuses."""


def line(value: object, limit: int = MAX_LINE) -> str:
    """`value` as one escaped line of 1 to `limit` characters; unprintable characters are dropped."""
    words = " ".join(to_text(value)[: 10 * limit].split())  # ten times: spaces and unprintable characters are dropped
    return _within(limit, "".join(filter(str.isprintable, words)).strip()) or _EMPTY


def lines(values: Iterable[object], limit: int = MAX_TEXT) -> str:
    """One escaped line for each of `values`, as many as fit into `limit` characters; an ellipsis stands for the rest."""
    kept: list[str] = []
    left = limit - 2
    for each in map(line, values):
        left -= len(each) + 1
        if left < 0:
            return "\n".join((*kept, "…"))
        kept.append(each)
    return "\n".join(kept) or _EMPTY


def text_lines(text: object) -> str:
    """The text of a message without its blocks, escaped, for notifications, screen readers and chats without blocks."""
    return lines(str(text).split("\n"))


def payload(text: str, blocks: Sequence[Block]) -> Payload:
    """A message. `text` is the escaped fallback, where blocks cannot be shown. Slack adds no link, mention or preview."""
    return {
        "text": text,
        "blocks": list(blocks[:MAX_BLOCKS]),
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def header(text: str) -> Block:
    return {"type": "header", "text": plain_text(line(text, MAX_HEADER))}


def section(text: str) -> Block:
    """Escaped text, as `plain_text`."""
    return {"type": "section", "text": plain_text(text)}


def formatted_section(text: str) -> Block:
    """Text with Slack's formatting, cut outside of an entity and of a link or a mention if it is too long."""
    if len(text) > MAX_TEXT:
        text = _UNFINISHED.sub("", text[: MAX_TEXT - 1]) + "…"
    return {"type": "section", "text": mrkdwn(text)}


def escaped(text: str) -> str:
    """`text` in which Slack finds no entity, link or mention."""
    return text.translate(_ENTITIES)


def titled_list(title: str, values: Sequence[object]) -> Iterator[Block]:
    """A title, and a line for each value; no block if there are no values."""
    if values:
        yield {"type": "section", "text": mrkdwn(f"*{title}*")}
        yield section(lines(values))


def fields(*pairs: tuple[str, object]) -> Iterator[Block]:
    """Labels with their values in two columns; a value of None is left out."""
    rows = [[mrkdwn(f"*{label}*"), plain_text(line(value))] for label, value in pairs if value is not None]
    for start in range(0, len(rows), _FIELDS_PER_SECTION):
        yield {"type": "section", "fields": [cell for row in rows[start : start + _FIELDS_PER_SECTION] for cell in row]}


def context(*elements: Block) -> Block:
    return {"type": "context", "elements": list(elements)}


def plain_text(text: str) -> Block:
    """Escaped text, in which Slack reads no formatting."""
    return {"type": "plain_text", "text": text, "emoji": False}


def mrkdwn(text: str) -> Block:
    """Text of this package, with Slack's formatting; with `verbatim` Slack adds no links."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def local_date(seconds: int) -> str:
    """A date (Unix seconds) as `mrkdwn`, which each reader sees in the own time zone."""
    fallback = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{seconds}^{{date_short_pretty}} {{time}}|{fallback}>"


def _within(limit: int, text: str) -> str:
    """`text` escaped, and cut between entities if that is too long."""
    escaped = text.translate(_ENTITIES)
    if len(escaped) <= limit:
        return escaped
    kept, left = 0, limit - 1
    while (left := left - len(text[kept].translate(_ENTITIES))) >= 0:
        kept += 1
    return text[:kept].translate(_ENTITIES) + "…"
