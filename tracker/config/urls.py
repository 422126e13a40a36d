"""Owns reading URLs: those of APIs, receivers and our own pages. A URL is shown only if it cannot have a secret in it."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tracker.config.secrets import secret_references
from tracker.config.secrets.secret import Secret
from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import InvalidValue
from tracker.http.proxies import ascii_name

_PATH: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")

_OWN_PATHS: Final = frozenset(
    "accounts api events healthz hooks jobs login logout metrics readyz receivers static".split()  # noqa: SIM905 - a line
)
"""First segments of our own paths. A base path below one would be ambiguous: a proxy may strip the base path or keep it."""

_PATHS: Final = r"/batch(?:/jobs)?|/batches|/messages(?:/batches)?|/chat/completions|/files|/models"
_VERSION: Final = re.compile(rf"/+v1(?:beta)?(?:{_PATHS})?/*$")


def base_url(value: Any) -> str:
    """Read the URL of an API. A URL with credentials or a query is rejected and not shown."""
    expected = 'expected an http or https URL, such as "https://api.mistral.ai"'
    if isinstance(value, str) and "@" in value:
        raise InvalidValue(f"found a URL with credentials in it (not shown), {expected}")
    if isinstance(value, str) and ("?" in value or "#" in value):
        raise InvalidValue(f"found a URL with a query or a fragment (not shown), {expected}")
    if not isinstance(value, str) or not _is_url(found := with_ascii_host(value)):
        raise InvalidValue(f"found {toml_table.display(value)}, {expected}{_ascii_hint(value)}")
    return found


def api_url(value: Any) -> str:
    """Read the URL of an account's API, without a `/v1` or `/v1beta` at its end, which each request adds."""
    return _VERSION.sub("", base_url(value))


def with_ascii_host(url: str) -> str:
    """The URL with an international host in punycode; unchanged if its host is ASCII or invalid."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        ascii_host = ascii_name(host)
    except ValueError:
        return url
    user, at, address = parts.netloc.rpartition("@")
    return url.replace(parts.netloc, f"{user}{at}{address.lower().replace(host, ascii_host)}", 1) if host != ascii_host else url


def receiver_url(environ: Mapping[str, str]) -> Callable[[Any], Secret]:
    """Read a URL, or a reference to one; both are secrets."""

    def read(value: Any) -> Secret:
        found = Secret(with_ascii_host(value)) if isinstance(value, str) else secret_references.secret(environ)(value)
        if not _is_url(found.reveal()):
            raise InvalidValue(f"found something else (not shown), expected an http or https URL{_ascii_hint(value)}")
        return found.with_reread(lambda: read(value))

    return read


def base_path(value: Any) -> str:
    """Read the path below which the server is reached; "" for "/"."""
    path = value.removesuffix("/") if isinstance(value, str) else None
    first, *_ = (path or "").split("/")[1:] or [""]
    if first in _OWN_PATHS:
        raise InvalidValue(
            f'found {toml_table.display(value)}, expected a path that does not begin as one of our own, such as "/tracker"'
        )
    if path is None or (path and not _PATH.fullmatch(path)):
        raise InvalidValue(f'found {toml_table.display(value)}, expected "/", or a path such as "/tracker"')
    return path


def external_url(value: Any) -> str:
    """Read the URL at which browsers reach the pages, without a slash at its end."""
    expected = 'expected an http or https URL, such as "https://ops.example.com/tracker"'
    if isinstance(value, str) and ("@" in value or "?" in value or "#" in value):
        raise InvalidValue(f"found a URL with credentials, a query or a fragment (not shown), {expected}")
    if not isinstance(value, str) or not _is_url(value):
        raise InvalidValue(f"found {toml_table.display(value)}, {expected}")
    base_path(urlsplit(value).path)
    return value.removesuffix("/")


def _ascii_hint(value: Any) -> str:
    return "" if not isinstance(value, str) or value.isascii() else "; all but its host in ASCII, other characters as %XX"


def _is_url(value: str) -> bool:
    if not value.isascii() or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
