"""Owns what a bad answer of an account's API says in words: its message, and what to do about it."""

import json
import re
from typing import Any, Final

_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_DEEPEST: Final = 4

_ADVICE: Final = {
    401: "the key is not accepted: check `api_key`",
    402: "batch is not enabled for the key's workspace: enable it, or check `api_key`",
    403: "the key may not do this: check `api_key`, and whether a gateway wants a header (`headers`)",
    407: "a proxy wants a user and password: they go into the URL of the proxy",
}


def may_be_html(body: bytes) -> bool:
    """Whether the body does not begin as JSON does: costs nothing, for each page of jobs is asked."""
    return body[:1] not in (b"{", b"[")


def is_html(body: str) -> bool:
    return body.lstrip("\ufeff \t\r\n")[:1] == "<"


def message_of(body: str) -> str:
    """What an error's body says, on one line: the message of JSON, the title of HTML, any other text as it is."""
    found: str | None = body
    if is_html(body):
        title = _TITLE.search(body)
        found = f"an HTML page titled {' '.join(title[1].split())}" if title else "an HTML page"
    elif body.lstrip()[:1] in ("{", "["):
        try:
            found = _message(json.loads(body)) or body
        except (ValueError, RecursionError):
            found = body
    return " ".join((found or "").split())


def explained(status: int, message: str, base_url: str, *, listing: bool, location: str = "") -> str:
    """The detail of a failure: status, message and what to do. `listing`: a list was asked for, which every such API has."""
    what = f"HTTP {status}: {message}" if message else f"HTTP {status}"
    advice = _ADVICE.get(status)
    if 300 <= status < 400 and location:
        advice = f"it leads to {location}, which is not followed: is `base_url` {base_url} the API's?"
    elif status in (404, 405) and listing:
        advice = f"there is no batch API at {base_url}: check `base_url`, to which /v1/batch/jobs is added"
    return f"{what}; {advice}" if advice else what


def no_json(body: str, base_url: str) -> str | None:
    """What is wrong where an HTML page came instead of JSON; None where none did."""
    return (
        f"expected JSON, found {message_of(body)}; is `base_url` {base_url} the API's, or a web site's?"
        if is_html(body)
        else None
    )


def _message(value: Any, depth: int = 0) -> str | None:
    """The first text where APIs put it: `message`, `detail`, `error`, `msg`, also one in another."""
    if isinstance(value, str):
        return value
    if depth == _DEEPEST:
        return None
    if isinstance(value, list):
        return _message(value[0], depth + 1) if value else None
    if isinstance(value, dict):
        for key in ("message", "detail", "error", "msg", "error_description"):
            if value.get(key) and (found := _message(value[key], depth + 1)):
                return found
    return None
