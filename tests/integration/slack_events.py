"""Owns deliveries of events to Slack, as the outbox hands them out."""

import msgspec

from tracker.core.deliveries.delivery import Delivery
from tracker.core.deliveries.fan_out import stream_of
from tracker.core.events.event import batch_event, plain_event
from tracker.core.jobs.job_reading import read_job

NOW = 1_750_861_214_312
"""Unix milliseconds: 2025-06-25T14:20:14.312Z."""

TOTAL = 100
STATUSES = {"batch.created": "QUEUED", "batch.completed": "SUCCESS", "batch.failed": "FAILED"}


def delivery(seq, type_, id_="job-1", done=0, was=None, **more):
    """The delivery of event `seq`: `type_` of job `id_`, `done` of its requests have succeeded; `more` keys."""
    status = STATUSES.get(type_, "RUNNING")
    counters = {"total_requests": TOTAL, "completed_requests": done, "succeeded_requests": done, "failed_requests": 0}
    job = read_job({"id": id_, "status": status, "created_at": NOW // 1000 - 600, "model": "small"} | counters)
    changes = {"status": (was, status)} if was else {}
    return handed_out(seq, batch_event(type_, "default", job, changes, NOW), **more)


def of_account(seq, type_="account.unreachable"):
    data = {"account": "default", "reason": "network", "detail": "refused", "since": "2025-06-25T14:20:10.000Z"}
    return handed_out(seq, plain_event(type_, "default", data, NOW))


def handed_out(seq, event, **more):
    body = msgspec.json.encode(msgspec.to_builtins(event) | {"seq": seq} | more).decode()
    return Delivery(
        receiver="channel", seq=seq, event_id=event.id, type=event.type, stream=stream_of(event), attempts=0, body=body
    )
