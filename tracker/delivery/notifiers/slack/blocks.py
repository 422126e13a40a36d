"""Owns the pieces of a Slack message: escaped, free of control characters, within Slack's limits, and nothing in them alive.

What others wrote (metadata, models, errors, names) goes into `plain_text` alone, in which Slack reads no formatting, mention,
link or emoji; only what is written here goes into `mrkdwn`.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

Block = dict[str, Any]
Payload = dict[str, Any]

MOST_BLOCKS: Final = 50
LONGEST_HEADER: Final = 150
LONGEST_TEXT: Final = 3000
"""Characters, as sent, of a section; and of the fallback, of which Slack takes 40,000."""

LONGEST_LINE: Final = 250
"""Characters, as sent, of one value; Slack takes 2000 in a field, but nobody reads them."""

_FACTS_A_SECTION: Final = 5
"""Slack takes ten fields, and a fact is two: they stand side by side, as in a table."""

_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_NOTHING: Final = "-"
"""Stands for an empty text, which Slack refuses."""


def line(value: object, limit: int = LONGEST_LINE) -> str:
    """`value` as one escaped line of 1 to `limit` characters; whatever is not printable is dropped."""
    words = " ".join(shown(value)[: 10 * limit].split())  # ten times: there may be blanks, and what is dropped
    return _within(limit, "".join(filter(str.isprintable, words)).strip()) or _NOTHING


def shown(value: object) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def lines(values: Iterable[object], limit: int = LONGEST_TEXT) -> str:
    """One escaped line for each of `values`, as many as fit into `limit` characters; the last says that there are more."""
    kept: list[str] = []
    left = limit - 2
    for each in map(line, values):
        left -= len(each) + 1
        if left < 0:
            return "\n".join((*kept, "…"))
        kept.append(each)
    return "\n".join(kept) or _NOTHING


def payload(text: str, blocks: Sequence[Block]) -> Payload:
    """A whole message. `text` is escaped and stands where blocks cannot; of neither is Slack to make anything more."""
    return {
        "text": text,
        "blocks": list(blocks[:MOST_BLOCKS]),
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def header(text: str) -> Block:
    return {"type": "header", "text": plain(line(text, LONGEST_HEADER))}


def section(escaped: str) -> Block:
    return {"type": "section", "text": plain(escaped)}


def listed(title: str, values: Sequence[object]) -> Iterator[Block]:
    """A title of ours, and a line for each value; nothing where there are none."""
    if values:
        yield {"type": "section", "text": ours(f"*{title}*")}
        yield section(lines(values))


def facts(*pairs: tuple[str, object]) -> Iterator[Block]:
    """Labels of ours, each beside its value; None has no place."""
    rows = [[ours(f"*{label}*"), plain(line(value))] for label, value in pairs if value is not None]
    for start in range(0, len(rows), _FACTS_A_SECTION):
        yield {"type": "section", "fields": [cell for row in rows[start : start + _FACTS_A_SECTION] for cell in row]}


def context(*elements: Block) -> Block:
    return {"type": "context", "elements": list(elements)}


def plain(escaped: str) -> Block:
    return {"type": "plain_text", "text": escaped, "emoji": False}


def ours(mrkdwn: str) -> Block:
    """Text that is written here, with Slack's formatting; `verbatim`: Slack adds no link of its own."""
    return {"type": "mrkdwn", "text": mrkdwn, "verbatim": True}


def moment(seconds: int) -> str:
    """A moment (Unix seconds) as `mrkdwn`: each reader sees it by the clock of his own machine."""
    fallback = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{seconds}^{{date_short_pretty}} {{time}}|{fallback}>"


def _within(limit: int, text: str) -> str:
    """`text` escaped; where that is too long, cut so that no entity is."""
    escaped = text.translate(_ENTITIES)
    if len(escaped) <= limit:
        return escaped
    kept, left = 0, limit - 1
    while (left := left - len(text[kept].translate(_ENTITIES))) >= 0:
        kept += 1
    return text[:kept].translate(_ENTITIES) + "…"
