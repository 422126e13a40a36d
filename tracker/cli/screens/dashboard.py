"""Owns the live picture that `demo` and `top` share: jobs with bars, the events as they come, and what stands below."""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tracker.cli.formatting import terminal, text
from tracker.cli.formatting.job_histories import Histories, Key, milliseconds
from tracker.cli.formatting.progress_bars import Line, bars
from tracker.core.jobs.status import QUEUED, is_terminal
from tracker.runtime.clock import now

LINGERS: Final = 6.0
"""Seconds that a job which is over stays in sight."""

_FRAMES: Final = 4
"""Lines that the frames of the two panels take."""

_LEAST_EVENTS: Final = 3
_LONGEST_NAME: Final = 20
"""Columns."""


class Foot(NamedTuple):
    """Lines below the panels, each of a kind, a name and what there is to say of it."""

    lines: Sequence[tuple[str, str, Text]]

    def picture(self) -> RenderableType:
        kinds = max(len(kind) for kind, _, _ in self.lines)
        names = min(_LONGEST_NAME, max(cell_len(name) for _, name, _ in self.lines))
        foot = Text("\n", no_wrap=True, overflow="ellipsis")
        return foot.join(
            Text.assemble((f" {kind:<{kinds}}  ", "dim"), set_cell_size(name, names), "  " if names else "", detail)
            for kind, name, detail in self.lines
        )


class Board:
    """What has been seen of the log so far; `picture` shows it with the jobs of the moment."""

    def __init__(self, console: Console, now: Callable[[], int] = now, *, newest_first: bool = False) -> None:
        """`now` gives Unix milliseconds."""
        self.counts: Counter[str] = Counter()
        self.histories = Histories()
        self.now = now
        self._console = console
        self._newest_first = newest_first
        self._events: deque[Text] = deque(maxlen=200)
        self._ended: dict[Key, dict[str, Any]] = {}

    def note(self, bodies: Iterable[str]) -> None:
        """Take events of the log, in its order."""
        for body in bodies:
            event = json.loads(body)
            self.counts[event["type"]] += 1
            self.histories.note(event)
            self._note_end(event)
            if event["type"] != "batch.progress":  # that is what the bars show
                self._events.append(event_line(event))

    def room(self, foot: Foot) -> tuple[int, int]:
        """How many lines jobs have, and how many jobs and events have together."""
        both = max(6, self._console.size.height - 1 - _FRAMES - len(foot.lines))
        return both * 3 // 5, both

    def lines(self, active: Iterable[Mapping[str, Any]], most: int) -> list[Line]:
        """The active jobs, and where `most` leaves room those that ended a moment ago.

        They are in the order of their creation, so that no line jumps; those that wait come last.
        """
        at = self.now()
        self._ended = {key: job for key, job in self._ended.items() if at - milliseconds(job["observed_at"]) < LINGERS * 1000}
        going: dict[Key, Mapping[str, Any]] = {
            (job["account"], job["id"]): job for job in active if not is_terminal(job["status"])
        }
        room = max(0, most - len(going))
        jobs = going | dict(list(self._ended.items())[-room:] if room else ())
        shown = sorted(jobs.values(), key=lambda job: (job["created_at"], job["id"]), reverse=self._newest_first)
        return [Line(job, self.histories.of(job)) for job in sorted(shown, key=lambda job: bool(job["status"] == QUEUED))]

    def picture(
        self, head: RenderableType, lines: Sequence[Line], foot: Foot, *, skip: int = 0, total: int = 0
    ) -> RenderableType:
        """The whole view; `skip` so many lines of the jobs, of which there may be more in `total`."""
        most, room = self.room(foot)
        shown = lines[skip : skip + most]
        events = list(self._events)[-max(_LEAST_EVENTS, room - len(shown)) :]
        width = self._console.size.width - 4
        title = "jobs" if len(shown) == len(lines) else f"jobs {skip + 1} to {skip + len(shown)} of {max(total, len(lines)):,}"
        return Group(
            head,
            _framed(title, bars(shown, self.now(), width)),
            _framed(
                "events",
                Text("\n", no_wrap=True, overflow="ellipsis").join(events),
                height=max(_LEAST_EVENTS, room - len(shown)) + 2,
            ),
            foot.picture(),
        )

    def _note_end(self, event: Mapping[str, Any]) -> None:
        job = event["data"]
        if event["type"].startswith("batch.") and (is_terminal(job["status"]) or event["type"] == "batch.deleted"):
            own = {
                "account": event["account"],
                "observed_at": event["observed_at"],
                "deleted": event["type"] == "batch.deleted",
            }
            self._ended[event["account"], job["id"]] = {**job, **own}


def event_line(event: Mapping[str, Any]) -> Text:
    time = datetime.fromisoformat(event["observed_at"]).astimezone().strftime("%H:%M:%S")
    line = Text(f"{event['seq']:>5}  {time}  {text.subject(event, short=True)}  ", no_wrap=True, overflow="ellipsis")
    return line.append_text(terminal.event_words(event))


def head(left: Text, right: str) -> RenderableType:
    """The first line: what this is, and how it stands."""
    grid = Table.grid(expand=True)
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_row(left, Text(right + " "))
    return grid


def _framed(title: str, content: RenderableType, height: int | None = None) -> Panel:
    return Panel(content, title=title, title_align="left", border_style="dim", height=height)
