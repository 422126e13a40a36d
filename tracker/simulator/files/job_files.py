"""Owns the files of a simulated job: its input file, unless a client uploaded it, and its result files once it is over."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from tracker.simulator.files.content import Content, GeneratedContent, ShortenedContent
from tracker.simulator.files.openai_lines import openai_lines
from tracker.simulator.files.result_lines import Counters, request_lines, result_lines
from tracker.simulator.files.stored_file import StoredFile
from tracker.simulator.job_timeline import JobPlan, job_at, result_file

RESULT_KINDS: Final = ("output", "error")
SAMPLE_TYPES: Final = {"input": "batch_request", "output": "batch_result", "error": "batch_error"}
UPLOADED_BEFORE: Final = 1.0
"""Seconds between the upload of an input file and the creation of its job."""


def file_ids(plan: JobPlan) -> dict[str, str]:
    """The kind ("input", "output", "error") of each file that the job has or may come to have, by ID."""
    return dict.fromkeys(plan.input_files, "input") | {result_file(plan, kind): kind for kind in RESULT_KINDS}


def content_of(plan: JobPlan, kind: str) -> Content:
    """The content of a file of the job: the same at any moment at which the file exists."""
    if kind == "input":
        return GeneratedContent(partial(request_lines, plan))
    whole = GeneratedContent(_lines(plan, kind))
    return ShortenedContent(whole, plan.file_faults.missing) if plan.file_faults.missing else whole


def _lines(plan: JobPlan, kind: str) -> Callable[[], Iterable[bytes]]:
    job = job_at(plan, plan.ended + plan.settling)
    if plan.as_openai:
        return partial(openai_lines, plan, kind, job.model)
    counters = Counters(job.succeeded_requests, job.failed_requests)
    return partial(result_lines, plan, kind, counters, job.model)


def job_file(plan: JobPlan, file_id: str, kind: str, content: Content, at: float) -> StoredFile | None:
    """The file at `at`; None before it exists and after it is gone."""
    if kind == "input":
        created = plan.created - UPLOADED_BEFORE
        name = f"{plan.id}_input.jsonl"
        return (
            StoredFile(id=file_id, created=created, filename=name, source="upload", content=content) if created <= at else None
        )
    job, faults = job_at(plan, at), plan.file_faults
    if file_id not in (job.output_file, job.error_file):
        return None
    appeared = plan.ended + plan.settling
    gone_at = None if faults.gone_after is None else appeared + faults.gone_after
    is_gone = gone_at is not None and at >= gone_at
    if is_gone and faults.expires:
        return None
    return StoredFile(
        id=file_id,
        created=appeared,
        filename=f"{plan.id}_{kind}.jsonl",
        sample_type=SAMPLE_TYPES[kind],
        content=content,
        expires=gone_at if faults.expires else None,
        deleted=is_gone,
        faults=faults,
    )
