"""Owns `batch-tracker simulate`: the stand-in for a vendor's batch and files API as a process."""

import json
import signal
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from secrets import token_bytes
from shlex import quote
from typing import Final

import anyio
import click

from tracker.cli.formatting.printing import echo, echo_error
from tracker.config.toml.toml_table import InvalidValue
from tracker.config.urls import base_url
from tracker.core.deliveries.signing import SHARED, parse_secret
from tracker.core.text.escaping import literal
from tracker.http.client import http_client, tls_context
from tracker.runtime.clock import now
from tracker.runtime.task_groups import task_group
from tracker.server.embedded import Address, open_server
from tracker.simulator.faults.fault_options import (
    DOWNLOAD_FAULTS,
    FILE_FAULTS,
    GATEWAY_FAULTS,
    JOB_FAULTS,
    PERSISTENT_FAULTS,
    REQUEST_FAULTS,
    TIME_FAULTS,
    VENDOR_FAULTS,
    WEBHOOK_FAULTS,
    Fault,
    Faults,
    parse,
)
from tracker.simulator.random_job_plans import ENDS, Population
from tracker.simulator.simulated_api import SimulatedApi
from tracker.simulator.simulated_vendors import SIMULATED_VENDORS
from tracker.simulator.webhooks import Subscription, Webhooks
from tracker.simulator.workspace import Workspace

ANY_KEY: Final = "simulated-key"
"""The key in the instructions if every key is accepted."""


def _table(kinds: Mapping[str, str]) -> str:
    width = max(15, *map(len, kinds))
    return "\n".join(f"  {kind:<{width}} {meaning}" for kind, meaning in kinds.items())


_EPILOG = f"""
\b
Faults of requests; P is the share of all requests, each drawn by chance.
KIND:P@FROM-TO strikes between these seconds after the first request only.
{_table(REQUEST_FAULTS)}
  any             all of these share P, but {", ".join(PERSISTENT_FAULTS[:3])},
                  {", ".join(PERSISTENT_FAULTS[3:])}

\b
Faults of jobs; P is the share of all jobs.
{_table(JOB_FAULTS)}

\b
Faults of downloads; P is the share of all downloads of files.
{_table(DOWNLOAD_FAULTS)}

\b
Faults of result files; P is the share of all jobs.
{_table(FILE_FAULTS)}

\b
Faults of creation times; P is the share of all minutes.
{_table(TIME_FAULTS)}

\b
Faults of a vendor's jobs; P is the share of all jobs.
{_table(VENDOR_FAULTS)}

\b
Faults of webhooks (with --webhook-url); P is the share of all jobs.
{_table(WEBHOOK_FAULTS)}

\b
Faults of gateways (openai); P is the share of all lists.
{_table(GATEWAY_FAULTS)}

A created job whose metadata has `simulate` ends that way: {", ".join(ENDS)}.
At Anthropic the first request's `metadata.user_id` is "simulate=END" for it, at Gemini the display name has it.
It may name faults of jobs, of their result files and of the downloads of these too, with commas between; with a fault alone
the job succeeds.

\b
Examples:
  batch-tracker simulate --jobs 50 --speed 10
  batch-tracker simulate --fault 429:0.1 --fault hang:0.02 --api-key test
  batch-tracker simulate --fault no-jobs:1@60-64 --fault poisoned:0.01
  batch-tracker simulate --fault lagging:0.5 --clock-ahead 10800
  batch-tracker simulate --fault download-cut:0.3 --fault file-gone:0.1
  batch-tracker simulate --provider openai --fault no-paging:1
  batch-tracker simulate --provider gemini --webhook-url http://[::1]/hooks/g
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


def _webhook_url(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    try:
        return None if text is None else base_url(text)
    except InvalidValue as error:
        raise click.BadParameter(str(error)) from None


def _webhook_secret(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> str:
    secret = text or SHARED + b64encode(token_bytes(32)).decode()
    try:
        parse_secret(secret)
    except ValueError as error:
        raise click.BadParameter(f"found something else (not shown), {error}") from None
    return secret


@click.command(epilog=_EPILOG)
@click.option(
    "--provider",
    default="mistral",
    show_default=True,
    type=click.Choice(tuple(SIMULATED_VENDORS)),
    help="Simulate the API of this vendor.",
)
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
@click.option(
    "--answer-length",
    default=0,
    metavar="N",
    type=click.IntRange(0, 1_000_000),
    help="Make each answer in a result file at least N characters long.",
)
@click.option(
    "--webhook-url",
    callback=_webhook_url,
    metavar="URL",
    help="Send a signed webhook there whenever a job ends, as openai and gemini do.",
)
@click.option(
    "--webhook-secret",
    callback=_webhook_secret,
    metavar="SECRET",
    help="Use this secret (whsec_ and base64) to sign webhooks; without it a new one, which is shown.",
)
@click.option("--api-key", "api_keys", multiple=True, help="Accept this key; without any, every key is accepted.")
def command(
    provider: str,
    listen: Address,
    jobs: int,
    speed: float,
    seed: int,
    faults: list[Fault],
    clock_ahead: float,
    answer_length: int,
    webhook_url: str | None,
    webhook_secret: str,
    api_keys: tuple[str, ...],
) -> None:
    """Serve a stand-in for a vendor's batch and files API, until SIGTERM or Ctrl-C."""
    vendor = SIMULATED_VENDORS[provider]
    population = Population(seed, speed, faults, answer_length, vendor.catalog)
    try:
        simulator = vendor(
            Workspace(arrivals=population.arrivals(jobs, clock() + clock_ahead)),
            lambda: clock() + clock_ahead,
            population=Population(seed + 1, speed, faults, answer_length, vendor.catalog),
            api_keys=api_keys,
            faults=Faults(faults, seed),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if webhook_url and not simulator.sends_webhooks:
        raise click.UsageError(f"--webhook-url: {provider} sends no webhooks for batches, expected --provider openai or gemini")
    to = Subscription(webhook_url, webhook_secret) if webhook_url else None
    anyio.run(_serve, simulator, provider, listen, api_keys[0] if api_keys else ANY_KEY, to)


def instructions(simulator: SimulatedApi, provider: str, url: str, key: str, secret: str | None) -> str:
    """The environment for a client and the daemon, as lines to paste; `secret` is that of webhooks, if any are sent."""
    shown = literal(key)
    export = f"\n  export SIMULATOR_WEBHOOK_SECRET={quote(secret)}" if secret else ""
    hint = '\nwebhook_secret = { env = "SIMULATOR_WEBHOOK_SECRET" }' if secret else ""
    line = "" if provider == "mistral" else f'provider = "{provider}"\n'
    return f"""{simulator.title}, simulated, on {url}

A client in Python:
  {simulator.client.format(url=json.dumps(url), key=json.dumps(key))}

batch-tracker, in a shell and in its configuration:
  export SIMULATOR_KEY={quote(shown)}{export}

[[accounts]]
name = "simulated"
{line}api_key = {{ env = "SIMULATOR_KEY" }}
base_url = "{url}"{hint}
"""


def clock() -> float:
    """Unix seconds."""
    return now() / 1000


async def _serve(simulator: SimulatedApi, provider: str, listen: Address, key: str, to: Subscription | None) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with open_server(simulator.app, *listen) as address, _sending_webhooks(simulator, to):
            url = address.url + simulator.base_path
            echo(instructions(simulator, provider, url, key, to.secret if to else None))
            async for _ in signals:
                break


@asynccontextmanager
async def _sending_webhooks(simulator: SimulatedApi, to: Subscription | None) -> AsyncIterator[None]:
    if to is None:
        yield
        return
    async with http_client(tls_context()) as http, task_group() as group:
        group.start_soon(Webhooks(simulator, to, http, echo_error).run)
        yield
        group.cancel_scope.cancel()
