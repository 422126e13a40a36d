"""Owns the views of the demo: a live dashboard on a terminal, one line per event elsewhere."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from tracker import __version__
from tracker.cli.screens.dashboard import Dashboard, Footer, event_line, header_line
from tracker.cli.screens.demo_receivers import DemoReceiver
from tracker.core.events.summary import format_duration
from tracker.core.jobs.status import is_terminal
from tracker.runtime.clock import now


class DemoSetup(NamedTuple):
    """The titles and URLs of the simulated APIs, the URL of the daemon's page, and the path of the demo's configuration."""

    apis: Mapping[str, str]
    page: str
    config: str


class PlainView:
    """Lines of text, for pipes and logs."""

    most_jobs = 0

    def __init__(self, console: Console, setup: DemoSetup) -> None:
        self.counts: Counter[str] = Counter()
        self._console = console
        self._setup = setup

    def __enter__(self) -> Self:
        more = f"batch-tracker --config {self._setup.config} jobs"
        apis = {f"{title}, simulated": url for title, url in self._setup.apis.items()}
        lines = {"batch-tracker's page": self._setup.page} | apis | {"more in another terminal": more}
        width = max(map(len, lines))
        for label, value in lines.items():
            self._console.print(f"{label:<{width}}  {value}")
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
    """The dashboard with the jobs and events, and a footer with the receivers and the page."""

    most_jobs = 200

    def __init__(self, console: Console, setup: DemoSetup, now: Callable[[], int] = now) -> None:
        """`now` gives Unix milliseconds."""
        self.dashboard = Dashboard(console, now)
        self._began = now()
        self._setup = setup
        self._live = Live(console=console, auto_refresh=False, screen=True)

    @property
    def counts(self) -> Counter[str]:
        return self.dashboard.counts

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, events: Sequence[str], jobs: Sequence[Mapping[str, Any]], receivers: Sequence[DemoReceiver] = ()) -> None:
        self.dashboard.add_events(events)
        self._live.update(self.render(jobs, [(receiver.name, receiver.summary()) for receiver in receivers]), refresh=True)

    def render(self, jobs: Sequence[Mapping[str, Any]], receivers: Sequence[tuple[str, str]] = ()) -> RenderableType:
        """The whole screen; `receivers` are their names and states."""
        footer = self._footer(receivers)
        lines = self.dashboard.job_lines(jobs, self.dashboard.available_lines(footer)[0])
        return self.dashboard.render(self._header(jobs), lines, footer)

    def _header(self, jobs: Sequence[Mapping[str, Any]]) -> RenderableType:
        active = sum(not is_terminal(job["status"]) for job in jobs)
        duration = format_duration((self.dashboard.now() - self._began) / 1000)
        name = Text.assemble((f" batch-tracker {__version__}", "bold"), ("  simulated workspace", "dim"))
        return header_line(name, f"{active} active jobs · {self.counts.total()} events · {duration}")

    def _footer(self, receivers: Sequence[tuple[str, str]]) -> Footer:
        return Footer(
            [
                *((name, "", Text(summary)) for name, summary in receivers),
                ("page", "", Text(self._setup.page, style="underline")),
                ("more", "", Text(f"batch-tracker --config {self._setup.config} events --follow")),
                ("end", "", Text("Ctrl-C; nothing is kept")),
            ]
        )
