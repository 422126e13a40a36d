"""Owns `batch-tracker events`: the log, as it is and as it grows."""

import json
from collections.abc import Callable
from contextlib import suppress

import anyio
import click
from rich.text import Text

from tracker.cli import text
from tracker.cli.options import config_option, json_option
from tracker.config import database_path
from tracker.store.reader import EventFilter, open_reader


@click.command
@config_option
@json_option
@click.option("--after", default=0, metavar="SEQ", help="Only what the log has after this seq.")
@click.option(
    "--type", "types", multiple=True, metavar="GLOB", help="Only such events, e.g. 'batch.c*'; may be given several times."
)
@click.option("--job", help="Only the events of this job.")
@click.option("--account", help="Only the events of this account.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is logged from now on, until Ctrl-C.")
def command(
    config: str | None,
    as_json: bool,
    after: int,
    types: tuple[str, ...],
    job: str | None,
    account: str | None,
    follow: bool,
) -> None:
    r"""List the log in its order, one event a line.

    \b
    Examples:
      batch-tracker events --type 'batch.failed' --type 'batch.expired'
      batch-tracker events --json --after 1042 --follow | consumer
    """
    which = EventFilter(types=types, job=job, account=account)
    show = click.echo if as_json else _printer()
    with suppress(KeyboardInterrupt):
        anyio.run(_list, config, after, which, show, follow)


async def _list(config: str | None, after: int, which: EventFilter, show: Callable[[str], None], follow: bool) -> None:
    async with open_reader(database_path(config)) as reader:
        while True:
            while page := await reader.events(after, which):
                for seq, body in page:
                    show(body)
                    after = seq
            if not follow:
                return
            await reader.changed()


def _printer() -> Callable[[str], None]:
    console = text.console()

    def show(body: str) -> None:
        event = json.loads(body)
        subject = text.subject(event, short=console.is_terminal)
        line = Text(f"{event['seq']:>6}  {text.moment(event['observed_at'])}  {subject}  ")
        console.print(line.append_text(text.event_words(event)), no_wrap=True, overflow="ellipsis", crop=True)

    return show
