"""Owns reading `headers`: names that are not reserved, and values that are text or references to secrets."""

import re
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Final

from tracker.config.secrets import secret_references
from tracker.config.secrets.secret import Header, Secret
from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import InvalidValue, Table

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_MAX_LENGTH: Final = 8192
"""Characters of a value; servers reject longer ones."""

_RESERVED: Final = frozenset(
    (
        "accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host",
        "keep-alive", "proxy-authorization", "proxy-connection", "te", "traceparent", "trailer",
        "transfer-encoding", "upgrade",
    )
)  # fmt: skip
_RESERVED_PREFIXES: Final = ("ce-", "webhook-")


def read_headers(
    values: Any,
    path: str,
    errors: list[str],
    environ: Mapping[str, str],
    *,
    taken: Collection[str] = (),
) -> tuple[Header, ...]:
    """The headers of a table, names in lower case. Those that are `taken` send a key or token that is configured elsewhere."""
    if not isinstance(values, dict):
        raise InvalidValue(f'found {toml_table.display_type(values)}, expected a table, such as {{ "X-Team" = "research" }}')
    named = {name: value for name, value in values.items() if _NAME.fullmatch(name)}
    if len(named) < len(values):
        errors.append(f"{path}: found a name (not shown) that no header has, expected letters, digits and hyphens")
    found = Table(named, path, errors, named)
    errors += [
        f"{path}.{name}: found the header more than once, expected it once, in whatever case"
        for name in named
        if sum(other.lower() == name.lower() for other in named) > 1
    ]
    read = [found.get(name, partial(_header, name, environ, taken), None) for name in named]
    return tuple(header for header in read if header)


def _header(name: str, environ: Mapping[str, str], taken: Collection[str], value: Any) -> Header:
    lower = name.lower()
    if lower in _RESERVED or lower.startswith(_RESERVED_PREFIXES):
        raise InvalidValue("found a header that is set with each request, expected another one")
    if lower in taken:
        raise InvalidValue("found a header that holds the key, token or user which is configured already, expected another one")
    if isinstance(value, dict):
        return Header(lower, secret_references.secret(environ)(value), secret=True)
    if not isinstance(value, str):
        raise InvalidValue(
            f"found {toml_table.display(value)}, expected a string, or a reference to a secret: {secret_references.EXPECTED}"
        )
    if not value or value != value.strip() or not value.isascii() or not value.isprintable() or len(value) > _MAX_LENGTH:
        raise InvalidValue(
            "found a string (not shown) that no header can have, expected one line of printable ASCII without space around"
        )
    return Header(lower, Secret(value), secret=False)
