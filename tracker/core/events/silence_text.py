"""Owns what a message says of the end of a silence: the jobs of which something was missed, a line for each."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tracker.core.events.event_type_table import BY_NAME
from tracker.core.events.page_path import page_path

ENDED: Final = "silence.ended"


def about_silence(data: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """The labels and values of a silence; `data` is that of one of its events."""
    yield "Reason", data.get("reason")
    yield "Silenced", data.get("scope")
    yield "Maintenance window", data.get("window")
    yield "Since", data.get("since")
    yield "Until", data.get("until")
    yield "Ended", data.get("ended_at")


def missed_jobs(data: Mapping[str, Any], external_url: str | None = None) -> Iterator[str]:
    """A line for each job that is named, the worst first, with its page if the pages are at `external_url`."""
    jobs = data.get("jobs")
    for job in jobs if isinstance(jobs, list) else ():
        if isinstance(job, dict):
            yield _missed_job(job, external_url)
    if omitted := data.get("jobs_omitted"):
        yield f"and {omitted:,} more {'job' if omitted == 1 else 'jobs'}"


def _missed_job(job: Mapping[str, Any], external_url: str | None) -> str:
    account, id_ = str(job.get("account", "")), str(job.get("id", ""))
    link = external_url + page_path("batch.", account, id_) if external_url and id_ else ""
    parts = (_came_to(job), job.get("model"), account, id_, job.get("error"), link)
    return " · ".join(str(part) for part in parts if part)


def _came_to(job: Mapping[str, Any]) -> str:
    """What happened to the job: 900 of 1,000 requests failed may hide behind a success."""
    known = BY_NAME.get(str(job.get("type")))
    words = known.counted_as if known else str(job.get("type"))
    failed, total = job.get("failed_requests"), job.get("total_requests")
    if isinstance(failed, int) and isinstance(total, int) and failed:
        return f"{words}, {failed:,} of {total:,} requests failed"
    return words
