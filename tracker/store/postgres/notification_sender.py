"""Owns what a commit tells the other processes: the text of a notification, and sending it."""

import hashlib
import secrets
from collections.abc import Collection
from typing import Any, Final, Protocol

import msgspec

_MAX_PAYLOAD: Final = 7000
"""Bytes; PostgreSQL refuses 8000 and more."""


class Signals(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a commit changed. Replicas of other versions read it too: fields are only added."""

    log: bool = False
    archive: bool = False
    leases: bool = False
    receivers: Collection[str] = ()
    """Those that have deliveries to send."""
    commands: Collection[str] = ()
    """The receivers whose deliveries or circuit a command changed."""
    hints: Collection[tuple[str, str]] = msgspec.field(default=(), name="h")
    """Accounts, each with a job that may have changed: no commit, but what a vendor has sent another replica."""
    everything: bool = False
    """Any of it, of any receiver."""
    sender: str = ""


class Connection(Protocol):
    """The part of an asyncpg connection that sending needs."""

    async def execute(self, query: str, *arguments: Any) -> str:
        """Run one statement."""


class NotificationSender:
    """Sends notifications as part of a transaction: PostgreSQL delivers them when it is committed, and never otherwise."""

    def __init__(self, schema: str) -> None:
        self.channel = channel(schema)
        self.origin = secrets.token_hex(8)
        """Marks what this process sent, which its own listener ignores."""

    def payload(self, signals: Signals) -> str:
        """The text of a notification, for `pg_notify` on `channel`."""
        encoded = msgspec.json.encode(msgspec.structs.replace(signals, sender=self.origin))
        if len(encoded) > _MAX_PAYLOAD:
            encoded = msgspec.json.encode(Signals(everything=True, sender=self.origin))
        return encoded.decode()

    async def send(self, connection: Connection, signals: Signals) -> None:
        """Send `signals` when the transaction of `connection` commits."""
        await connection.execute("SELECT pg_notify($1, $2)", self.channel, self.payload(signals))


def channel(schema: str) -> str:
    """The channel of a schema's notifications: of a fixed length, since an identifier has at most 63 bytes."""
    return f"batch_tracker_{hashlib.sha256(schema.encode()).hexdigest()[:16]}"


def parse_signals(payload: str) -> Signals:
    """The signals of a notification; everything if it cannot be read, since waking too often is harmless."""
    try:
        return msgspec.json.decode(payload, type=Signals)
    except msgspec.MsgspecError:
        return Signals(everything=True)
