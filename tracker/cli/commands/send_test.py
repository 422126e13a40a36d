"""Owns `batch-tracker send-test`: a signed test event to one receiver, and the result in plain words."""

import secrets
import sys
from typing import Final

import anyio
import click

from tracker.cli.arguments.completion_values import receivers, types
from tracker.cli.arguments.options import config_option, examples
from tracker.cli.formatting.printing import echo, echo_error
from tracker.config import Config, Receiver
from tracker.core.deliveries.delivery import Delivery, Outcome, Result
from tracker.core.deliveries.fan_out import stream_of
from tracker.core.deliveries.replay import unknown_receiver
from tracker.core.errors.config_error import ConfigError
from tracker.core.events.event import encode_event
from tracker.core.events.event_type_table import TYPES
from tracker.core.events.sample import sample_event
from tracker.core.queries.name_suggestions import unknown_name
from tracker.core.text.escaping import plain
from tracker.core.text.redaction import Redaction
from tracker.daemon.factories.network import Network
from tracker.daemon.factories.notifier_factory import open_notifier
from tracker.daemon.load_configuration import load
from tracker.http.client import tls_context
from tracker.runtime.clock import now

_WORDS: Final = {
    Result.DELIVERED: "delivered",
    Result.GONE: "refused with {detail}: the receiver wants no further deliveries, and would be disabled",
    Result.RATE_LIMITED: "refused with {detail}: it limits the rate of requests",
    Result.REFUSED: "refused with {detail}",
    Result.REDIRECTED: "refused with {detail}: it redirects, and redirects are not followed",
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
    signed as any other, has the receiver's `format` and a trace, and is not logged.
    """
    loaded = load(config)
    receiver = next((each for each in loaded.receivers if each.name == name), None)
    if receiver is None:
        raise ConfigError(unknown_receiver(name, [each.name for each in loaded.receivers]))
    outcome, took = anyio.run(_send, loaded, receiver, type_)
    result = Redaction(loaded.secrets())(_describe_outcome(outcome, took))  # an answer may repeat the request
    (echo if outcome.delivered else echo_error)(f"{name}: {result}")
    sys.exit(not outcome.delivered)


async def _send(config: Config, receiver: Receiver, type_: str) -> tuple[Outcome, int]:
    """The outcome of the attempt, and its duration in milliseconds."""
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
    async with open_notifier(receiver, network, _NoJobMessages()) as notifier:
        began_at = now()
        outcome = await notifier.send([delivery])
        return outcome, now() - began_at


class _NoJobMessages:
    """No messages: the job of the test has no message yet, and no further event."""

    async def get(self, receiver: str, stream: str) -> str | None:  # noqa: ARG002 - as JobMessages has it
        return None

    async def put(self, receiver: str, stream: str, card: str) -> None:
        pass


def _describe_outcome(outcome: Outcome, took: int) -> str:
    words = _WORDS[outcome.result].format(detail=plain(outcome.detail))
    line = plain(next(iter(outcome.answer.strip().splitlines()), ""))[:_LONGEST_LINE]
    if outcome.delivered:
        words = f"{words} in {took} ms"
        return f"{words}, but with {plain(outcome.detail)}: the receiver would be disabled" if outcome.disables else words
    return f"{words}\n  it says: {line}" if line else words
