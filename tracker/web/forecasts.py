"""Owns the forecasts that the API and the pages show with jobs, also with those that another replica polls or has polled."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from tracker.core.forecast.deadline_and_rate import Outlook
from tracker.core.jobs.status import RUNNING
from tracker.core.ports.reader import Reader
from tracker.web.daemon_interface import Daemon

MOST_FROM_LOG: Final = 50
"""Jobs of one response whose forecast is read from the log. A further one has no rate and no end."""


async def with_outlooks(daemon: Daemon, reader: Reader, jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The jobs, each with its `deadline_at`, `rate` and `eta`."""
    outlooks = [daemon.outlook(job) for job in jobs]
    is_replica = daemon.health.replica is not None
    missing = [_key(job) for job, outlook in zip(jobs, outlooks, strict=True) if is_replica and _is_missing(outlook, job)]
    events = await reader.last_events("batch.progress", missing[:MOST_FROM_LOG])
    shown = [_from_log(events.get(_key(job)), outlook) for job, outlook in zip(jobs, outlooks, strict=True)]
    return [{**job, **msgspec.structs.asdict(outlook)} for job, outlook in zip(jobs, shown, strict=True)]


async def with_outlook(daemon: Daemon, reader: Reader, job: Mapping[str, Any]) -> dict[str, Any]:
    """The job likewise."""
    (shown,) = await with_outlooks(daemon, reader, [job])
    return shown


def _is_missing(outlook: Outlook, job: Mapping[str, Any]) -> bool:
    """Whether this process has seen too little of a job that progresses: it is, or was, in the memory of another one."""
    return outlook.eta is None and job["status"] == RUNNING and not job["deleted"]


def _key(job: Mapping[str, Any]) -> tuple[str, str]:
    return job["account"], job["id"]


def _from_log(body: str | None, outlook: Outlook) -> Outlook:
    """The outlook with what the last progress event of the job has, which the replica that polled it then has estimated."""
    event = json.loads(body) if body else {}
    if "eta" not in event:
        return outlook
    time = datetime.fromisoformat(event["eta"]) - datetime.fromisoformat(event["observed_at"])
    left = event["data"]["total_requests"] - event["data"]["completed_requests"]
    rate = left / time.total_seconds() if time.total_seconds() > 0 else None
    return msgspec.structs.replace(outlook, eta=event["eta"], rate=rate)
