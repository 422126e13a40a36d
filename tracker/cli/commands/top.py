"""Owns `batch-tracker top`: the log as a live picture, with keys."""

import sys
from typing import Final

import anyio
import click

from tracker.cli.arguments.options import config_option
from tracker.cli.process.interrupt import until_signal
from tracker.config import account_names, database_path, receiver_names
from tracker.http.client import http_client, tls_context
from tracker.store.opening import open_reader

SNAPSHOT: Final = (120, 40)
"""Columns and lines of a picture that is piped."""

_EPILOG: Final = """
\b
Keys:
  up, down, page up, page down   through the jobs
  a                              active jobs, or all of them
  q                              quit

\b
Examples:
  batch-tracker top
  batch-tracker top > snapshot.txt
"""


@click.command(epilog=_EPILOG)
@config_option
@click.option("--all", "-a", "show_all", is_flag=True, help="Start with all jobs, not only with the active ones.")
def command(config: str | None, show_all: bool) -> None:
    """Watch the jobs, events, receivers and accounts; without a terminal, print one picture and end."""
    status = anyio.run(_top, config, show_all)
    sys.exit(0 if status == 130 else status)  # Ctrl-C is one way to end it


async def _top(config: str | None, show_all: bool) -> int:
    from tracker.cli.formatting import terminal  # noqa: PLC0415 - rich loads long, and --help does without
    from tracker.cli.screens.top import Names, Top  # noqa: PLC0415 - as above

    console = terminal.console()
    watched = terminal.is_watched(console)
    if not watched:
        console.width, console.height = SNAPSHOT
    database = database_path(config)
    names = Names(accounts=account_names(config), receivers=receiver_names(config))
    async with open_reader(database) as reader, http_client(tls_context()) as http:
        top = Top(console, reader, database, http, names)
        top.show_all = show_all
        if watched:
            return await until_signal(top.run)
        console.print(await top.picture())
    return 0
