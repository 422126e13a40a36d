"""Draws `.github/demo.svg`, the picture of the README: the demo's own view of a simulated moment.

Another path for the picture is its argument.
"""

import re
import sys
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console

from tracker.cli.screens.demo_view import DemoSetup, LiveView
from tracker.core.events.event import iso
from tracker.core.events.job_diff import Known, diff, first_seen
from tracker.simulator.job_timeline import job_at
from tracker.simulator.random_job_plans import Population
from tracker.simulator.workspace import Query, Workspace

SPEED, JOBS, SEED, BEGAN, SECONDS = 12.0, 10, 7, 1_795_478_400, 24


class Moment(NamedTuple):
    """What a daemon has seen of the simulated workspace: its log as JSON, the jobs, when each changed, and the time."""

    events: list[str]
    known: dict[str, Known]
    seen_at: dict[str, int]
    now: int


def main() -> None:
    path = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / "demo.svg"
    path.write_text(picture(simulated(SECONDS)), "utf-8")


def simulated(seconds: int) -> Moment:
    """A simulated workspace after this number of seconds, observed twice a second; the same every time."""
    workspace = Workspace(arrivals=Population(SEED, SPEED).arrivals(JOBS, BEGAN))
    moment = Moment([], {}, {}, round((BEGAN + seconds) * 1000))
    for step in range(2 * seconds + 1):
        at = BEGAN + step / 2
        now = round(at * 1000)
        for plan in workspace.matching(Query(newest_first=False), at):
            job, before = job_at(plan, at), moment.known.get(plan.id)
            change = diff("demo", before, job, now) if before else first_seen("demo", job, now)
            for event in change.events if change else ():
                numbered = msgspec.structs.replace(event, seq=len(moment.events) + 1)
                moment.events.append(msgspec.json.encode(numbered).decode())
                moment.seen_at[plan.id] = now
            moment.known[plan.id] = change.known if change else before
    return moment


def picture(moment: Moment) -> str:
    """The demo's view of this moment, as SVG."""
    events, known, seen_at, now = moment
    console = Console(record=True, width=112, height=32, force_terminal=True, color_system="truecolor", file=StringIO())
    clock = iter((BEGAN * 1000,))
    view = LiveView(console, DemoSetup({}, "http://127.0.0.1:9471", "demo.toml"), lambda: next(clock, now))
    jobs = [{**each.job.to_data(), "account": "demo", "observed_at": iso(seen_at[id_])} for id_, each in known.items()]
    view.dashboard.add_events(events)
    console.print(view.render(jobs))
    svg = console.export_svg(title="batch-tracker demo")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code, ", "")


if __name__ == "__main__":
    main()
