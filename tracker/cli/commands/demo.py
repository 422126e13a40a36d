"""Owns `batch-tracker demo`: the simulated APIs of two vendors and the daemon in one process, with a live view."""

import signal
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import click
from rich.console import Console, RenderableType

from tracker.cli.arguments.options import duration, examples
from tracker.cli.commands.simulate import clock
from tracker.cli.formatting import terminal
from tracker.cli.screens.demo_configuration import SECRET, write_demo_configuration
from tracker.cli.screens.demo_receivers import DemoReceiver
from tracker.cli.screens.demo_summary import demo_summary, read_demo_results
from tracker.cli.screens.demo_view import DemoSetup, LiveView, PlainView
from tracker.core.deliveries.signing import parse_secret
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter
from tracker.daemon.database_address import database_address
from tracker.daemon.load_configuration import load
from tracker.daemon.startup import open_daemon
from tracker.logs import setup as log
from tracker.runtime.task_groups import task_group
from tracker.server.embedded import open_server
from tracker.simulator.random_job_plans import Population
from tracker.simulator.simulated_api import SimulatedApi
from tracker.simulator.simulated_vendors import SIMULATED_VENDORS
from tracker.simulator.workspace import Workspace
from tracker.store.opening import open_reader

SPEED = 12.0
"""Jobs live about twenty seconds."""

VENDORS = ("mistral", "openai")
"""Each has an account of its own."""

FLAKY_FOR = 8.0
"""Seconds for which one of the receivers fails."""


@click.command(epilog=examples("demo", "demo --jobs 40 --duration 1m"))
@click.option(
    "--duration",
    callback=duration("1s", "1d"),
    metavar="TIME",
    help='End after this time, such as "20s"; otherwise Ctrl-C ends it.',
)
@click.option(
    "--jobs", default=8, show_default=True, type=click.IntRange(1, 500), metavar="N", help="Keep N jobs active at any time."
)
@click.option("--seed", default=7, show_default=True, help="Make the same jobs for the same seed.")
def command(duration: float | None, jobs: int, seed: int) -> None:
    """See it work: simulated APIs, the daemon that watches them, and a live view. Nothing is kept or sent anywhere."""
    console = terminal.console()
    with tempfile.TemporaryDirectory(prefix="batch-tracker-") as directory:
        log.configure((), stream=(Path(directory) / "daemon.log").open("w", encoding="utf-8"))
        summary = anyio.run(_demo, console, Path(directory), duration, _simulators(jobs, seed))
    for each in summary:
        console.print(each)


def _simulators(jobs: int, seed: int) -> dict[str, SimulatedApi]:
    """The API of each vendor by its name; together they have `jobs` active jobs at any time."""
    simulators = {}
    for number, name in enumerate(VENDORS):
        vendor = SIMULATED_VENDORS[name]
        population = Population(seed + number, SPEED, catalog=vendor.catalog)
        share = (jobs + len(VENDORS) - 1 - number) // len(VENDORS)
        simulators[name] = vendor(Workspace(arrivals=population.arrivals(share, clock())), clock)
    return simulators


async def _demo(
    console: Console, directory: Path, duration: float | None, simulators: Mapping[str, SimulatedApi]
) -> list[RenderableType]:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        receivers = _receivers()
        async with _running(simulators, receivers, directory) as (setup, reader):
            view = LiveView(console, setup) if terminal.is_interactive(console) else PlainView(console, setup)
            async with task_group() as group:
                group.start_soon(_show, view, reader, receivers)
                with anyio.move_on_after(duration):
                    async for _ in signals:
                        break
                group.cancel_scope.cancel()
            results = await read_demo_results(reader)
        requests = sum(simulator.requests.total() for simulator in simulators.values())
        return [*demo_summary(view.counts, requests, results, console.width)]


@asynccontextmanager
async def _running(
    simulators: Mapping[str, SimulatedApi], receivers: Sequence[DemoReceiver], directory: Path
) -> AsyncIterator[tuple[DemoSetup, Reader]]:
    async with AsyncExitStack() as stack:
        urls = {each.name: (await stack.enter_async_context(open_server(each, "127.0.0.1", 0))).url for each in receivers}
        apis = {}
        for name, simulator in simulators.items():
            apis[name] = (await stack.enter_async_context(open_server(simulator.app, "127.0.0.1", 0))).url
        titles = {simulators[name].title: url for name, url in apis.items()}
        file = write_demo_configuration(directory, apis, urls)
        config = load(str(file))
        async with open_daemon(config) as running, open_reader(database_address(config.storage)) as reader:
            yield (
                DemoSetup(apis=titles, page=running.address.url, config=str(file)),
                reader,
            )


def _receivers() -> list[DemoReceiver]:
    key = parse_secret(SECRET)
    return [DemoReceiver("pipeline", key, clock), DemoReceiver("flaky", key, clock, healthy_from=clock() + FLAKY_FOR)]


async def _show(view: LiveView | PlainView, reader: Reader, receivers: Sequence[DemoReceiver]) -> None:
    after = 0
    with view:
        while True:
            events = await reader.events(after, EventFilter())
            after = events[-1][0] if events else after
            view.show([body for _, body in events], await reader.jobs(limit=view.most_jobs), receivers)
            with anyio.move_on_after(0.25):  # bars and clocks move on without events
                await reader.wait_for_change()
