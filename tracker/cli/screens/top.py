"""Owns what `top` shows, where that comes from, and what keys do to it."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import anyio
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from tracker import __version__
from tracker.cli.formatting import text
from tracker.cli.formatting.progress_bars import Line
from tracker.cli.screens.dashboard import Board, Foot, head
from tracker.cli.screens.keyboard import keyboard, pressed
from tracker.core.deliveries.circuit import Circuit
from tracker.core.events.event import iso
from tracker.core.events.summary import format_duration
from tracker.core.events.time_driven import UNREACHABLE
from tracker.core.events.types import ACCOUNT_TYPES, TYPES
from tracker.core.jobs.status import is_terminal
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter, JobFilter, in_turn
from tracker.core.queries.pages import Span
from tracker.daemon.control import is_running
from tracker.http.client import HttpClient
from tracker.runtime.clock import now
from tracker.runtime.task_groups import task_group

TICK: Final = 0.5
"""Seconds between two pictures where nothing happens: clocks and bars go on."""

PROBE: Final = 2.0
"""Seconds between looks whether the daemon lives."""

MOST: Final = 500
"""Jobs that one can go through."""

_RECENT: Final = 50
_NARROW: Final = 72
_WIDE: Final = 100
"""Columns from which on the head says more."""

_SHOWN: Final = tuple(type_ for type_ in TYPES if type_ != "batch.progress")
_KEYS: Final = ("keys", "", Text("q quit   ↑ ↓ scroll   a all or active jobs", "dim"))
_COLOURS: Final = {"ok": "green", "failing": "red", "disabled": "red", "unreachable": "red", "never seen": "dim"}


class Names(NamedTuple):
    """What the configuration calls things."""

    accounts: Sequence[str]
    receivers: Sequence[str]


class Top:
    """One picture after the other."""

    def __init__(self, console: Console, reader: Reader, database: Path, http: HttpClient, names: Names) -> None:
        self.show_all = False
        self._console = console
        self._reader = reader
        self._database = database
        self._http = http
        self._names = names
        self._board = Board(console, now, newest_first=True)
        self._after: int | None = None  # the last event that was noted
        self._daemon_lives: bool | None = None
        self._last_sweep = ""  # how long ago it was, where no daemon runs
        self._accounts: dict[str, dict[str, Any]] = {}  # the last event that is about each
        self._keys: list[tuple[str, str, Text]] = []
        self._skip = 0
        self._pressed = anyio.Event()

    async def run(self) -> None:
        """Show it until `q` is pressed."""
        self._keys = [_KEYS]
        with keyboard() as descriptor, Live(console=self._console, auto_refresh=False, screen=True) as live:
            async with task_group() as group:
                group.start_soon(self._probe)
                group.start_soon(self._redraw, live)
                if descriptor is None:
                    await anyio.sleep_forever()
                else:
                    await self._obey(descriptor)
                group.cancel_scope.cancel()

    async def picture(self) -> RenderableType:
        """What there is to see now."""
        if self._daemon_lives is None:
            self._daemon_lives = await is_running(self._database, self._http)
        await self._take_news()
        jobs = await self._jobs()
        for job in jobs[self._skip : self._skip + self._console.size.height]:
            await self._board.histories.recall(self._reader, job)
        counts = await self._reader.job_counts()
        self._last_sweep = "" if self._daemon_lives else await self._since_last_sweep()
        foot = Foot([*await self._of_receivers(), *self._of_accounts(counts), *self._keys])
        lines = self._lines(jobs, self._board.room(foot)[0])
        self._skip = max(0, min(self._skip, len(lines) - 1))
        active, every = _counted(counts)
        first = self._head(active, every)
        return self._board.picture(first, lines, foot, skip=self._skip, total=every if self.show_all else active)

    def _lines(self, jobs: Sequence[Mapping[str, Any]], most: int) -> list[Line]:
        if self.show_all:
            return [Line(job, self._board.histories.of(job)) for job in jobs]
        return self._board.lines(jobs, most)

    async def _redraw(self, live: Live) -> None:
        while True:
            live.update(await self.picture(), refresh=True)
            with anyio.move_on_after(TICK):
                await self._pressed.wait()

    async def _obey(self, descriptor: int) -> None:
        async for key in pressed(descriptor):
            page = max(1, self._console.size.height // 3)
            self._skip = max(0, self._skip + {"up": -1, "down": 1, "page up": -page, "page down": page}.get(key, 0))
            if key == "home":
                self._skip = 0
            if key == "a":
                self.show_all, self._skip = not self.show_all, 0
            if key == "q":
                return
            self._pressed.set()
            self._pressed = anyio.Event()

    async def _probe(self) -> None:
        while True:
            self._daemon_lives = await is_running(self._database, self._http)
            await anyio.sleep(PROBE)

    async def _take_news(self) -> None:
        if self._after is None:
            self._after = await self._reader.last_seq()
            await self._recall(Span(0, self._after + 1, newest_first=True))
        while page := await self._reader.events(self._after, EventFilter()):
            self._after = page[-1][0]
            self._board.note(body for _, body in page)
            for event in map(json.loads, (body for _, body in page)):
                if event["type"] in ACCOUNT_TYPES:
                    self._accounts[event["account"]] = event

    async def _recall(self, log: Span) -> None:
        """What happened lately, and what was last said of each account."""
        lately = await self._reader.events_page(log, EventFilter(types=_SHOWN), _RECENT)
        self._board.note(body for _, body in reversed(lately.events))
        for account in self._names.accounts:
            about = await self._reader.events_page(log, EventFilter(types=ACCOUNT_TYPES, account=account), 1)
            if about.events:
                self._accounts[account] = json.loads(about.events[0][1])

    async def _jobs(self) -> list[dict[str, Any]]:
        known = {status for counts in (await self._reader.job_counts()).values() for status in counts}
        parts = in_turn(JobFilter(active=None if self.show_all else True), known)
        return [job for part in parts for job in (await self._reader.jobs_page(None, part, MOST)).jobs]

    async def _since_last_sweep(self) -> str:
        swept_at = await self._reader.last_sweep()
        if swept_at is None:
            return ""
        return f"; last sweep {format_duration((self._board.now() - swept_at) / 1000)} ago"

    def _head(self, active: int, every: int) -> RenderableType:
        name = Text(" batch-tracker", "bold")
        if not self._daemon_lives:
            name.append(f"  no daemon is running{self._last_sweep}", "bold red")
        elif self._console.width >= _WIDE:
            name.append(f" {__version__}  {self._database}", "not bold dim")
        time = datetime.fromtimestamp(self._board.now() / 1000, UTC).astimezone().strftime("%H:%M:%S")
        has_room = self._console.width >= (_NARROW if self._daemon_lives else _WIDE)
        all_of_them = f" of {every:,} jobs · {self._after:,} events" if has_room else ""
        return head(name, f"{active:,} active{all_of_them} · {time}")

    async def _of_receivers(self) -> list[tuple[str, str, Text]]:
        circuits = await self._reader.circuits()
        lines = []
        for name in self._names.receivers:
            backlog, circuit = await self._reader.backlog(name), circuits.get(name, Circuit())
            state = "disabled" if circuit.disabled else "failing" if circuit.is_open else "ok"
            since = f"  since {text.moment(iso(circuit.since))[5:]}" if circuit.is_open and circuit.since else ""
            why = f": {text.plain(circuit.reason)} {text.plain(circuit.detail)}" if circuit.is_open else ""
            line = Text.assemble((state, _COLOURS[state]), f"  {backlog.pending:,} pending")
            line = line.append(f"  {backlog.dead:,} dead", "red") if backlog.dead else line
            lines.append(("receiver", name, line.append(f"{since}{why}")))
        return lines

    def _of_accounts(self, counts: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str, Text]]:
        lines = []
        for name in self._names.accounts:
            event, of_account = self._accounts.get(name), counts.get(name, {})
            unreachable = event is not None and event["type"] == UNREACHABLE
            state = "unreachable" if unreachable else "ok" if of_account else "never seen"
            why = f": {text.details(event)}" if event and unreachable else ""
            numbers = "  ".join(f"{number:,} {text.plain(status)}" for status, number in sorted(of_account.items()))
            lines.append(("account", name, Text.assemble((state, _COLOURS[state]), f"{why}  {numbers}")))
        return lines


def _counted(counts: Mapping[str, Mapping[str, int]]) -> tuple[int, int]:
    """How many jobs go on, and how many there are."""
    statuses = [(status, number) for of_account in counts.values() for status, number in of_account.items()]
    active = sum(number for status, number in statuses if not is_terminal(status) and status != "deleted")
    return active, sum(number for _, number in statuses)
