"""Owns the address of a database: a file, or a schema of a PostgreSQL database."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

import msgspec


class PostgresAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A schema of a PostgreSQL database, and the replica that uses it. Its `repr` shows neither password nor parameters.

    `url` and `listen_url` may contain passwords. `listen_url` leads to the same database past a pooler. `page` is where the
    replica answers, for people who look at all of them. `latest` gives what is to be used in place of one of the URLs from now
    on, as its password may have been replaced; it may read a file.
    """

    url: str
    schema: str = "batch_tracker"
    replica: str
    listen_url: str | None = None
    page: str | None = None
    latest: Callable[[str], str] | None = None

    def __repr__(self) -> str:
        return f"PostgresAddress({self})"

    def __str__(self) -> str:
        """`postgresql://user@host:port/database`, which may be logged."""
        parts = urlsplit(self.url)
        userinfo, at, hosts = parts.netloc.rpartition("@")
        user, parameters = userinfo.partition(":")[0], parse_qs(parts.query)
        hosts = hosts or ",".join(parameters.get("host", ()))
        user = unquote(user) if user else "".join(parameters.get("user", ())[:1])
        database = unquote(parts.path) if len(parts.path) > 1 else "/" + "".join(parameters.get("dbname", ())[:1])
        return f"postgresql://{user}{'@' if user or at else ''}{hosts}{database}"

    @property
    def url_without_password(self) -> str:
        """The URL for PostgreSQL's own programs, which get the password by themselves, such as from $PGPASSWORD."""
        parts = urlsplit(self.url)
        credentials, at, hosts = parts.netloc.rpartition("@")
        user = credentials.partition(":")[0]
        query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if not name.endswith("password")], safe="/")
        return f"postgresql://{user}{at}{hosts}{parts.path}{'?' if query else ''}{query}"


DatabaseAddress = Path | PostgresAddress


def default_segments(database: Path) -> Path:
    """The directory of the segments of an SQLite database, where none is configured."""
    return database.with_name(database.name + ".segments")


def describe(address: DatabaseAddress) -> str:
    """The address for logs and messages, without a password."""
    return str(address)
