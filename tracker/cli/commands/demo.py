"""Owns `batch-tracker demo`: the simulated API and the daemon in one process, and the live view of them."""

import signal
import tempfile
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import click
from rich.console import Console

from tracker.cli.arguments.options import duration, examples
from tracker.cli.commands.simulate import clock
from tracker.cli.formatting import terminal
from tracker.cli.screens.demo import LiveView, PlainView, Stage
from tracker.cli.screens.demo_receivers import DemoReceiver
from tracker.config import Account, Config, Http, Listen, Secret, Storage
from tracker.core.deliveries.signing import parse_secret
from tracker.core.events.types import END_TYPES
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter
from tracker.daemon.lifecycle import daemon
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver
from tracker.logs import setup as log
from tracker.runtime.task_groups import task_group
from tracker.server.embedded import open_server
from tracker.simulator.population import Population
from tracker.simulator.server import Simulator
from tracker.simulator.workspace import Workspace
from tracker.store.opening import open_reader

SPEED = 12.0
"""Jobs live about twenty seconds."""

FLAKY_FOR = 8.0
"""Seconds for which one of the receivers fails."""


_SECRET = "whsec_" + b64encode(b"the demo keeps no secrets").decode()


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
    """See it work: a simulated API, the daemon that watches it, and a live view. Nothing is kept or sent anywhere."""
    console = terminal.console()
    with tempfile.TemporaryDirectory(prefix="batch-tracker-") as directory:
        log.configure((), stream=(Path(directory) / "daemon.log").open("w", encoding="utf-8"))
        summary = anyio.run(_demo, console, Path(directory), duration, Population(seed, SPEED), jobs)
    console.print(summary)


async def _demo(console: Console, directory: Path, duration: float | None, population: Population, jobs: int) -> str:
    simulator = Simulator(Workspace(arrivals=population.arrivals(jobs, clock())), clock)
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        receivers = _receivers()
        async with _running(simulator, receivers, directory) as (stage, reader), task_group() as group:
            view = LiveView(console, stage) if terminal.is_watched(console) else PlainView(console, stage)
            group.start_soon(_show, view, reader, receivers)
            with anyio.move_on_after(duration):
                async for _ in signals:
                    break
            group.cancel_scope.cancel()
        return _summary(view.counts, simulator.requests)


@asynccontextmanager
async def _running(
    simulator: Simulator, receivers: Sequence[DemoReceiver], directory: Path
) -> AsyncIterator[tuple[Stage, Reader]]:
    async with open_server(simulator.app, "127.0.0.1", 0) as api, AsyncExitStack() as stack:
        urls = [(await stack.enter_async_context(open_server(receiver, "127.0.0.1", 0))).url for receiver in receivers]
        config = _config(directory / "tracker.db", api.url, dict(zip([each.name for each in receivers], urls, strict=True)))
        file = directory / "demo.toml"
        file.write_text(f'[storage]\npath = "{config.storage.path}"\n', encoding="utf-8")
        async with daemon(config) as running, open_reader(config.storage.path) as reader:
            yield Stage(api=api.url, page=running.address.url, config=str(file)), reader


def _receivers() -> list[DemoReceiver]:
    key = parse_secret(_SECRET)
    return [DemoReceiver("pipeline", key, clock), DemoReceiver("flaky", key, clock, well_from=clock() + FLAKY_FOR)]


def _config(database: Path, api: str, urls: Mapping[str, str]) -> Config:
    account = Account(
        name="demo", api_key=Secret("demo"), base_url=api, poll_interval=0.5, requests_per_second=20.0, backfill=3600.0
    )
    receivers = tuple(
        WebhookReceiver(
            name=name,
            url=Secret(url),
            secrets=(Secret(_SECRET),),
            events=(*END_TYPES, "receiver.*"),
            retry=(1.0,) * 60,
        )
        for name, url in urls.items()
    )
    http = Http(listen=(Listen(port=0),))
    return Config(source=None, storage=Storage(database), http=http, accounts=(account,), receivers=receivers)


async def _show(view: LiveView | PlainView, reader: Reader, receivers: Sequence[DemoReceiver]) -> None:
    after = 0
    with view:
        while True:
            events = await reader.events(after, EventFilter())
            after = events[-1][0] if events else after
            view.show([body for _, body in events], await reader.jobs(limit=view.jobs_wanted), receivers)
            with anyio.move_on_after(0.25):  # bars and clocks move on without events
                await reader.wait_for_change()


def _summary(events: Counter[str], requests: Counter[str]) -> str:
    jobs, ended = events["batch.created"], sum(events[end] for end in END_TYPES)
    return (
        f"\n{sum(events.values())} events of {jobs} jobs logged, {ended} of them saw their end; "
        f"{sum(requests.values())} requests to the API.\n"
        "Next: set MISTRAL_API_KEY and run `batch-tracker run`, or develop against `batch-tracker simulate`."
    )
