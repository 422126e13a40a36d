"""Owns the dashboard that `demo` and `top` share: jobs with progress bars, the newest events, and a footer."""

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

from tracker.cli.formatting import colored_text, event_text
from tracker.cli.formatting.progress_bars import JobLine, bars
from tracker.cli.formatting.progress_history import Key, ProgressHistories, milliseconds
from tracker.core.jobs.status import QUEUED, is_terminal
from tracker.runtime.clock import now

SHOW_ENDED_FOR: Final = 6000
"""Milliseconds for which a job is shown after its end."""

_FRAME_LINES: Final = 4
"""Lines of the frames of the two panels."""

_FEWEST_EVENTS: Final = 3
_MOST_NAME_COLUMNS: Final = 20


class Footer(NamedTuple):
    """Lines below the panels, each with a kind, a name and a text."""

    lines: Sequence[tuple[str, str, Text]]

    def render(self) -> RenderableType:
        kinds = max(len(kind) for kind, _, _ in self.lines)
        names = min(_MOST_NAME_COLUMNS, max(cell_len(name) for _, name, _ in self.lines))
        joiner = Text("\n", no_wrap=True, overflow="ellipsis")
        return joiner.join(
            Text.assemble((f" {kind:<{kinds}}  ", "dim"), set_cell_size(name, names), "  " if names else "", detail)
            for kind, name, detail in self.lines
        )


class Dashboard:
    """The state of the screen: the newest events, progress histories, and jobs that ended just now."""

    def __init__(self, console: Console, now: Callable[[], int] = now, *, newest_first: bool = False) -> None:
        """`now` gives Unix milliseconds."""
        self.counts: Counter[str] = Counter()
        self.histories = ProgressHistories()
        self.now = now
        self.header_lines = 1
        self._console = console
        self._newest_first = newest_first
        self._events: deque[Text] = deque(maxlen=200)
        self._ended: dict[Key, dict[str, Any]] = {}

    def add_events(self, bodies: Iterable[str]) -> None:
        """Add events (their JSON) in the order of the log."""
        for body in bodies:
            event = json.loads(body)
            self.counts[event["type"]] += 1
            self.histories.add_event(event)
            self._keep_ended_job(event)
            if event["type"] != "batch.progress":  # that is what the bars show
                self._events.append(event_line(event))

    def available_lines(self, footer: Footer) -> tuple[int, int]:
        """The number of lines for jobs, and for jobs and events together."""
        both = max(6, self._console.size.height - self.header_lines - _FRAME_LINES - len(footer.lines))
        return both * 3 // 5, both

    def job_lines(self, active: Iterable[Mapping[str, Any]], most: int) -> list[JobLine]:
        """The active jobs and, as far as `most` allows, those that ended just now.

        They are in the order of their creation, so that no line moves; queued jobs come last.
        """
        at = self.now()
        self._ended = {key: job for key, job in self._ended.items() if at - milliseconds(job["observed_at"]) < SHOW_ENDED_FOR}
        active_by_key: dict[Key, Mapping[str, Any]] = {
            (job["account"], job["id"]): job for job in active if not is_terminal(job["status"])
        }
        room = max(0, most - len(active_by_key))
        jobs = active_by_key | dict(list(self._ended.items())[-room:] if room else ())
        shown = sorted(jobs.values(), key=lambda job: (job["created_at"], job["id"]), reverse=self._newest_first)
        return [JobLine(job, self.histories.of(job)) for job in sorted(shown, key=lambda job: bool(job["status"] == QUEUED))]

    def render(
        self, header: RenderableType, lines: Sequence[JobLine], footer: Footer, *, skip: int = 0, total: int = 0
    ) -> RenderableType:
        """The whole screen, without the first `skip` job lines; `total` is the number of jobs if `lines` are not all."""
        most, room = self.available_lines(footer)
        shown = lines[skip : skip + most]
        events = list(self._events)[-max(_FEWEST_EVENTS, room - len(shown)) :]
        width = self._console.size.width - 4
        title = "jobs" if len(shown) == len(lines) else f"jobs {skip + 1} to {skip + len(shown)} of {max(total, len(lines)):,}"
        return Group(
            header,
            _framed(title, bars(shown, self.now(), width)),
            _framed(
                "events",
                Text("\n", no_wrap=True, overflow="ellipsis").join(events),
                height=max(_FEWEST_EVENTS, room - len(shown)) + 2,
            ),
            footer.render(),
        )

    def _keep_ended_job(self, event: Mapping[str, Any]) -> None:
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
    line = Text(f"{event['seq']:>5}  {time}  {event_text.subject(event, short=True)}  ", no_wrap=True, overflow="ellipsis")
    return line.append_text(colored_text.event_words(event))


def header_line(left: Text, right: str) -> RenderableType:
    """The first line of the screen."""
    grid = Table.grid(expand=True)
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_row(left, Text(right + " "))
    return grid


def _framed(title: str, content: RenderableType, height: int | None = None) -> Panel:
    return Panel(content, title=title, title_align="left", border_style="dim", height=height)
