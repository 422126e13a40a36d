"""Owns `batch-tracker migrate`: the tables of PostgreSQL made or brought up to date, by a role that may."""

import anyio
import click

from tracker.cli.arguments.options import config_option, examples
from tracker.cli.formatting.printing import echo, echo_error
from tracker.core.text.escaping import plain
from tracker.daemon.database_address import configured_database
from tracker.store.address import PostgresAddress, describe
from tracker.store.opening import migrate_postgres


@click.command(epilog=examples("migrate", "migrate --config owner.toml"))
@config_option
def command(config: str | None) -> None:
    """Create the tables in PostgreSQL, or bring them up to date; replicas may run meanwhile.

    `run` does the same when it starts, if its user owns the schema. With this command that user needs no such right. A
    database that is a file is migrated by `run` alone.
    """
    database = configured_database(config)
    if not isinstance(database, PostgresAddress):
        echo_error("the database is a file: `run` brings it up to date when it starts")
        return
    anyio.run(migrate_postgres, database)
    echo(f"{plain(describe(database))}: the tables are up to date")
