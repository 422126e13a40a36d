"""Owns replays on PostgreSQL: deliveries become pending again, missing ones are made, and a disabled receiver is enabled."""

from typing import Final, NamedTuple

import asyncpg
import msgspec

from tracker.core.deliveries.fan_out import stream_of
from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.events.event import Event, iso
from tracker.store.postgres.database.command_status import rows_changed
from tracker.store.postgres.database.text_escape import encode_text
from tracker.store.postgres.database.writer_connection import Database
from tracker.store.postgres.notification_sender import NotificationSender, Signals
from tracker.store.postgres.writing.bounded_statements import BATCH_SIZE, execute_in_batches
from tracker.store.postgres.writing.receivers_table import lock_receiver, probe_now

_AGAIN: Final = """
state = 'pending', attempts = 0, due_at = $2, first_failed_at = NULL, ended_at = NULL, silence = NULL,
replays = deliveries.replays + 1"""

_SOME: Final = f"""
WITH chosen AS (SELECT seq FROM deliveries WHERE receiver = $1 AND %s FOR UPDATE)
UPDATE deliveries SET {_AGAIN} WHERE receiver = $1 AND seq = ANY (ARRAY(SELECT seq FROM chosen))"""  # noqa: S608 - of constants

_ONE: Final = _SOME % "seq = $3"
_DEAD: Final = _SOME % "state = 'dead' ORDER BY seq LIMIT $3"
_SILENCED: Final = _SOME % "silence = $3 AND state = 'superseded' ORDER BY seq LIMIT $4"

_RANGE: Final = f"""
INSERT INTO deliveries (receiver, seq, stream, type, state, attempts, due_at, replays)
SELECT $1, seq, coalesce(others.stream, account || '/' || job), type, 'pending', 0, $2, 1  -- as `stream_of` has it
FROM events LEFT JOIN unnest($7::bigint[], $8::text[]) AS others (seq, stream) USING (seq)
WHERE seq BETWEEN $3 AND $4 AND observed_at >= $5 AND observed_at < $6 ORDER BY seq
ON CONFLICT (receiver, seq) DO UPDATE SET {_AGAIN}"""  # noqa: S608 - of constants

_OTHERS: Final = """
SELECT seq, body FROM events
WHERE seq BETWEEN $1 AND $2 AND observed_at >= $3 AND observed_at < $4 AND type NOT LIKE 'batch.%'"""
"""The events of a range that are not about a job: their streams are in their JSON."""

_BEFORE_ALL_TIMES: Final = ""
_AFTER_ALL_TIMES: Final = "~"
"""Texts that sort so with every time in ISO 8601."""

_LAST_SEQ: Final = "SELECT seq FROM log_head"

_DUE_NOW: Final = """
WITH waits AS (
  SELECT seq FROM deliveries WHERE receiver = $1 AND state = 'pending' AND due_at > $2 AND attempts > 0
  ORDER BY seq LIMIT $3 FOR UPDATE)
UPDATE deliveries SET due_at = $2 WHERE receiver = $1 AND seq = ANY (ARRAY(SELECT seq FROM waits))"""
"""Deliveries that wait for a retry; one that waits to be grouped does not wait for the receiver."""


class _Range(NamedTuple):
    """Events from the seq `first` to `last`, both included, that were observed from `since` on and before `until`."""

    first: int
    last: int
    since: str
    until: str


_decode_event: Final = msgspec.json.Decoder(Event).decode


async def replay(database: Database, notifications: NotificationSender, which: Replay, now: int) -> ReplayResult:
    """Make deliveries pending again, due `now` (Unix milliseconds), with the ids and bytes that they always had.

    A receiver that is failing or disabled is probed at once: the person who requests a replay knows more than the circuit.
    Raises `StorageError`. Other processes are notified; no deliverer of this one is woken.
    """

    async def work(connection: asyncpg.Connection) -> ReplayResult:
        receiver = await lock_receiver(connection, which.receiver)
        deliveries = await _make_pending(connection, which, now)
        if not deliveries and not which.dead:
            return ReplayResult(deliveries=0)
        enabled = await probe_now(connection, which.receiver, receiver.circuit)
        await notifications.send(connection, _changed(which.receiver))
        return ReplayResult(deliveries=deliveries, enabled=enabled)

    return await database.write("replaying deliveries", work)


async def enable(database: Database, notifications: NotificationSender, receiver: str, now: int) -> bool:
    """Probe a receiver that is failing or disabled at once; whether it was disabled.

    Raises `StorageError`. Other processes are notified; no deliverer of this one is woken.
    """

    async def work(connection: asyncpg.Connection) -> bool:
        before = await lock_receiver(connection, receiver)
        disabled = await probe_now(connection, receiver, before.circuit)
        await execute_in_batches(connection, _DUE_NOW, encode_text(receiver), now)
        await notifications.send(connection, _changed(receiver))
        return disabled

    return await database.write("enabling a receiver", work)


def _changed(receiver: str) -> Signals:
    return Signals(receivers=[receiver], commands=[receiver])


async def _make_pending(connection: asyncpg.Connection, which: Replay, now: int) -> int:
    name = encode_text(which.receiver)
    if which.seq is not None:
        return rows_changed(await connection.execute(_ONE, name, now, which.seq))
    if which.dead:
        return await execute_in_batches(connection, _DEAD, name, now)
    if which.silence is not None:
        return await execute_in_batches(connection, _SILENCED, name, now, encode_text(which.silence))
    chosen = _range(which, await connection.fetchval(_LAST_SEQ))
    deliveries = 0
    for first in range(chosen.first, chosen.last + 1, BATCH_SIZE):
        batch = chosen._replace(first=first, last=min(first + BATCH_SIZE - 1, chosen.last))
        deliveries += await _replay_range(connection, name, now, batch)
    return deliveries


async def _replay_range(connection: asyncpg.Connection, name: str, now: int, bounds: _Range) -> int:
    others = [(seq, encode_text(stream_of(_decode_event(body)))) for seq, body in await connection.fetch(_OTHERS, *bounds)]
    seqs, streams = [seq for seq, _ in others], [stream for _, stream in others]
    return rows_changed(await connection.execute(_RANGE, name, now, *bounds, seqs, streams))


def _range(which: Replay, last_seq: int) -> _Range:
    """The range of the log, up to `last_seq`: the transaction may see some of what is appended from now on."""
    return _Range(
        first=which.from_seq or 1,
        last=last_seq if which.to_seq is None else min(which.to_seq, last_seq),
        since=_BEFORE_ALL_TIMES if which.since is None else iso(which.since),
        until=_AFTER_ALL_TIMES if which.until is None else iso(which.until),
    )
