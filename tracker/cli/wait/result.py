"""Owns the result of `wait` as text: the lines on each job, and the summary."""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, Final

from tracker.cli.formatting import text
from tracker.cli.formatting.output import wrapped
from tracker.cli.wait.state import DELETED, TIMED_OUT, UNKNOWN, Awaited
from tracker.core.events.summary import format_duration, summarize_status
from tracker.core.jobs.job import Job, read_job, time_of
from tracker.core.jobs.request_errors import error_sentences

_FILES: Final = ("output_file", "error_file")
_SUCCEEDED: Final = "success"


def summary(jobs: Collection[Awaited], good: Collection[str], timeout: float | None) -> Iterator[str]:
    """A line for each way in which jobs missed what was waited for; `timeout` is in seconds."""
    results = Counter(each.result for each in jobs if each.result not in good)
    timed_out, unknown, going = (results.pop(result, 0) for result in (TIMED_OUT, UNKNOWN, None))
    if going:
        ids = " ".join(text.plain(each.id[:8]) for each in jobs if each.result is None)
        yield f"no longer waiting; still going on: {ids}"
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
        return [f"{text.plain(awaited.given)}  {never}"]
    head, rest = _verdict(job, awaited.result)
    errors = error_sentences(job, 1) if awaited.result not in (_SUCCEEDED, TIMED_OUT) else []
    files = [f"{name:<11}  {text.plain(job[name])}" for name in _FILES if job.get(name)]
    return [
        *wrapped([f"{text.plain(awaited.id)}  {head}"], indent=""),
        *wrapped([each for each in (rest, *errors, *files) if each]),
    ]


def _verdict(job: dict[str, Any], result: str | None) -> tuple[str, str]:
    """How it stands, in few words, and what there is to say of its requests."""
    if result == DELETED:
        return "Batch deleted", "the API no longer has it"
    if result == TIMED_OUT:
        return f"not over yet: {text.plain(job['status'])}", text.progress(job)
    read = read_job(job)
    said = text.plain(summarize_status(read)) if isinstance(read, Job) else text.plain(job["status"])
    head, _, rest = said.partition(": ")
    ended_at = time_of(job, "completed_at")
    return (f"{head} in {format_duration(ended_at - job['created_at'])}" if ended_at else head), rest


def _which(number: int, jobs: Collection[Awaited]) -> str:
    if len(jobs) == 1:
        return "the job is"
    return f"{number} of {len(jobs)} jobs {'is' if number == 1 else 'are'}"
