"""Owns the pages `/receivers` and `/receivers/{name}`: their states and deliveries."""

from typing import Any, Final

import msgspec
from starlette.datastructures import QueryParams

from tracker.config import Receiver
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import DeliveryFilter
from tracker.core.queries.pagination import DeliveryKey
from tracker.web.api.receivers import Receiver as State
from tracker.web.api.receivers import receiver_holders, receiver_state
from tracker.web.daemon_interface import Daemon
from tracker.web.pages.rendering.filter_pills import Pill
from tracker.web.pages.rendering.links import link
from tracker.web.pages.rendering.page_cursors import decode_cursor, encode_cursor

MAX_DEAD_LETTERS: Final = 10
PAGE_SIZE: Final = 50
STATES: Final = ("pending", "dead", "delivered", "superseded", "silenced")


async def receivers_page(reader: Reader, daemon: Daemon) -> dict[str, Any]:
    """The variables of `receivers.html`: all receivers, those with problems first."""
    circuits, holders = await reader.circuits(), await receiver_holders(reader)
    shown = []
    for receiver in daemon.config.receivers:
        summary = _summary(await receiver_state(reader, receiver, circuits, holders))
        dead = DeliveryFilter(receiver=receiver.name, states=("dead",))
        letters = await reader.deliveries_page(None, dead, MAX_DEAD_LETTERS, newest_first=True) if summary["dead"] else None
        shown.append({**summary, "letters": letters.deliveries if letters else []})
    return {"receivers": sorted(shown, key=lambda each: (each["state"] == "ok", not each["dead"]))}


async def receiver_page(reader: Reader, receiver: Receiver, query: QueryParams) -> dict[str, Any]:
    """The variables of `receiver.html`: the deliveries of the receiver, by state."""
    summary = _summary(await receiver_state(reader, receiver, await reader.circuits(), await receiver_holders(reader)))
    states = tuple(state for state in query.getlist("state") if state in STATES)
    place = decode_cursor(query.get("before"), DeliveryKey)
    which = DeliveryFilter(receiver=receiver.name, states=states)
    page = await reader.deliveries_page(place, which, PAGE_SIZE, newest_first=True)
    path = f"/receivers/{receiver.name}"
    counts = {"pending": summary["pending"], "dead": summary["dead"]}
    return {
        "receiver": summary,
        "deliveries": page.deliveries,
        "older": link(path, query, before=encode_cursor(page.next)) if page.next else None,
        "first": link(path, query, before=None),
        "is_later": place is not None,
        "pills": [
            Pill("all", link(path, query, state=None, before=None), not states),
            *(Pill(each, link(path, query, state=each, before=None), states == (each,), counts.get(each)) for each in STATES),
        ],
    }


def _summary(state: State) -> dict[str, Any]:
    """The state as the pages have it; `replica` is None where none serves the receiver."""
    return msgspec.structs.asdict(state) | {"replica": state.replica or None}
