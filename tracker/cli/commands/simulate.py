"""Owns `batch-tracker simulate`: the stand-in for Mistral's batch API as a process."""

import json
import signal
from collections.abc import Mapping
from shlex import quote
from typing import Final

import anyio
import click

from tracker.cli.formatting.output import echo
from tracker.core.text.escaping import literal
from tracker.runtime.clock import now
from tracker.server.embedded import Address, open_server
from tracker.simulator.faults import JOB_FAULTS, KINDS, LASTING, TIME_FAULTS, Fault, Faults, parse
from tracker.simulator.population import ENDS, Population
from tracker.simulator.server import Simulator
from tracker.simulator.workspace import Workspace

ANY_KEY: Final = "simulated-key"
"""Where every key is accepted."""


def _table(kinds: Mapping[str, str]) -> str:
    return "\n".join(f"  {kind:<15} {meaning}" for kind, meaning in kinds.items())


_EPILOG = f"""
\b
Faults of requests; P is the share of all requests, each drawn by chance.
KIND:P@FROM-TO strikes between these seconds after the first request only.
{_table(KINDS)}
  any             all of these share P, but {", ".join(LASTING[:3])},
                  {", ".join(LASTING[3:])}

\b
Faults of jobs; P is the share of all jobs.
{_table(JOB_FAULTS)}

\b
Faults of creation times; P is the share of all minutes.
{_table(TIME_FAULTS)}

A created job whose metadata has `simulate` ends that way: {", ".join(ENDS)};
or has that fault of jobs, and succeeds.

\b
Examples:
  batch-tracker simulate --jobs 50 --speed 10
  batch-tracker simulate --fault 429:0.1 --fault hang:0.02 --api-key test
  batch-tracker simulate --fault no-jobs:1@60-64 --fault poisoned:0.01
  batch-tracker simulate --fault lagging:0.5 --clock-ahead 10800
"""


def _address(_ctx: click.Context, _parameter: click.Parameter, text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise click.BadParameter(f"found {text!r}, expected HOST:PORT")
    return Address(host.strip("[]"), int(port))


def _faults(_ctx: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> list[Fault]:
    try:
        return [fault for text in texts for fault in parse(text)]
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(epilog=_EPILOG)
@click.option(
    "--listen",
    default="127.0.0.1:9472",
    show_default=True,
    callback=_address,
    help="Listen on HOST:PORT; port 0 takes a free one.",
    metavar="HOST:PORT",
)
@click.option(
    "--jobs",
    default=20,
    show_default=True,
    type=click.IntRange(0, 100_000),
    help="Keep N jobs active at any time.",
    metavar="N",
)
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.01, 10_000),
    help="Divide the time that jobs take by this.",
)
@click.option("--seed", default=0, show_default=True, help="Make the same jobs and faults for the same seed.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    callback=_faults,
    metavar="KIND:P",
    help="Let this fault happen to the share P; see below.",
)
@click.option(
    "--clock-ahead", default=0.0, metavar="SECONDS", help="Set the API's clock ahead; a negative number sets it back."
)
@click.option("--api-key", "api_keys", multiple=True, help="Accept this key; without any, every key is accepted.")
def command(
    listen: Address,
    jobs: int,
    speed: float,
    seed: int,
    faults: list[Fault],
    clock_ahead: float,
    api_keys: tuple[str, ...],
) -> None:
    """Serve a stand-in for Mistral's batch API, until SIGTERM or Ctrl-C."""
    population = Population(seed, speed, faults)
    try:
        simulator = Simulator(
            Workspace(arrivals=population.arrivals(jobs, clock() + clock_ahead)),
            lambda: clock() + clock_ahead,
            population=Population(seed + 1, speed, faults),
            api_keys=api_keys,
            faults=Faults(faults, seed),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    anyio.run(_serve, simulator, listen, api_keys[0] if api_keys else ANY_KEY)


def instructions(url: str, key: str) -> str:
    """What a client and the daemon need, as lines that one can paste."""
    shown = literal(key)
    return f"""Mistral's batch API, simulated, on {url}

A client in Python:
  Mistral(server_url="{url}", api_key={json.dumps(key)})

batch-tracker, in a shell and in its configuration:
  export SIMULATOR_KEY={quote(shown)}

[[accounts]]
name = "simulated"
api_key = {{ env = "SIMULATOR_KEY" }}
base_url = "{url}"
"""


def clock() -> float:
    """Unix seconds."""
    return now() / 1000


async def _serve(simulator: Simulator, listen: Address, key: str) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with open_server(simulator.app, *listen) as address:
            echo(instructions(address.url, key))
            async for _ in signals:
                break
