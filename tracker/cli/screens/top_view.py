"""Owns the view of `top`: it reads the log and the jobs, renders the dashboard, and handles the keys."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import anyio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from tracker import __version__
from tracker.cli.daemon_liveness import is_daemon_answering
from tracker.cli.formatting import event_text, quantities
from tracker.cli.formatting.progress_bars import JobLine
from tracker.cli.screens.dashboard import Dashboard, Footer, header_line
from tracker.cli.screens.keyboard_input import keyboard, read_keys
from tracker.cli.screens.overview_panel import LINES, overview_panel
from tracker.cli.screens.overview_reading import OverviewReading
from tracker.cli.screens.replica_line import replica_lines
from tracker.cli.screens.silence_lines import silence_lines
from tracker.core.deliveries.circuit import Circuit
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import iso
from tracker.core.events.event_type_table import ACCOUNT_TYPES, TYPES
from tracker.core.events.summary import format_duration
from tracker.core.events.time_limits import UNREACHABLE
from tracker.core.jobs.native import MISTRAL
from tracker.core.jobs.status import is_terminal
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter, JobFilter, in_display_order
from tracker.core.queries.pagination import Span
from tracker.core.replicas.lease import LeaseKey
from tracker.core.replicas.unheld_leases import are_enough_held, find_unheld
from tracker.core.text.escaping import plain
from tracker.http.client import HttpClient
from tracker.runtime.clock import now
from tracker.runtime.task_groups import task_group
from tracker.store.address import DatabaseAddress, PostgresAddress, describe

REDRAW_INTERVAL: Final = 0.5
"""Seconds between two renderings if nothing happens: clocks and bars advance."""

DAEMON_CHECK_INTERVAL: Final = 2.0
"""Seconds between two checks whether the daemon runs."""

MOST_JOBS: Final = 500
"""Jobs that can be scrolled through."""

_RECENT_EVENTS: Final = 50
_NARROW: Final = 72
_TALL: Final = 30
"""Lines from which on the overview is shown from the start."""

_WIDE: Final = 100
"""Columns from which on the header has more details."""

_SHOWN_TYPES: Final = tuple(type_ for type_ in TYPES if type_ != "batch.progress")
_KEYS_LINE: Final = ("keys", "", Text("q quit   ↑ ↓ scroll   a all or active jobs   o overview", "dim"))
_COLORS: Final = {"ok": "green", "failing": "red", "disabled": "red", "unreachable": "red", "never seen": "dim"}


class NameColumns(NamedTuple):
    """The names of the configuration; `providers` and `failed_shares` are those of the accounts, by their names."""

    providers: Mapping[str, str]
    receivers: Sequence[str]
    failed_shares: Mapping[str, float | None] = {}

    @property
    def accounts(self) -> list[str]:
        return list(self.providers)


class TopView:
    """The dashboard of `top` and what it has read."""

    def __init__(
        self, console: Console, reader: Reader, database: DatabaseAddress, http: HttpClient, names: NameColumns
    ) -> None:
        self.show_all = False
        self.show_overview = console.size.height >= _TALL
        self._console = console
        self._reader = reader
        self._database = database
        self._http = http
        self._names = names
        self._dashboard = Dashboard(console, now, newest_first=True)
        self._after: int | None = None  # the seq of the last event that was read
        self._daemon_runs: bool | None = None
        self._last_sweep = ""  # a text, if no daemon runs
        self._accounts: dict[str, dict[str, Any]] = {}  # the last event about each account
        self._overview = OverviewReading(reader, names.accounts, names.receivers, names.failed_shares)
        self._unheld: Sequence[LeaseKey] = ()
        self._keys: list[tuple[str, str, Text]] = []
        self._skip = 0
        self._key_pressed = anyio.Event()

    async def run(self) -> None:
        """Show the dashboard until `q` is pressed."""
        self._keys = [_KEYS_LINE]
        with keyboard() as descriptor, Live(console=self._console, auto_refresh=False, screen=True) as live:
            async with task_group() as group:
                group.start_soon(self._check_daemon)
                group.start_soon(self._redraw, live)
                if descriptor is None:
                    await anyio.sleep_forever()
                else:
                    await self._handle_keys(descriptor)
                group.cancel_scope.cancel()

    async def render(self) -> RenderableType:
        """Read what is new, and render the screen."""
        if self._daemon_runs is None:
            self._daemon_runs = await is_daemon_answering(self._database, self._reader, self._http)
        await self._read_new_events()
        jobs = await self._jobs()
        for job in jobs[self._skip : self._skip + self._console.size.height]:
            await self._dashboard.histories.load(self._reader, job)
        counts = await self._reader.job_counts()
        lines_of_replicas = await self._replica_lines()
        self._last_sweep = "" if self._daemon_runs else await self._since_last_sweep()
        silences = silence_lines(await self._reader.silences(), now())
        receivers = await self._receiver_lines()
        footer = Footer([*silences, *receivers, *self._account_lines(counts), *lines_of_replicas, *self._keys])
        overview = [await self._overview_panel()] if self.show_overview else []
        self._dashboard.header_lines = 1 + LINES * len(overview)
        lines = self._job_lines(jobs, self._dashboard.available_lines(footer)[0])
        self._skip = max(0, min(self._skip, len(lines) - 1))
        active, every = _count_jobs(counts)
        header = Group(self._header(active, every), *overview)
        return self._dashboard.render(header, lines, footer, skip=self._skip, total=every if self.show_all else active)

    async def _overview_panel(self) -> RenderableType:
        unreachable = [name for name in self._names.accounts if self._is_unreachable(name)]
        at = self._dashboard.now()
        overview, concerns = await self._overview.read(at, unreachable, self._unheld)
        return overview_panel(overview, concerns, at, self._console.width)

    def _is_unreachable(self, account: str) -> bool:
        return account in self._accounts and self._accounts[account]["type"] == UNREACHABLE

    def _job_lines(self, jobs: Sequence[Mapping[str, Any]], most: int) -> list[JobLine]:
        if self.show_all:
            return [JobLine(job, self._dashboard.histories.of(job)) for job in jobs]
        return self._dashboard.job_lines(jobs, most)

    async def _redraw(self, live: Live) -> None:
        while True:
            live.update(await self._render_or_explain(), refresh=True)
            with anyio.move_on_after(REDRAW_INTERVAL):
                await self._key_pressed.wait()

    async def _render_or_explain(self) -> RenderableType:
        """The screen, or why it cannot be: PostgreSQL that was there comes back, a file must be readable."""
        try:
            return await self.render()
        except StorageError as error:
            if isinstance(self._database, Path) or self._after is None:
                raise
            return Text(f" the log cannot be read, and is tried again: {plain(error)}", "bold red")

    async def _handle_keys(self, descriptor: int) -> None:
        async for key in read_keys(descriptor):
            page = max(1, self._console.size.height // 3)
            self._skip = max(0, self._skip + {"up": -1, "down": 1, "page up": -page, "page down": page}.get(key, 0))
            if key == "home":
                self._skip = 0
            if key == "a":
                self.show_all, self._skip = not self.show_all, 0
            if key == "o":
                self.show_overview = not self.show_overview
            if key == "q":
                return
            self._key_pressed.set()
            self._key_pressed = anyio.Event()

    async def _check_daemon(self) -> None:
        """Ask the daemon of a file; whether replicas live is read with all else, as the reader serves one at a time."""
        while not isinstance(self._database, PostgresAddress):
            self._daemon_runs = await is_daemon_answering(self._database, self._reader, self._http)
            await anyio.sleep(DAEMON_CHECK_INTERVAL)

    async def _read_new_events(self) -> None:
        if self._after is None:
            self._after = await self._reader.last_seq()
            await self._load_recent(Span(0, self._after + 1, newest_first=True))
        while page := await self._reader.events(self._after, EventFilter()):
            self._after = page[-1][0]
            self._dashboard.add_events(body for _, body in page)
            for event in map(json.loads, (body for _, body in page)):
                if event["type"] in ACCOUNT_TYPES:
                    self._accounts[event["account"]] = event

    async def _load_recent(self, log: Span) -> None:
        """Read the newest events, and the last event about each account."""
        recent = await self._reader.events_page(log, EventFilter(types=_SHOWN_TYPES), _RECENT_EVENTS)
        self._dashboard.add_events(body for _, body in reversed(recent.events))
        for account in self._names.accounts:
            about = await self._reader.events_page(log, EventFilter(types=ACCOUNT_TYPES, account=account), 1)
            if about.events:
                self._accounts[account] = json.loads(about.events[0][1])

    async def _jobs(self) -> list[dict[str, Any]]:
        known = {status for counts in (await self._reader.job_counts()).values() for status in counts}
        parts = in_display_order(JobFilter(active=None if self.show_all else True), known)
        return [job for part in parts for job in (await self._reader.jobs_page(None, part, MOST_JOBS)).jobs]

    async def _since_last_sweep(self) -> str:
        swept_at = await self._reader.last_sweep()
        if swept_at is None:
            return ""
        return f"; last sweep {format_duration((self._dashboard.now() - swept_at) / 1000)} ago"

    def _header(self, active: int, every: int) -> RenderableType:
        name = Text(" batch-tracker", "bold")
        if not self._daemon_runs:
            name.append(f"  no daemon is running{self._last_sweep}", "bold red")
        elif self._console.width >= _WIDE:
            name.append(f" {__version__}  {describe(self._database)}", "not bold dim")
        time = datetime.fromtimestamp(self._dashboard.now() / 1000, UTC).astimezone().strftime("%H:%M:%S")
        has_room = self._console.width >= (_NARROW if self._daemon_runs else _WIDE)
        totals = f" of {every:,} jobs · {self._after:,} events" if has_room else ""
        return header_line(name, f"{active:,} active{totals} · {time}")

    async def _replica_lines(self) -> list[tuple[str, str, Text]]:
        replicas = await self._reader.replicas()
        self._unheld = ()
        if not replicas:
            return []
        self._daemon_runs = any(replica["live"] for replica in replicas)
        if are_enough_held(replicas, self._names.accounts, self._names.receivers):
            return replica_lines(replicas, ())
        self._unheld = find_unheld(await self._reader.leases(), self._names.accounts, self._names.receivers)
        return replica_lines(replicas, self._unheld)

    async def _receiver_lines(self) -> list[tuple[str, str, Text]]:
        circuits = await self._reader.circuits()
        lines = []
        for name in self._names.receivers:
            backlog, circuit = await self._reader.backlog(name), circuits.get(name, Circuit())
            state = "disabled" if circuit.disabled else "failing" if circuit.is_open else "ok"
            since = f"  since {quantities.moment(iso(circuit.since))[5:]}" if circuit.is_open and circuit.since else ""
            why = f": {plain(circuit.reason)} {plain(circuit.detail)}" if circuit.is_open else ""
            line = Text.assemble((state, _COLORS[state]), f"  {backlog.pending:,} pending")
            line = line.append(f"  {backlog.dead:,} dead", "red") if backlog.dead else line
            lines.append(("receiver", name, line.append(f"{since}{why}")))
        return lines

    def _account_lines(self, counts: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str, Text]]:
        lines = []
        shows_vendor = {*self._names.providers.values()} != {MISTRAL}
        for name, provider in self._names.providers.items():
            event, of_account = self._accounts.get(name), counts.get(name, {})
            unreachable = self._is_unreachable(name)
            state = "unreachable" if unreachable else "ok" if of_account else "never seen"
            why = f": {event_text.details(event)}" if event and unreachable else ""
            numbers = "  ".join(f"{number:,} {plain(status)}" for status, number in sorted(of_account.items()))
            vendor = f"  {plain(provider)}" if shows_vendor else ""
            lines.append(("account", name, Text.assemble((state, _COLORS[state]), f"{why}{vendor}  {numbers}")))
        return lines


def _count_jobs(counts: Mapping[str, Mapping[str, int]]) -> tuple[int, int]:
    """The numbers of active jobs and of all jobs."""
    statuses = [(status, number) for of_account in counts.values() for status, number in of_account.items()]
    active = sum(number for status, number in statuses if not is_terminal(status) and status != "deleted")
    return active, sum(number for _, number in statuses)
