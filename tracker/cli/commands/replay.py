"""Owns `batch-tracker replay`: a replay of deliveries by the running daemon, or by the command if none is running."""

import re
import sys
from pathlib import Path
from typing import Final

import anyio
import click
import msgspec

from tracker.cli.arguments.completion_values import receivers
from tracker.cli.arguments.options import config_option, examples, moment
from tracker.cli.deliveries.daemon_or_offline_change import change_deliveries, counted
from tracker.cli.formatting.printing import echo, echo_error
from tracker.config import receiver_names
from tracker.core.deliveries.replay import SELECTORS, Replay, ReplayResult, archived_events, unknown_receiver
from tracker.core.ports.store import Store
from tracker.core.text.escaping import plain
from tracker.daemon.control.control_client import Refused, request_replay
from tracker.daemon.control.control_file import Unreachable
from tracker.daemon.database_address import configured_database
from tracker.store.opening import open_reader

_FIELDS: Final = (*SELECTORS, "to_seq", "until")


@click.command(
    epilog=examples(
        "replay --receiver pipeline --dead",
        "replay --receiver pipeline --seq 1042",
        "replay --receiver team --silence sil_0123456789abcdef0123",
        "replay --receiver pipeline --since 2025-06-25T14:00 --until 2h",
    )
)
@config_option
@click.option("--receiver", required=True, metavar="NAME", shell_complete=receivers, help="Deliver to this receiver.")
@click.option("--seq", type=int, metavar="N", help="Deliver event N again.")
@click.option("--dead", is_flag=True, help="Deliver again what is dead: its schedule was exhausted.")
@click.option("--silence", metavar="ID", help="Deliver what this silence keeps from the receiver.")
@click.option("--from-seq", type=int, metavar="A", help="Deliver all events of the log from seq A on.")
@click.option("--to-seq", type=int, metavar="B", help="End the range with seq B.")
@click.option("--since", metavar="TIME", callback=moment, help="Deliver all events observed since: ISO 8601, or an age.")
@click.option("--until", metavar="TIME", callback=moment, help="End the range before this time.")
def command(config: str | None, **options: str | int | bool | None) -> None:
    """Deliver again: one event, all that is dead or was silenced, or a range of the log, with the same IDs and bytes.

    A range replay ignores the receiver's event filter. A replay enables a receiver that was disabled because it answered 410.
    """
    try:
        which = msgspec.convert(options, Replay)
    except msgspec.ValidationError as error:
        raise click.UsageError(_with_options(str(error))) from None
    done, when = anyio.run(_replay, config, which)
    if isinstance(done, Refused):
        echo_error(f"batch-tracker: {plain(done.error)}")
        sys.exit(2 if done.is_unknown else 1)
    if done.enabled:
        echo(f"{plain(which.receiver)} was disabled, as it had answered that it is gone; it is enabled again")
    if done.deliveries:
        echo(f"{counted(done.deliveries)} to {plain(which.receiver)} pending again; {when}")
    elif not done.enabled:
        echo_error(f"nothing to replay: {_nothing(which)}")
        sys.exit(1)


async def _replay(config: str | None, which: Replay) -> tuple[ReplayResult | Refused, str]:
    """The result, and when its deliveries go out."""
    database = configured_database(config)

    async def by_daemon(file: Path) -> ReplayResult | Refused | Unreachable:
        return await request_replay(file, which)

    async def in_store(store: Store) -> ReplayResult | Refused:
        known = receiver_names(config)
        if which.receiver not in known:
            return Refused(unknown_receiver(which.receiver, known), is_unknown=True)
        async with open_reader(database) as reader:
            if archived := archived_events(which, await reader.first_seq()):
                return Refused(archived)
        return await store.replay(which, store.now())

    return await change_deliveries(database, which.receiver, by_daemon, in_store)


def _with_options(error: str) -> str:
    """The error of a `Replay` with the options of the command in place of the fields."""
    return re.sub(rf"(?:\$\.)?\b({'|'.join(_FIELDS)})\b", lambda found: "--" + found[1].replace("_", "-"), error)


def _nothing(which: Replay) -> str:
    receiver = plain(which.receiver)
    if which.dead:
        return f"no delivery to {receiver} is dead"
    if which.silence is not None:
        return f"the silence {plain(which.silence)} keeps nothing from {receiver}"
    if which.seq is not None:
        return f"{receiver} has no delivery of event {which.seq}; --from-seq {which.seq} --to-seq {which.seq} would make one"
    return "the log has no event in this range"
