"""Owns `batch-tracker replay`: deliveries made again, by the running daemon, or in its place where none is running."""

import sys

import anyio
import click
import msgspec

from tracker.cli.arguments.completion_values import receivers
from tracker.cli.arguments.options import config_option, examples, moment
from tracker.cli.formatting import text
from tracker.cli.formatting.output import echo, echo_error
from tracker.cli.process.delivery_changes import change, counted
from tracker.config import database_path, receiver_names
from tracker.core.deliveries.replay import Replay, ReplayResult, unknown_receiver
from tracker.core.ports.store import Store
from tracker.daemon.control import NotReached, Refused, ask_to_replay
from tracker.runtime.clock import now

_IN_THE_DAEMON = "they are on their way"
_ALONE = "no daemon is running: they go out once it does"


@click.command(
    epilog=examples(
        "replay --receiver pipeline --dead",
        "replay --receiver pipeline --seq 1042",
        "replay --receiver pipeline --since 2025-06-25T14:00 --until 2h",
    )
)
@config_option
@click.option("--receiver", required=True, metavar="NAME", shell_complete=receivers, help="Deliver to this receiver.")
@click.option("--seq", type=int, metavar="N", help="Deliver event N again.")
@click.option("--dead", is_flag=True, help="Deliver again what is dead: its schedule was exhausted.")
@click.option("--from-seq", type=int, metavar="A", help="Deliver all events of the log from seq A on.")
@click.option("--to-seq", type=int, metavar="B", help="End the range with seq B.")
@click.option("--since", metavar="TIME", callback=moment, help="Deliver all events observed since: ISO 8601, or an age.")
@click.option("--until", metavar="TIME", callback=moment, help="End the range before this time.")
def command(config: str | None, **asked: str | int | bool | None) -> None:
    """Deliver again: one event, all dead deliveries, or a range of the log, with the same IDs and bytes.

    A range replay ignores the receiver's event filter. A replay enables a receiver that was disabled because it answered 410.
    """
    try:
        which = msgspec.convert(asked, Replay)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from None
    done, by_daemon = anyio.run(_replay, config, which)
    if isinstance(done, Refused):
        echo_error(f"batch-tracker: {text.plain(done.error)}")
        sys.exit(2 if done.is_unknown else 1)
    if done.enabled:
        echo(f"{text.plain(which.receiver)} was disabled, as it had answered that it is gone; it is enabled again")
    if done.deliveries:
        when = _IN_THE_DAEMON if by_daemon else _ALONE
        echo(f"{counted(done.deliveries)} to {text.plain(which.receiver)} pending again; {when}")
    elif not done.enabled:
        echo_error(f"nothing to replay: {_nothing(which)}")
        sys.exit(1)


async def _replay(config: str | None, which: Replay) -> tuple[ReplayResult | Refused, bool]:
    """What came of it, and whether a daemon did it."""
    database = database_path(config)

    async def ask() -> ReplayResult | Refused | NotReached:
        return await ask_to_replay(database, which)

    async def alone(store: Store) -> ReplayResult | Refused:
        known = receiver_names(config)
        if which.receiver not in known:
            return Refused(unknown_receiver(which.receiver, known), is_unknown=True)
        return await store.replay(which, now())

    return await change(database, ask, alone)


def _nothing(which: Replay) -> str:
    receiver = text.plain(which.receiver)
    if which.dead:
        return f"no delivery to {receiver} is dead"
    if which.seq is not None:
        return f"{receiver} has no delivery of event {which.seq}; --from-seq {which.seq} --to-seq {which.seq} would make one"
    return "the log has no event in this range"
