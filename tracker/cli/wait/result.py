"""Owns the result of `wait` as text: the lines on each job, and the summary."""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, Final

from tracker.cli.formatting import job_description
from tracker.cli.formatting.printing import wrapped
from tracker.cli.wait.state import DELETED, SUCCEEDED, TIMED_OUT, UNKNOWN, Awaited
from tracker.core.events.summary import format_duration, summarize_status
from tracker.core.jobs.job import Job
from tracker.core.jobs.job_reading import read_job, time_of
from tracker.core.jobs.native import named_vendor
from tracker.core.jobs.short_id import short_id
from tracker.core.results.error_sentences import frequent_errors
from tracker.core.text.escaping import plain

_FILES: Final = ("output_file", "error_file")


def summary(jobs: Collection[Awaited], good: Collection[str], timeout: float | None) -> Iterator[str]:
    """A line for each kind of bad result; `timeout` is in seconds."""
    results = Counter(each.result for each in jobs if each.result not in good)
    timed_out, unknown, going = (results.pop(result, 0) for result in (TIMED_OUT, UNKNOWN, None))
    if going:
        ids = " ".join(plain(short_id(each.id)) for each in jobs if each.result is None)
        yield f"no longer waiting; still active: {ids}"
        return
    if unknown:
        yield f"{_which(unknown, jobs)} unknown"
    if results:
        verb = "did not succeed in full"
        yield f"the job {verb}" if len(jobs) == 1 else f"{results.total()} of {len(jobs)} jobs {verb}"
        if {*results} == {"partial"}:
            yield "--allow-partial counts a partial success as a success"
    if timed_out:
        yield f"{_which(timed_out, jobs)} not over after the --timeout of {format_duration(timeout or 0)}"


def result_lines(awaited: Awaited) -> list[str]:
    """How the job ended, in lines of at most 80 columns: its ID first, then why, then each file that there is to download."""
    job = awaited.job
    if job is None:
        never = "not seen before the time-out" if awaited.result == TIMED_OUT else "there is no such job"
        return [f"{plain(awaited.given)}  {never}"]
    head, rest = _verdict(job, awaited.result)
    vendor = f"  {plain(named)}" if (named := named_vendor(job)) else ""
    errors = frequent_errors(job, awaited.digest) if awaited.result not in (SUCCEEDED, TIMED_OUT) else []
    files = [f"{name:<11}  {plain(job[name])}" for name in _FILES if job.get(name)]
    return [
        *wrapped([f"{plain(awaited.id)}{vendor}  {head}"], indent=""),
        *wrapped([each for each in (rest, *errors, *files) if each]),
    ]


def _verdict(job: dict[str, Any], result: str | None) -> tuple[str, str]:
    """The state of the job in a few words, and its requests."""
    if result == DELETED:
        return "Batch deleted", "the API no longer has it"
    if result == TIMED_OUT:
        return f"not over yet: {plain(job['status'])}", job_description.progress(job)
    read = read_job(job)
    summary = plain(summarize_status(read)) if isinstance(read, Job) else plain(job["status"])
    head, _, rest = summary.partition(": ")
    ended_at = time_of(job, "completed_at")
    return (f"{head} in {format_duration(ended_at - job['created_at'])}" if ended_at else head), rest


def _which(number: int, jobs: Collection[Awaited]) -> str:
    if len(jobs) == 1:
        return "the job is"
    return f"{number} of {len(jobs)} jobs {'is' if number == 1 else 'are'}"
