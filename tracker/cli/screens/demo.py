"""Owns what the demo shows: a live view on a terminal, a line an event elsewhere."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from tracker import __version__
from tracker.cli.screens.dashboard import Board, Foot, event_line, head
from tracker.cli.screens.demo_receivers import DemoReceiver
from tracker.core.events.summary import format_duration
from tracker.core.jobs.status import is_terminal
from tracker.runtime.clock import now


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
            self._console.print(event_line(event))
        for receiver in receivers:
            while receiver.arrived:
                self._console.print(Text(f"       webhook   {receiver.name} got {receiver.arrived.popleft()}", style="dim"))


class LiveView:
    """The jobs with progress bars, the events as they come, and where to look next."""

    jobs_wanted = 200

    def __init__(self, console: Console, stage: Stage, now: Callable[[], int] = now) -> None:
        """`now` gives Unix milliseconds."""
        self.board = Board(console, now)
        self._began = now()
        self._stage = stage
        self._live = Live(console=console, auto_refresh=False, screen=True)

    @property
    def counts(self) -> Counter[str]:
        return self.board.counts

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, events: Sequence[str], jobs: Sequence[Mapping[str, Any]], receivers: Sequence[DemoReceiver] = ()) -> None:
        self.board.note(events)
        self._live.update(self.picture(jobs, [(receiver.name, receiver.summary()) for receiver in receivers]), refresh=True)

    def picture(self, jobs: Sequence[Mapping[str, Any]], receivers: Sequence[tuple[str, str]] = ()) -> RenderableType:
        """The whole view; `receivers` are names and how they go."""
        foot = self._foot(receivers)
        return self.board.picture(self._head(jobs), self.board.lines(jobs, self.board.room(foot)[0]), foot)

    def _head(self, jobs: Sequence[Mapping[str, Any]]) -> RenderableType:
        active = sum(not is_terminal(job["status"]) for job in jobs)
        lasted = format_duration((self.board.now() - self._began) / 1000)
        name = Text.assemble((f" batch-tracker {__version__}", "bold"), ("  simulated workspace", "dim"))
        return head(name, f"{active} active jobs · {self.counts.total()} events · {lasted}")

    def _foot(self, receivers: Sequence[tuple[str, str]]) -> Foot:
        return Foot(
            [
                *((name, "", Text(summary)) for name, summary in receivers),
                ("page", "", Text(self._stage.page, style="underline")),
                ("more", "", Text(f"batch-tracker --config {self._stage.config} events --follow")),
                ("end", "", Text("Ctrl-C; nothing is kept")),
            ]
        )
