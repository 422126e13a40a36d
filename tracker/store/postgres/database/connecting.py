"""Owns connecting to PostgreSQL: settings of a session, checks of the server, and errors as sentences."""

import math
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.to_thread
import asyncpg

from tracker.core.errors.storage_error import StorageError
from tracker.store.address import PostgresAddress

OLDEST_VERSION: Final = 14

DATABASE_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, EOFError)
"""What a call of asyncpg raises; a time-out is an `OSError` too."""

_READ_WITHIN: Final = 5.0
"""Seconds that reading a password again may take: a file may be on a network mount that does not answer."""

_MAX_NAME_BYTES: Final = 63
"""PostgreSQL cuts longer values of `application_name`."""


_EXPLANATIONS: Final = (
    (TimeoutError, "the server did not answer in time"),
    (asyncpg.InvalidCatalogNameError, "{}; create it first"),
    (
        asyncpg.InvalidAuthorizationSpecificationError,  # a wrong password is one too
        "the server refuses the user: {}; check the password, and the server's pg_hba.conf",
    ),
    (asyncpg.InsufficientPrivilegeError, "the user lacks a right: {}; see deploy/README.md for the roles and grants"),
    (asyncpg.DiskFullError, "the server's disk is full: {}; free space there, and it goes on by itself"),
    (asyncpg.TooManyConnectionsError, "{}; raise the server's max_connections, or have fewer clients"),
    (asyncpg.ReadOnlySQLTransactionError, "{}; the server is a standby or read-only, connect to the primary"),
    (asyncpg.PostgresConnectionError, "the connection was lost"),
    (asyncpg.exceptions.ClientConfigurationError, "the URL cannot be used: {}"),
    ((asyncpg.InterfaceError, asyncpg.InternalClientError, EOFError), "the connection was lost"),
    (
        (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError),
        "{}; the session is another's too, as of a pooler in transaction mode: let the URL lead past it, or set its pool_mode",
    ),
    (
        ssl.SSLCertVerificationError,
        "the server's certificate is not accepted: {}; check the URL's host and sslrootcert",
    ),
    (ssl.SSLError, "TLS failed: {}"),  # an OSError too
    (OSError, "the server cannot be reached: {}"),
)


_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
"""The parameters of a URL that name files which have to be there."""


class Timeouts(NamedTuple):
    """Seconds. A session that stopped within a transaction is ended before others that wait for its locks give up."""

    connect: float = 5.0
    idle_in_transaction: float = 5.0
    lock: float = 8.0
    statement: float = 10.0
    answer: float = 12.0
    """From a request to its answer: longer than the server's own limits, so that only a silent network gets there."""


DEFAULT_TIMEOUTS: Final = Timeouts()

_CONFIGURE: Final = """
SELECT set_config('application_name', coalesce(nullif(current_setting('application_name'), ''), $1), false),
  set_config('search_path', $2, false), set_config('statement_timeout', $3, false), set_config('lock_timeout', $4, false),
  set_config('idle_in_transaction_session_timeout', $5, false), set_config('timezone', 'UTC', false),
  set_config('jit', 'off', false),  -- it takes longer than any of these statements
  set_config('plan_cache_mode', 'force_custom_plan', false),  -- a plan made while the tables were empty would be kept
  set_config('random_page_cost', '1.1', false),  -- what these statements need is in memory: a table is not read for a few rows
  set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
    ELSE current_setting('synchronous_commit') END, false)"""
"""Not as parameters of the connection: a pooler refuses those that it does not know."""


async def connect(
    address: PostgresAddress, *, url: str | None = None, timeouts: Timeouts = DEFAULT_TIMEOUTS
) -> asyncpg.Connection:
    """A connection to `address`, by `url` instead of its own where that is given; unqualified tables are those of its schema.

    Raises `StorageError` where the server cannot be reached, refuses, is too old or has another encoding than UTF-8.
    """
    url = await _latest(address, url or address.url)
    _check_files(address, url)
    with storage_errors(address, "connecting"):
        connection = await asyncpg.connect(url, timeout=timeouts.connect, command_timeout=timeouts.answer)
        try:
            _check_server(address, connection)
            await connection.fetch(_CONFIGURE, *_settings(address, timeouts))
        except BaseException:
            connection.terminate()
            raise
    return connection


async def _latest(address: PostgresAddress, url: str) -> str:
    """The URL with the password that is to be used now; as it is where that cannot be read in time."""
    if address.latest is None:
        return url
    with anyio.move_on_after(_READ_WITHIN):
        return await anyio.to_thread.run_sync(address.latest, url, abandon_on_cancel=True)
    return url


async def disconnect(connection: asyncpg.Connection) -> None:
    """Close, or abandon a connection that does not answer within a second; never raises an error of the database."""
    try:
        await connection.close(timeout=1.0)
    except DATABASE_ERRORS:
        connection.terminate()


@contextmanager
def storage_errors(address: PostgresAddress, what: str) -> Iterator[None]:
    """Within it every error of the database becomes a `StorageError` that says what failed and why."""
    try:
        yield
    except DATABASE_ERRORS as error:
        raise StorageError(f"{address}: {what} failed: {explain(error)}") from error


def explain(error: BaseException) -> str:
    """What went wrong, and what to do where that is known. It has no password, and no row of a table."""
    message = getattr(error, "message", None) or str(error) or type(error).__name__
    return next((text.format(message) for kind, text in _EXPLANATIONS if isinstance(error, kind)), str(message))


def is_answer(error: BaseException) -> bool:
    """Whether the server answered a statement with this error and goes on: else the connection is lost, or soon will be."""
    return isinstance(error, asyncpg.PostgresError) and getattr(error, "severity_en", None) == "ERROR"


def quoted(identifier: str) -> str:
    """The identifier as SQL has it."""
    return '"' + identifier.replace('"', '""') + '"'


def _settings(address: PostgresAddress, timeouts: Timeouts) -> tuple[Any, ...]:
    name = f"batch-tracker {address.replica}".encode()[:_MAX_NAME_BYTES].decode(errors="ignore")
    limits = (timeouts.statement, timeouts.lock, timeouts.idle_in_transaction)
    return name, quoted(address.schema), *(str(math.ceil(seconds * 1000)) for seconds in limits)


def _check_files(address: PostgresAddress, url: str) -> None:
    """Raise `StorageError` where a file of the URL cannot be read; the error of the TLS library does not name it."""
    parameters = parse_qs(urlsplit(url).query)
    for name in _FILES:
        for file in parameters.get(name, ()):
            try:
                Path(file).open("rb").close()
            except OSError as error:
                raise StorageError(f"{address}: {name} of the URL: expected a file, found {file}: {error.strerror}") from None


def _check_server(address: PostgresAddress, connection: asyncpg.Connection) -> None:
    version, encoding = connection.get_server_version(), connection.get_settings().server_encoding
    if version.major < OLDEST_VERSION:
        raise StorageError(
            f"{address}: expected PostgreSQL {OLDEST_VERSION} or later, found {version.major}.{version.minor};"
            " upgrade the server"
        )
    if encoding != "UTF8":
        raise StorageError(
            f"{address}: expected a database with the encoding UTF8, found {encoding}; "
            "create one with `createdb --encoding=UTF8 --template=template0`"
        )
