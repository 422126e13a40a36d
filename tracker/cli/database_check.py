"""Owns what `check` finds out about the database: whether its daemon runs, whether PostgreSQL can be used, and its orphans."""

from collections.abc import Iterator
from pathlib import Path

from tracker.cli.formatting.printing import echo, echo_error
from tracker.config import Config
from tracker.core.errors.storage_error import StorageError
from tracker.core.text.escaping import plain
from tracker.daemon.control.control_client import is_running
from tracker.http.client import http_client, tls_context
from tracker.store.address import DatabaseAddress, PostgresAddress, describe
from tracker.store.opening import check_server, open_reader
from tracker.store.server_report import ServerReport


async def is_watched(database: DatabaseAddress) -> bool:
    """Whether the daemon of a file answers, or this replica is live; prints that."""
    if isinstance(database, PostgresAddress):
        lives = await _is_live(database)
        about = f"{describe(database)}: replica {database.replica} is {'running' if lives else 'not running'}"
    else:
        lives = await _answers(database)
        about = f"{database}: {'its daemon is running' if lives else 'no daemon answers for it'}"
    (echo if lives else echo_error)(plain(about))
    return lives


async def _answers(database: Path) -> bool:
    async with http_client(tls_context()) as http:
        return await is_running(database, http)


async def _is_live(database: PostgresAddress) -> bool:
    async with open_reader(database) as reader:
        return any(each["live"] for each in await reader.replicas() if each["name"] == database.replica)


async def find_orphans(config: Config, database: DatabaseAddress) -> list[str]:
    """The orphans in the database: receivers and accounts that the configuration lacks."""
    try:
        async with open_reader(database) as reader:
            orphans = await reader.orphans([each.name for each in config.receivers], [each.name for each in config.accounts])
    except StorageError as error:
        return [str(error)]
    return [*orphans.sentences()]


async def check_postgres(config: Config, database: PostgresAddress) -> bool:
    """Whether a daemon could use the database; prints what was found. Changes nothing."""
    try:
        report = await check_server(database)
    except StorageError as error:
        echo_error(f"database  {plain(error)}")
        return False
    if report.schema_version == report.newest_version and not report.missing_rights:
        for warning in await find_orphans(config, database):
            echo_error(f"warning   {plain(warning)}")
    echo(f"database  PostgreSQL {plain(report.version)}, {_schema(database, report)}")
    for problem in _problems(report):
        echo_error(f"database  {plain(problem)}")
    return not report.missing_rights


def _schema(database: PostgresAddress, report: ServerReport) -> str:
    if not report.schema_version:
        return f"no schema {database.schema} yet: `batch-tracker run` creates it"
    if report.schema_version < report.newest_version:
        becomes = f"`batch-tracker run` makes it {report.newest_version}"
        return f"schema {database.schema} has version {report.schema_version}: {becomes}"
    return f"schema {database.schema} has version {report.schema_version}"


def _problems(report: ServerReport) -> Iterator[str]:
    yield from report.missing_rights
    if not report.notifications_arrive:
        yield (
            "notifications do not arrive, as where storage.listen_url leads through a pooler in transaction mode or to another "
            "database: replicas look for changes each second; let it lead past the pooler, or leave it out"
        )
