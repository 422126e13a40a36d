"""Owns reading events as they are stored: whole, or in their short form with the whole event that they build on."""

from base64 import urlsafe_b64encode
from typing import Final, NamedTuple

import msgspec

from tracker.core.events.event import Event, encode_event
from tracker.core.events.progress_delta import Place, rebuilt

STORED_EVENT: Final = "e.seq, e.id, e.account, e.observed_at, e.body, (SELECT body FROM events WHERE seq = e.base)"
"""What is selected of the events `e` for a `StoredEvent`, in any engine."""

_decode_event: Final = msgspec.json.Decoder(Event).decode


def short_id(event_id: str) -> str:
    """What the column has in place of the id of an event in its short form: 64 bits of it, by which no event is logged twice.

    The id is a hash of the whole event, and follows from it.
    """
    return "-" + urlsafe_b64encode(bytes.fromhex(event_id.removeprefix("evt_"))[:8]).decode().rstrip("=")


class StoredEvent(NamedTuple):
    """The columns of an event that its JSON follows from. `base` is the JSON of the event that its short form builds on."""

    seq: int
    id: str
    account: str
    observed_at: str
    body: str
    base: str | None

    def whole(self) -> tuple[str, str]:
        """Its id and its JSON, the same on every surface; raises `msgspec.MsgspecError` if the short form cannot be read."""
        if self.base is None:
            return self.id, self.body
        event = self._rebuilt(self.base)
        return event.id, encode_event(event)

    def event(self) -> Event:
        """As a value; raises as `whole`."""
        return _decode_event(self.body) if self.base is None else self._rebuilt(self.base)

    def _rebuilt(self, base: str) -> Event:
        return rebuilt(Place(self.seq, self.account, self.observed_at), self.body, base)
