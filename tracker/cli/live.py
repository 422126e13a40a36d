"""Owns what the demo shows: a live view on a terminal, a line an event elsewhere."""

import json
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tracker import __version__
from tracker.cli import terminal, text
from tracker.cli.demo_receivers import DemoReceiver
from tracker.clock import now
from tracker.core.status import is_terminal
from tracker.core.verdict import span

LINGERS = 6.0
"""Seconds that a job which is over stays in sight."""


class Stage(NamedTuple):
    """What the demo runs: URLs of the simulated API and of the daemon's page, and a configuration that names its database."""

    api: str
    page: str
    config: str


class PlainView:
    """Lines, for pipes and logs."""

    jobs_wanted = 0

    def __init__(self, console: Console, stage: Stage) -> None:
        self.counts: Counter[str] = Counter()
        self._console = console
        self._stage = stage

    def __enter__(self) -> Self:
        self._console.print(f"batch-tracker's page            {self._stage.page}")
        self._console.print(f"Mistral's batch API, simulated  {self._stage.api}")
        self._console.print(f"more in another terminal        batch-tracker --config {self._stage.config} jobs")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def show(self, events: Sequence[str], _jobs: Sequence[Mapping[str, Any]], receivers: Sequence[DemoReceiver]) -> None:
        for body in events:
            event = json.loads(body)
            self.counts[event["type"]] += 1
            self._console.print(_event_line(event))
        for receiver in receivers:
            while receiver.arrived:
                self._console.print(Text(f"       webhook   {receiver.name} got {receiver.arrived.popleft()}", style="dim"))


class LiveView:
    """The jobs with progress bars, the events as they come, and where to look next."""

    def __init__(self, console: Console, stage: Stage, now: Callable[[], int] = now) -> None:
        """`now` gives Unix milliseconds."""
        self.counts: Counter[str] = Counter()
        self.began = now()
        self._now = now
        self._stage = stage
        self._events: deque[Text] = deque(maxlen=100)
        self._live = Live(console=console, auto_refresh=False, screen=True)
        self._console = console

    @property
    def jobs_wanted(self) -> int:
        return 200

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, events: Sequence[str], jobs: Sequence[Mapping[str, Any]], receivers: Sequence[DemoReceiver] = ()) -> None:
        self.note(events)
        self._live.update(self.picture(jobs, [(receiver.name, receiver.told()) for receiver in receivers]), refresh=True)

    def note(self, events: Sequence[str]) -> None:
        for body in events:
            event = json.loads(body)
            self.counts[event["type"]] += 1
            if event["type"] != "batch.progress":  # that is what the bars show
                self._events.append(_event_line(event))

    def picture(self, jobs: Sequence[Mapping[str, Any]], receivers: Sequence[tuple[str, str]] = ()) -> RenderableType:
        """The whole view; `receivers` are names and how they go."""
        free = max(6, self._console.size.height - 9 - len(receivers))
        shown = _in_sight(jobs, self._now() / 1000)[: free * 3 // 5]
        lines = list(self._events)[-max(3, free - len(shown)) :]
        return Group(
            self._head(jobs),
            Panel(_jobs(shown, self._now() / 1000), title="jobs", title_align="left", border_style="dim"),
            Panel(
                Text("\n").join(lines),
                title="events",
                title_align="left",
                border_style="dim",
                height=max(5, free - len(shown) + 2),
            ),
            self._foot(receivers),
        )

    def _head(self, jobs: Sequence[Mapping[str, Any]]) -> RenderableType:
        active = sum(not is_terminal(job["status"]) for job in jobs)
        head = Table.grid(expand=True)
        head.add_column(no_wrap=True)
        head.add_column(no_wrap=True, justify="right")
        said = f"{active} active jobs · {sum(self.counts.values())} events · {span((self._now() - self.began) / 1000)}"
        head.add_row(
            Text.assemble((f" batch-tracker {__version__}", "bold"), ("  simulated workspace", "dim")), Text(said + " ")
        )
        return head

    def _foot(self, receivers: Sequence[tuple[str, str]]) -> RenderableType:
        foot = Table.grid(padding=(0, 2, 0, 1))
        foot.add_column(style="dim")
        foot.add_column(no_wrap=True, overflow="ellipsis")
        for name, told in receivers:
            foot.add_row(name, Text(told))
        foot.add_row("page", Text(self._stage.page, style="underline"))
        foot.add_row("more", Text(f"batch-tracker --config {self._stage.config} events --follow"))
        foot.add_row("end", Text("Ctrl-C; nothing is kept"))
        return foot


def _framed(title: str, content: RenderableType, height: int | None = None) -> Panel:
    return Panel(content, title=title, title_align="left", border_style="dim", height=height)


def _in_sight(jobs: Sequence[Mapping[str, Any]], at: float) -> list[Mapping[str, Any]]:
    """Active jobs and those that ended a moment ago, in the order of their creation, so that no line jumps."""
    seen = [job for job in jobs if not is_terminal(job["status"]) or at - _observed(job) < LINGERS]
    return sorted(seen, key=lambda job: (job["created_at"], job["id"]))


def _observed(job: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(job["observed_at"]).timestamp()


def _jobs(jobs: Sequence[Mapping[str, Any]], at: float) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    for ratio in (None, None, None, 1, None, None):
        grid.add_column(no_wrap=True, ratio=ratio, overflow="ellipsis")
    for job in jobs:
        bar = ProgressBar(
            total=job["total_requests"] or 1,
            completed=job["completed_requests"],
            complete_style=text.colour(job),
            finished_style=text.colour(job),
        )
        age = span((job["completed_at"] or at) - job["created_at"])
        grid.add_row(terminal.status(job), text.short_id(job), text.plain(job["model"] or ""), bar, text.progress(job), age)
    return grid


def _event_line(event: Mapping[str, Any]) -> Text:
    time = datetime.fromisoformat(event["observed_at"]).astimezone().strftime("%H:%M:%S")
    line = Text(f"{event['seq']:>5}  {time}  {text.subject(event, short=True)}  ", no_wrap=True, overflow="ellipsis")
    return line.append_text(terminal.event_words(event))
