"""Owns the labels of statuses, outcomes, events and states on the pages: icon, text and tone."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tracker.core.events.event_type_table import EVENT_TYPES, TYPE_OF_STATUS
from tracker.core.jobs.status import (
    CANCELLATION_REQUESTED,
    CANCELLED,
    FAILED,
    QUEUED,
    RUNNING,
    SUCCESS,
    TIMEOUT_EXCEEDED,
)


class StatusLabel(NamedTuple):
    """An icon of `icons.html`, a text, and a tone of `page.css`; the tone alone never carries the meaning."""

    icon: str
    text: str
    tone: str


_BY_STATUS: Final[Mapping[str, StatusLabel]] = {
    QUEUED: StatusLabel("queued", "queued", "mute"),
    RUNNING: StatusLabel("running", "running", "run"),
    CANCELLATION_REQUESTED: StatusLabel("cancelling", "cancelling", "warn"),
    SUCCESS: StatusLabel("ok", "succeeded", "ok"),
    FAILED: StatusLabel("failed", "failed", "bad"),
    TIMEOUT_EXCEEDED: StatusLabel("expired", "out of time", "bad"),
    CANCELLED: StatusLabel("cancelled", "cancelled", "mute"),
}
_BY_OUTCOME: Final[Mapping[str, StatusLabel]] = {
    "success": _BY_STATUS[SUCCESS],
    "partial": StatusLabel("partial", "partial", "warn"),
    "all_failed": StatusLabel("failed", "all failed", "bad"),
    "empty": StatusLabel("ok", "empty", "mute"),
}
_BY_EVENT_TYPE: Final = {each.name: StatusLabel(each.icon, each.label, each.tone) for each in EVENT_TYPES}
_BY_STATE: Final[Mapping[str, StatusLabel]] = {
    "pending": StatusLabel("queued", "pending", "run"),
    "delivered": StatusLabel("ok", "delivered", "ok"),
    "dead": StatusLabel("failed", "dead", "bad"),
    "superseded": StatusLabel("cancelled", "superseded", "mute"),
    "silenced": StatusLabel("cancelling", "silenced", "mute"),
    "ok": StatusLabel("ok", "delivering", "ok"),
    "failing": StatusLabel("alert", "failing", "bad"),
    "disabled": StatusLabel("cancelled", "disabled", "bad"),
}


def label_of_status(status: str) -> StatusLabel:
    if known := _BY_STATUS.get(status):
        return known
    reached = TYPE_OF_STATUS.get(status)
    return _BY_EVENT_TYPE[reached.name] if reached else StatusLabel("unknown", status, "warn")


def label_of_job(job: Mapping[str, Any]) -> StatusLabel:
    """The label of its outcome, else of its status; a deleted job is labelled as deleted."""
    if job.get("deleted"):
        return _BY_EVENT_TYPE["batch.deleted"]
    return _BY_OUTCOME.get(job.get("outcome") or "") or label_of_status(job["status"])


def label_of_event(event: Mapping[str, Any]) -> StatusLabel:
    known = _BY_EVENT_TYPE.get(event["type"]) or StatusLabel("unknown", event["type"], "mute")
    outcome = _BY_OUTCOME.get(event.get("outcome") or "")
    return known._replace(icon=outcome.icon, tone=outcome.tone) if outcome else known


def label_of_state(state: str) -> StatusLabel:
    """The label of the state of a delivery or a receiver."""
    return _BY_STATE.get(state) or StatusLabel("unknown", state, "mute")
