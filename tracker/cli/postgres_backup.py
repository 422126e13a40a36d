"""Owns what to do in place of `backup` and `restore` where the database is PostgreSQL's."""

import shlex
from pathlib import Path

from tracker.cli.command_errors import CommandError
from tracker.core.text.escaping import plain
from tracker.store.address import PostgresAddress


class BackupByPostgresError(CommandError):
    """The command is for a file; PostgreSQL's own programs back up and restore a schema."""

    status = 2

    def __init__(self, command: str, instead: str) -> None:
        super().__init__(f"{command} is for an SQLite file, and the database is PostgreSQL's; do it by:\n  {plain(instead)}")


def pg_dump(database: PostgresAddress, file: Path) -> str:
    """The command that writes the schema to `file`, while replicas run."""
    return _shell("pg_dump", "--format=custom", f"--schema={database.schema}", f"--file={file}", database.url_without_password)


def pg_restore(database: PostgresAddress, file: Path) -> str:
    """The command that replaces the schema by what `pg_dump` wrote to `file`, all or nothing. No replica may run."""
    into = f"--dbname={database.url_without_password}"
    return _shell("pg_restore", "--clean", "--if-exists", "--single-transaction", into, str(file))


def _shell(*words: str) -> str:
    return " ".join(map(shlex.quote, words))
