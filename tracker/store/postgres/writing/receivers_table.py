"""Owns the table of receivers: the circuit of each, and how often commands have changed it, which its deliverer compares."""

from typing import Any, Final, NamedTuple

import asyncpg

from tracker.core.deliveries.circuit import Circuit
from tracker.store.postgres.database.text_escape import decode_text, encode_text

CIRCUIT: Final = (
    "SELECT failures, since, quiet_until, asked_until, reason, detail, disabled, commands FROM receivers WHERE name = $1"
)

_LOCK: Final = f"{CIRCUIT} FOR UPDATE"

_INSERT: Final = """
INSERT INTO receivers (name, failures, quiet_until, asked_until, reason, detail, disabled) VALUES ($1, 0, 0, 0, '', '', false)
ON CONFLICT DO NOTHING"""

_COMMAND: Final = """
UPDATE receivers SET failures = $2, quiet_until = $3, asked_until = $4, disabled = $5, commands = commands + 1
WHERE name = $1"""


class ReceiverRow(NamedTuple):
    """A receiver's circuit, and how many `commands` have changed it or its deliveries."""

    circuit: Circuit
    commands: int


def decode_receiver(row: Any) -> ReceiverRow:
    failures, since, quiet_until, asked_until, reason, detail, disabled, commands = row
    circuit = Circuit(
        failures=failures,
        since=since,
        quiet_until=quiet_until,
        asked_until=asked_until,
        reason=decode_text(reason),
        detail=decode_text(detail),
        disabled=disabled,
    )
    return ReceiverRow(circuit, commands)


async def lock_receiver(connection: asyncpg.Connection, receiver: str) -> ReceiverRow:
    """Within a transaction: the row of `receiver`, locked; it is inserted where there is none.

    Whatever changes deliveries of a receiver, but for appending, locks its row first. So none of them waits for another twice.
    """
    while (row := await connection.fetchrow(_LOCK, encode_text(receiver))) is None:
        await connection.execute(_INSERT, encode_text(receiver))
    return decode_receiver(row)


async def probe_now(connection: asyncpg.Connection, receiver: str, before: Circuit) -> bool:
    """Within a transaction that has the receiver locked, for a command: probe it now if it is failing or disabled.

    Returns whether it was disabled.
    """
    after = before.probed_now()
    row = (after.failures, after.quiet_until, after.asked_until, after.disabled)
    await connection.execute(_COMMAND, encode_text(receiver), *row)
    return before.disabled
