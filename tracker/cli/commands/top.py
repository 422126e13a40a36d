"""Owns `batch-tracker top`: a live dashboard of the jobs and events, with keys."""

import sys
from typing import Final

import anyio
import click

from tracker.cli.arguments.options import config_option
from tracker.cli.stop_signals import until_signal
from tracker.config import account_failed_shares, account_providers, receiver_names
from tracker.daemon.database_address import configured_database
from tracker.http.client import http_client, tls_context
from tracker.store.opening import open_reader

SNAPSHOT: Final = (120, 40)
"""Columns and lines of the dashboard if the output is not a terminal."""

_EPILOG: Final = """
\b
Keys:
  up, down, page up, page down   through the jobs
  a                              active jobs, or all of them
  o                              the overview, where the terminal has 30 lines
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
    """Watch the jobs, events, receivers and accounts; without a terminal, print the screen once."""
    status = anyio.run(_top, config, show_all)
    sys.exit(0 if status == 130 else status)  # Ctrl-C is one way to end it


async def _top(config: str | None, show_all: bool) -> int:
    from tracker.cli.formatting import terminal  # noqa: PLC0415 - rich loads long, and --help does without
    from tracker.cli.screens.top_view import NameColumns, TopView  # noqa: PLC0415 - as above

    console = terminal.console()
    watched = terminal.is_interactive(console)
    if not watched:
        console.width, console.height = SNAPSHOT
    database = configured_database(config)
    names = NameColumns(
        providers=account_providers(config), receivers=receiver_names(config), failed_shares=account_failed_shares(config)
    )
    async with open_reader(database) as reader, http_client(tls_context()) as http:
        view = TopView(console, reader, database, http, names)
        view.show_all = show_all
        if watched:
            return await until_signal(view.run)
        console.print(await view.render())
    return 0
