"""Owns `batch-tracker events`: the log, and with --follow also new events."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import click
from msgspec.structs import replace

from tracker.cli.archived_events import Archive, check_after, last_matching, open_archive
from tracker.cli.arguments import name_checks
from tracker.cli.arguments.completion_values import accounts, job_ids, types
from tracker.cli.arguments.daemon_notice import has_daemon, warn_without_daemon
from tracker.cli.arguments.filter_options import provider_option, status_option
from tracker.cli.arguments.job_lookup import whole_id
from tracker.cli.arguments.options import config_option, examples, json_option, moment
from tracker.cli.formatting import event_text, quantities
from tracker.cli.formatting.json_output import echo_stored_json
from tracker.cli.formatting.printing import echo_error
from tracker.cli.stop_signals import exit_at_signals, until_signal
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import iso
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter, read_facts
from tracker.core.queries.pagination import Span
from tracker.core.text.escaping import plain
from tracker.daemon.database_address import configured_database
from tracker.store.address import DatabaseAddress
from tracker.store.opening import open_reader, read_once

DAEMON_CHECK_INTERVAL: Final = 2.0
"""Seconds between checks whether a daemon runs: its end is no commit that can be awaited."""

_PAGE: Final = 500
_CUTS: Final = ((100, 0), (70, len("2025-")), (0, len("2025-06-25 ")))
"""The least number of columns, and the characters that are cut from the front of a time at that width."""


@click.command(
    epilog=examples(
        "events --type 'batch.c*' --type batch.failed --since 2h",
        "events --job 541d1a81",
        "events --limit 20 --follow",
        "events --json --after 1042 --follow | consumer",
        "events --archive --json > everything.jsonl",
    )
)
@config_option
@json_option
@click.option("--after", default=0, metavar="SEQ", help="Show only events whose seq is greater than SEQ.")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="GLOB",
    shell_complete=types,
    callback=name_checks.types,
    help="Show only events of these types, such as 'batch.c*'; may be given several times.",
)
@click.option("--job", metavar="ID", shell_complete=job_ids, help="Show only the events of this job; its ID, or the beginning.")
@click.option("--account", metavar="NAME", shell_complete=accounts, help="Show only the events of this account.")
@provider_option("events of jobs")
@status_option("events of jobs")
@click.option("--model", metavar="GLOB", help="Show only events of jobs of these models.")
@click.option(
    "--since", metavar="TIME", callback=moment, help="Show only events observed since: ISO 8601, or an age such as 2h or 7d."
)
@click.option("--until", metavar="TIME", callback=moment, help="Show only events observed before this time.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Show only the last N events.")
@click.option("--archive", is_flag=True, help="Show also the events that were moved into segments after `keep_events`.")
@click.option("--follow", "-f", is_flag=True, help="Show new events too, as they are logged, until Ctrl-C.")
def command(
    config: str | None, as_json: bool, after: int, limit: int | None, archive: bool, follow: bool, **filters: Any
) -> None:
    """List the log in its order, one event a line."""
    which = _filter(**filters)
    show = echo_stored_json if as_json else _printer()

    database = configured_database(config)

    async def read(reader: Reader, watch: _LogWatch | None = None) -> None:
        await name_checks.check_account(reader, config, which.account)
        wanted = replace(which, statuses=await name_checks.statuses(reader, which.statuses))
        if wanted.job is not None:
            wanted = replace(wanted, job=await whole_id(reader, wanted.job, wanted.account))
        older = open_archive(database, config) if archive else None
        await _Listing(reader, after, wanted, show, watch, older).run(limit)

    if follow:
        _follow(database, read)
    else:
        with exit_at_signals():
            read_once(database, read)


def _follow(database: DatabaseAddress, read: Callable[[Reader, "_LogWatch"], Awaitable[None]]) -> None:
    """Until SIGINT or SIGTERM, with status 0: Ctrl-C is how one ends it."""
    import anyio  # noqa: PLC0415 - what is read once needs no event loop

    async def work() -> None:
        async with open_reader(database) as reader:
            await read(reader, _LogWatch(database, reader))

    anyio.run(until_signal, work)


def _filter(*, statuses: tuple[str, ...], since: int | None, until: int | None, **filters: Any) -> EventFilter:
    return EventFilter(
        statuses=statuses,
        since=None if since is None else iso(since),
        until=None if until is None else iso(until),
        **filters,
    )


class _LogWatch:
    """Waits for new events, and prints notices to standard error when the daemon stops or starts."""

    def __init__(self, database: DatabaseAddress, reader: Reader) -> None:
        self._database = database
        self._reader = reader
        self._daemon_runs = True
        self._is_database_away = False

    async def wait_for_database(self, error: StorageError) -> None:
        """Wait a while after a failed read of PostgreSQL, which comes back; raises the error of a file."""
        import anyio  # noqa: PLC0415 - as above

        if isinstance(self._database, Path):
            raise error
        if not self._is_database_away:
            echo_error(f"the log cannot be read, and is tried again: {plain(error)}")
        self._is_database_away = True
        await anyio.sleep(DAEMON_CHECK_INTERVAL)

    async def wait_for_more(self) -> None:
        """Return once the log may have grown."""
        import anyio  # noqa: PLC0415 - as above

        if self._is_database_away:
            echo_error("the log can be read again")
            self._is_database_away = False
        while True:
            await self._check_daemon()
            with anyio.move_on_after(DAEMON_CHECK_INTERVAL) as nothing_new:
                await self._reader.wait_for_change()
            if not nothing_new.cancelled_caught:
                return

    async def _check_daemon(self) -> None:
        if not self._daemon_runs:
            self._daemon_runs = await has_daemon(self._database, self._reader)
            if self._daemon_runs:
                echo_error("a daemon is running again")
        else:
            self._daemon_runs = await warn_without_daemon(self._database, self._reader)


class _Listing:
    """Shows the events of the log that a filter matches, after those of its archive if there is one."""

    def __init__(
        self,
        reader: Reader,
        after: int,
        which: EventFilter,
        show: Callable[[str], None],
        watch: _LogWatch | None,
        archive: Archive | None,
    ) -> None:
        self._reader = reader
        self._after = after  # the last event that was shown
        self._which = which
        self._show = show
        self._watch = watch
        self._archive = archive

    async def run(self, limit: int | None) -> None:
        """Show the events, or the last `limit` of them, and with a watch those that follow."""
        last = await self._reader.last_seq()
        if self._after > last:
            raise click.ClickException(
                f"--after: found {self._after}, but the log ends at {last}; was it replaced by a backup?"
            )
        if self._archive is None:
            check_after(self._after, await self._reader.first_seq())
        if limit is not None:
            await self._show_last(last, limit)
            self._after = max(self._after, last)
        while limit is None or self._watch:
            try:
                await self._show_all()
                if self._watch is None:
                    return
                await self._watch.wait_for_more()
            except StorageError as error:
                if self._watch is None:
                    raise
                await self._watch.wait_for_database(error)

    async def _show_all(self) -> None:
        await self._show_archived()
        while page := await self._reader.events(self._after, self._which):
            if not await self._show_archived():  # else some were moved while the page was read, and it may lack them
                for seq, body in page:
                    self._show(body)
                    self._after = seq

    async def _show_archived(self) -> bool:
        """Show what was moved into the archive and was not shown before; whether there was something."""
        if self._archive is None or self._after >= await self._reader.first_seq() - 1:
            return False
        matches = self._which.matcher()
        for seq, body in self._archive(self._after):
            if matches(read_facts(body)):
                self._show(body)
            self._after = seq
        return True

    async def _show_last(self, last: int, limit: int) -> None:
        kept = await _newest(self._reader, Span(self._after, last + 1, newest_first=True), self._which, limit)
        if self._archive is not None:
            first_seq = await self._reader.first_seq()
            for _, body in last_matching(self._archive(self._after), first_seq, self._which, limit - len(kept)):
                self._show(body)
        for _, body in reversed(kept):
            self._show(body)


async def _newest(reader: Reader, span: Span, which: EventFilter, limit: int) -> list[tuple[int, str]]:
    """The last `limit` events of `span`, the newest first."""
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

    from tracker.cli.formatting import colored_text, terminal  # noqa: PLC0415 - as above

    console = terminal.console()

    def show(body: str) -> None:
        event = json.loads(body)
        observed = quantities.moment(event["observed_at"])
        when = observed[next(cut for least, cut in _CUTS if console.width >= least) :]
        subject = event_text.subject(event, short=console.is_terminal)
        line = Text(f"{event['seq']:>6}  {when}  {subject}  ").append_text(colored_text.event_words(event))
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)

    return show
