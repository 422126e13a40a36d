"""Owns the error messages for bad answers of an account's API: the API's own message, and what to do about it."""

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
    """Whether the body does not begin as JSON does; it is cheap, for it is called for each page of jobs."""
    return body[:1] not in (b"{", b"[")


def is_html(body: str) -> bool:
    return body.lstrip("\ufeff \t\r\n")[:1] == "<"


def message_of(body: str) -> str:
    """The message of an error's body, on one line: from JSON, the title of HTML, or any other text as it is."""
    found: str | None = body
    if is_html(body):
        title = _TITLE.search(body)
        found = f"an HTML page titled {' '.join(title[1].split())}" if title else "an HTML page"
    elif body.lstrip()[:1] in ("{", "["):
        try:
            found = first_text(json.loads(body)) or body
        except (ValueError, RecursionError):
            found = body
    return " ".join((found or "").split())


def first_text(value: Any, depth: int = 0) -> str | None:
    """The first text in `message`, `detail`, `error` or `msg`, also nested ones."""
    if isinstance(value, str):
        return value
    if depth == _DEEPEST:
        return None
    if isinstance(value, list):
        return first_text(value[0], depth + 1) if value else None
    if isinstance(value, dict):
        for key in ("message", "detail", "error", "msg", "error_description"):
            if value.get(key) and (found := first_text(value[key], depth + 1)):
                return found
    return None


def explained(status: int, message: str, base_url: str, *, list_path: str | None, location: str = "") -> str:
    """The detail of a failure: status, message and what to do. `list_path` if the list of jobs was requested."""
    what = f"HTTP {status}: {message}" if message else f"HTTP {status}"
    advice = _ADVICE.get(status)
    if 300 <= status < 400 and location:
        advice = f"it leads to {location}, which is not followed: is `base_url` {base_url} the API's?"
    elif status in (404, 405) and list_path:
        advice = f"there is no batch API at {base_url}: check `base_url`, to which {list_path} is added"
    return f"{what}; {advice}" if advice else what


def no_json(body: str, base_url: str) -> str | None:
    """The error if an HTML page came instead of JSON, else None."""
    return (
        f"expected JSON, found {message_of(body)}; is `base_url` {base_url} the API's, or a web site's?"
        if is_html(body)
        else None
    )
