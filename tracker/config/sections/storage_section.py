"""Owns reading the section `storage`: an SQLite file, or PostgreSQL for several replicas."""

import platform
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tracker.config.model import Storage
from tracker.config.postgres_urls import EXPECTED, parse_postgres_url
from tracker.config.secrets import secret_references
from tracker.config.secrets.secret import Secret
from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import InvalidValue, Table, display

KEYS: Final = (
    "path",
    "url",
    "schema",
    "replica",
    "listen_url",
    "keep_deliveries",
    "keep_events",
    "segments",
    "progress_every",
)
_FOR_POSTGRES: Final = ("schema", "replica", "listen_url")
_FOR_SQLITE: Final = ("keep_events", "segments")

PROGRESS_EVERY: Final = toml_table.duration("0s", "1d")

_MOST_OF_REPLICA: Final = 100
"""Characters of a replica's name."""


def read_storage(values: Any, errors: list[str], environ: Mapping[str, str]) -> Storage:
    """The section; each mistake goes to `errors`. Of the environment it reads no secret but the one of a URL."""
    found = Table(values, "storage", errors, KEYS)
    path = found.get("path", secret_references.path(environ), None)
    state = _state_directory(environ)
    given = values if isinstance(values, dict) else {}
    read = Storage(
        path if "url" in given else path or (state / "tracker.db" if state else None),
        found.get("keep_deliveries", toml_table.duration("0s", "3650d"), Storage(None).keep_deliveries),
        url=found.get("url", _postgres_url(environ), None),
        schema=found.get("schema", _schema, Storage(None).schema),
        replica=found.get("replica", _replica, _default_replica(environ)),
        listen_url=found.get("listen_url", _postgres_url(environ), None),
        state_directory=state or Path(),
        progress_every=found.get("progress_every", PROGRESS_EVERY, Storage(None).progress_every),
        keep_events=found.get("keep_events", toml_table.duration_or_forever("1h", "3650d"), Storage(None).keep_events),
        segments=found.get("segments", secret_references.path(environ), None),
    )
    _refuse_contradictions(found, given)
    if "url" not in given and read.path is None:
        found.require("path", toml_table.text, "", "a path, as none of $STATE_DIRECTORY, $XDG_STATE_HOME and $HOME is set")
    return read


def _refuse_contradictions(found: Table, given: Mapping[str, Any]) -> None:
    if "url" in given and "path" in given:
        found.add_mistake("url", "found beside storage.path, and only one of them can have the log: remove the other")
    for key in _FOR_POSTGRES:
        if key in given and "url" not in given:
            found.add_mistake(key, "is for PostgreSQL alone: set storage.url, or remove this")
    for key in _FOR_SQLITE:
        if "url" in given and given.get(key, "forever") != "forever":
            found.add_mistake(key, "is for an SQLite file alone: on PostgreSQL the whole log is kept; remove this")


def _postgres_url(environ: Mapping[str, str]) -> Callable[[Any], Secret]:
    """Read a PostgreSQL URL without a password, or a reference to one that may have it."""

    def read(value: Any) -> Secret:
        if isinstance(value, str):
            if parse_postgres_url(value).passwords:
                raise InvalidValue(f"found a URL with a password in it (not shown), {secret_references.EXPECTED} for it")
            return Secret(value)
        if not isinstance(value, dict):
            raise InvalidValue(f"found {display(value)}, {EXPECTED}")
        found = secret_references.secret(environ)(value)
        parse_postgres_url(found.reveal())
        return found

    return read


def _schema(value: Any) -> str:
    name = value if isinstance(value, str) else ""
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name) or name.startswith("pg_") or name == "information_schema":
        raise InvalidValue(
            f"found {display(value)}, expected up to 63 of a-z, 0-9 and `_`, no digit first, none of PostgreSQL's own"
        )
    return name


def _replica(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > _MOST_OF_REPLICA:
        raise InvalidValue(f"found {display(value)}, expected a name of up to {_MOST_OF_REPLICA} printable characters")
    return value


def _default_replica(environ: Mapping[str, str]) -> str:
    """$BATCH_TRACKER_REPLICA, which a unit sets for each of its instances, else the name of the host."""
    named = environ.get("BATCH_TRACKER_REPLICA", "") or platform.node()
    printable = "".join(each if each.isprintable() else "?" for each in named)
    return printable[:_MOST_OF_REPLICA].strip() or "replica"


def _state_directory(environ: Mapping[str, str]) -> Path | None:
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].split(":")[0])
    if environ.get("XDG_STATE_HOME"):
        return Path(environ["XDG_STATE_HOME"]) / "batch-tracker"
    return Path(environ["HOME"]) / ".local" / "state" / "batch-tracker" if environ.get("HOME") else None
