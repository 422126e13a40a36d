"""Owns what the formats of a webhook read of an event's JSON: its envelope, and what it is about."""

from typing import Final

import msgspec


class _Data(msgspec.Struct, frozen=True):
    id: str = ""
    account: str = ""
    receiver: str = ""
    replica: str = ""
    silence: str = ""


class EventHead(msgspec.Struct, frozen=True):
    """The envelope of an event without its changes."""

    id: str
    type: str
    seq: int
    account: str
    created_at: int
    timestamp: str
    data: _Data

    @property
    def subject(self) -> str:
        """What it is about: "batch", "account", "receiver", "replica" or "silence"."""
        return self.type.partition(".")[0]

    @property
    def name(self) -> str:
        """The id of the job, or the name of what else it is about."""
        return self.data.id if self.subject == "batch" else getattr(self.data, self.subject, "") or self.account


read_head: Final = msgspec.json.Decoder(EventHead).decode
"""The head of an event's JSON."""
