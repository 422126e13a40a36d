"""Owns `batch-tracker send-test`: a signed test event to one receiver, and what happened in plain words."""

import secrets
import sys
from typing import Final

import anyio
import click

from tracker.cli.arguments.completion_values import receivers, types
from tracker.cli.arguments.options import config_option, examples
from tracker.cli.formatting import text
from tracker.cli.formatting.output import echo, echo_error
from tracker.config import Config, Receiver
from tracker.core.deliveries.delivery import Delivery, Outcome, Result
from tracker.core.deliveries.fan_out import stream_of
from tracker.core.deliveries.replay import unknown_receiver
from tracker.core.errors.config_error import ConfigError
from tracker.core.events.event import encode_event
from tracker.core.events.sample import sample_event
from tracker.core.events.types import TYPES
from tracker.core.queries.names import unknown_name
from tracker.core.text.redaction import Redaction
from tracker.daemon.configuration import load
from tracker.daemon.factory import Network, open_notifier
from tracker.http.client import tls_context
from tracker.runtime.clock import now

_WORDS: Final = {
    Result.DELIVERED: "delivered",
    Result.GONE: "refused with {detail}: it says that it is gone, and would be disabled",
    Result.RATE_LIMITED: "refused with {detail}: it limits the rate of requests",
    Result.REFUSED: "refused with {detail}",
    Result.REDIRECTED: "refused with {detail}: it leads elsewhere, and redirects are not followed",
    Result.SERVER: "failed with {detail}",
    Result.NETWORK: "could not be reached: {detail}",
}
_LONGEST_LINE: Final = 200
"""Characters of the answer's first line that are shown."""


def _known_type(_ctx: click.Context, _parameter: click.Parameter, given: str) -> str:
    if wrong := unknown_name(given, TYPES, "a type"):
        raise click.BadParameter(wrong)
    return given


@click.command(epilog=examples("send-test pipeline", "send-test pipeline --type batch.failed"))
@click.argument("name", metavar="RECEIVER", shell_complete=receivers)
@click.option(
    "--type",
    "type_",
    metavar="TYPE",
    default="batch.completed",
    show_default=True,
    shell_complete=types,
    callback=_known_type,
    help="Send an event of this type; the receiver's event filter does not apply.",
)
@config_option
def command(name: str, type_: str, config: str | None) -> None:
    """Send a test event to a receiver and show the result.

    It is about a job that does not exist, marked by `"test": true` in its data and by an ID that begins with evt_test_. It is
    signed as any other, and not logged.
    """
    loaded = load(config)
    receiver = next((each for each in loaded.receivers if each.name == name), None)
    if receiver is None:
        raise ConfigError(unknown_receiver(name, [each.name for each in loaded.receivers]))
    outcome, took = anyio.run(_send, loaded, receiver, type_)
    result = Redaction(loaded.secrets())(_in_words(outcome, took))  # an answer may repeat the request
    (echo if outcome.delivered else echo_error)(f"{name}: {result}")
    sys.exit(not outcome.delivered)


async def _send(config: Config, receiver: Receiver, type_: str) -> tuple[Outcome, int]:
    """What the attempt came to, and the milliseconds that it took."""
    event = sample_event(type_, config.accounts[0].name, now(), secrets.token_hex(16))
    delivery = Delivery(
        receiver=receiver.name,
        seq=event.seq,
        event_id=event.id,
        type=event.type,
        stream=stream_of(event),
        attempts=0,
        body=encode_event(event),
    )
    network = Network(tls_context(), config.proxies, external_url=config.http.external_url)
    async with open_notifier(receiver, network, _NoCards()) as notifier:
        began_at = now()
        outcome = await notifier.send([delivery])
        return outcome, now() - began_at


class _NoCards:
    """The job of the test has no card yet, and will have no further event."""

    async def get(self, receiver: str, stream: str) -> str | None:  # noqa: ARG002 - as Cards has it
        return None

    async def put(self, receiver: str, stream: str, card: str) -> None:
        pass


def _in_words(outcome: Outcome, took: int) -> str:
    words = _WORDS[outcome.result].format(detail=text.plain(outcome.detail))
    line = text.plain(next(iter(outcome.answer.strip().splitlines()), ""))[:_LONGEST_LINE]
    return f"{words} in {took} ms" if outcome.delivered else f"{words}\n  it says: {line}" if line else words
