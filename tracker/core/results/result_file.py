"""Owns the result files of a job: their kinds, the API's facts about them, and the outcome of archiving each."""

from typing import Final, Literal

import msgspec

from tracker.core.jobs.job import Job

FileKind = Literal["output", "error"]
MissingReason = Literal["gone", "forbidden", "too_large", "failed"]

KINDS: Final[tuple[FileKind, ...]] = ("output", "error")


class ResultFile(msgspec.Struct, frozen=True):
    """A file that a job names."""

    kind: FileKind
    file_id: str


class FileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The API's facts about a file (`GET /v1/files/{id}`); None for a fact that it does not give.

    `lines` is its `num_lines`; `expires_at` is Unix seconds.
    """

    bytes: int | None = None
    lines: int | None = None
    expires_at: int | None = None
    deleted: bool = False


class ArchivedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file in the archive, its fields those of the event's JSON.

    `bytes`, `sha256` (hexadecimal) and `lines` (without blank ones) are of the content as the API gave it, which may be stored
    compressed. `location` is a URL such as "file:///var/lib/batch-tracker/results/x.jsonl.zst" or "s3://bucket/x.jsonl.zst".
    """

    kind: FileKind
    file_id: str
    bytes: int
    sha256: str
    lines: int
    location: str


class MissingFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that could not be archived, its fields those of the event's JSON.

    "gone": the API has no such file. "forbidden": the key may not read it. "too_large": it is over `max_file`. "failed": every
    attempt failed until it was given up. `detail` is a sentence for a person, with nothing of the content.
    """

    kind: FileKind
    file_id: str
    reason: MissingReason
    detail: str = ""


def files_of(job: Job) -> tuple[ResultFile, ...]:
    """The files that `job` names, the output file first; null and "" are absent."""
    named: dict[FileKind, str | None] = {"output": job.output_file, "error": job.error_file}
    return tuple(ResultFile(kind, named[kind] or "") for kind in KINDS if named[kind])
