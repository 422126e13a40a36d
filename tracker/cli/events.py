"""Owns `batch-tracker events`: the log, as it is and as it grows."""

import json
import sys
from collections.abc import Callable
from typing import Any, Final

import anyio
import click
from msgspec.structs import replace

from tracker.cli import known_names, text
from tracker.cli.completing import accounts, job_ids, statuses, types
from tracker.cli.interrupt import until_signal
from tracker.cli.options import config_option, json_option, moment
from tracker.cli.output import echo_stored_json
from tracker.config import database_path
from tracker.core.event import iso
from tracker.core.filters import EventFilter
from tracker.core.pages import Span
from tracker.store.reader import Reader, open_reader

_PAGE: Final = 500
_CUTS: Final = ((100, 0), (70, len("2025-")), (0, len("2025-06-25 ")))
"""From so many columns on, so much is left out of a time."""


@click.command
@config_option
@json_option
@click.option("--after", default=0, metavar="SEQ", help="Only what the log has after this seq.")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="GLOB",
    shell_complete=types,
    callback=known_names.types,
    help="Only such events; may be given several times.",
)
@click.option("--job", metavar="ID", shell_complete=job_ids, help="Only the events of this job; the whole ID.")
@click.option("--account", metavar="NAME", shell_complete=accounts, help="Only the events of this account.")
@click.option(
    "--status", "statuses", multiple=True, metavar="STATUS", shell_complete=statuses, help="Only jobs in this status."
)
@click.option("--model", metavar="GLOB", help="Only jobs of such models.")
@click.option(
    "--since", metavar="TIME", callback=moment, help="Only what was observed from then on: ISO 8601, or how long ago."
)
@click.option("--until", metavar="TIME", callback=moment, help="Only what was observed before then.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the last so many.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is logged from now on, until Ctrl-C.")
def command(config: str | None, as_json: bool, after: int, limit: int | None, follow: bool, **asked: Any) -> None:
    r"""List the log in its order, one event a line.

    \b
    Examples:
      batch-tracker events --type 'batch.c*' --type batch.failed --since 2h
      batch-tracker events --limit 20 --follow
      batch-tracker events --json --after 1042 --follow | consumer
    """
    which = _filter(**asked)
    show = echo_stored_json if as_json else _printer()

    async def work() -> None:
        async with open_reader(database_path(config)) as reader:
            await known_names.check_account(reader, config, which.account)
            statuses = await known_names.statuses(reader, which.statuses)
            await _list(reader, after, replace(which, statuses=statuses), limit, show, follow=follow)

    status = anyio.run(until_signal, work)
    if not follow:  # there Ctrl-C is how one ends it
        sys.exit(status)


def _filter(*, statuses: tuple[str, ...], since: int | None, until: int | None, **asked: Any) -> EventFilter:
    return EventFilter(
        statuses=statuses,
        since=None if since is None else iso(since),
        until=None if until is None else iso(until),
        **asked,
    )


async def _list(
    reader: Reader, after: int, which: EventFilter, limit: int | None, show: Callable[[str], None], *, follow: bool
) -> None:
    last = await reader.last_seq()
    if after > last:
        raise click.ClickException(f"--after: found {after}, but the log ends at {last}; was it replaced by a backup?")
    if limit is not None:
        for _, body in reversed(await _newest(reader, Span(after, last + 1, newest_first=True), which, limit)):
            show(body)
        after = max(after, last)
    while limit is None or follow:
        while page := await reader.events(after, which):
            for seq, body in page:
                show(body)
                after = seq
        if not follow:
            return
        await reader.changed()


async def _newest(reader: Reader, span: Span, which: EventFilter, limit: int) -> list[tuple[int, str]]:
    """The last `limit` events of `span`, the last first."""
    found: list[tuple[int, str]] = []
    while len(found) < limit:
        page = await reader.events_page(span, which, min(limit - len(found), _PAGE))
        found += page.events
        if page.next is None:
            break
        span = span.rest(page.next)
    return found


def _printer() -> Callable[[str], None]:
    from rich.text import Text  # noqa: PLC0415 - rich takes longer to load than the log

    from tracker.cli import terminal  # noqa: PLC0415 - as above

    console = terminal.console()

    def show(body: str) -> None:
        event = json.loads(body)
        observed = text.moment(event["observed_at"])
        when = observed[next(cut for least, cut in _CUTS if console.width >= least) :]
        subject = text.subject(event, short=console.is_terminal)
        line = Text(f"{event['seq']:>6}  {when}  {subject}  ").append_text(terminal.event_words(event))
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)

    return show
