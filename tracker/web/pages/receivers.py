"""Owns the pages `/receivers` and `/receivers/{name}`: where events go, what is pending, what is dead."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.datastructures import QueryParams

from tracker.config import Receiver
from tracker.core.deliveries.circuit import Circuit
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import DeliveryFilter
from tracker.core.queries.pages import DeliveryKey
from tracker.web.api.receivers import receiver_state
from tracker.web.daemon_interface import Tracker
from tracker.web.pages.jobs import Pill
from tracker.web.pages.links import decoded, encoded, link

MAX_DEAD_LETTERS: Final = 10
PAGE_SIZE: Final = 50
STATES: Final = ("pending", "dead", "delivered", "superseded")


async def receivers_page(reader: Reader, tracker: Tracker) -> dict[str, Any]:
    """What `receivers.html` shows: all of them, those that need attention first."""
    circuits = await reader.circuits()
    shown = []
    for receiver in tracker.config.receivers:
        summary = await _summary(reader, receiver, circuits)
        dead = DeliveryFilter(receiver=receiver.name, states=("dead",))
        letters = await reader.deliveries_page(None, dead, MAX_DEAD_LETTERS, newest_first=True) if summary["dead"] else None
        shown.append({**summary, "letters": letters.deliveries if letters else []})
    return {"receivers": sorted(shown, key=lambda each: (each["state"] == "ok", not each["dead"]))}


async def receiver_page(reader: Reader, receiver: Receiver, query: QueryParams) -> dict[str, Any]:
    """What `receiver.html` shows: its deliveries, by state."""
    summary = await _summary(reader, receiver, await reader.circuits())
    states = tuple(state for state in query.getlist("state") if state in STATES)
    place = decoded(query.get("before"), DeliveryKey)
    which = DeliveryFilter(receiver=receiver.name, states=states)
    page = await reader.deliveries_page(place, which, PAGE_SIZE, newest_first=True)
    path = f"/receivers/{receiver.name}"
    counts = {"pending": summary["pending"], "dead": summary["dead"]}
    return {
        "receiver": summary,
        "deliveries": page.deliveries,
        "older": link(path, query, before=encoded(page.next)) if page.next else None,
        "first": link(path, query, before=None),
        "is_later": place is not None,
        "pills": [
            Pill("all", link(path, query, state=None, before=None), not states),
            *(Pill(each, link(path, query, state=each, before=None), states == (each,), counts.get(each)) for each in STATES),
        ],
    }


async def _summary(reader: Reader, receiver: Receiver, circuits: Mapping[str, Circuit]) -> dict[str, Any]:
    return msgspec.structs.asdict(await receiver_state(reader, receiver, circuits))
