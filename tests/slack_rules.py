"""Owns what Slack takes: its own models as the oracle, and what of a payload it would bring to life."""

import re

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

KEYS = {"text", "blocks", "mrkdwn", "parse", "link_names", "unfurl_links", "unfurl_media", "channel", "ts", "thread_ts"}

_DATE = re.compile(r"<!date\^\d+\^\{date_short_pretty\} \{time\}\|\d{4}-\d\d-\d\d \d\d:\d\d UTC>")
_ENTITY = re.compile(r"&(?:amp|lt|gt);")


def refusal(payload):
    """Why Slack would refuse a payload; None where it would not."""
    if not isinstance(payload, dict) or not payload.keys() <= KEYS:
        return "invalid_arguments"
    if not isinstance(payload.get("text"), str) or not 0 < len(payload["text"]) <= 40_000:
        return "no_text"
    blocks = payload.get("blocks", [])
    if len(blocks) > 50 or not all(map(_is_valid, blocks)):
        return "invalid_blocks"
    return None


def alive(payload):
    """What Slack would make more of than text, but for our dates; and what is no printable text at all."""
    return [each for each in strings(payload) if _is_alive(each)]


def strings(value):
    """Every text in a payload."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in strings(part)]


def shown(payload):
    """What a reader sees of the blocks: a line for each text."""
    return "\n".join(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for text in _texts(payload["blocks"]))


def _is_valid(block):
    try:
        same = Block.parse(block).to_dict() == block  # a key that Slack does not know would be missing
    except (SlackObjectFormationError, TypeError, AttributeError):
        return False
    texts, fields = _texts(block), _texts(block.get("fields", []))
    return same and all(0 < len(text) <= 3000 for text in texts) and all(len(text) <= 2000 for text in fields)


def _texts(value):
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for part in value.values() for text in _texts(part)]
    return [text for part in value for text in _texts(part)] if isinstance(value, list) else []


def _is_alive(text):
    rest = _ENTITY.sub("", _DATE.sub("", text))
    return any(each in "&<>" or not (each.isprintable() or each == "\n") for each in rest)
