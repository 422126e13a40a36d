"""Results of jobs to record: jobs that have ended with files, and what may have become of these."""

from job_changes import SINCE, seen

from tracker.core.results.archive_outcome import Results
from tracker.core.results.cost import Cost
from tracker.core.results.failure_digest import Digest, FailureGroup
from tracker.core.results.result_file import ArchivedFile, MissingFile
from tracker.core.results.usage import ModelUsage, Usage

NOW = SINCE + 60_000
USED = ModelUsage(requests=9, prompt_tokens=90, completion_tokens=180, total_tokens=270)
SAID = {
    "digest": Digest(failed=1, groups=(FailureGroup(status=429, code="busy", message="wait", count=1, custom_ids=("7",)),)),
    "usage": Usage(total=USED, by_model={"small": USED}),
    "cost": Cost(amounts={"EUR": "0.01"}),
}


def ended(id_="job-1", *, status="SUCCESS", output="out", error=None, **properties):
    """The change of a job that is seen for the first time and has ended, with these files."""
    return seen(id_, status=status, output_file=output, error_file=error, **properties)


def archived_file(file_id="out", kind="output", location=None):
    where = location or f"file:///results/{file_id}.jsonl.zst"
    return ArchivedFile(kind=kind, file_id=file_id, bytes=100, sha256="ab" * 32, lines=10, location=where)


def missing_file(file_id="err", kind="error", reason="gone"):
    return MissingFile(kind=kind, file_id=file_id, reason=reason, detail="HTTP 404")


def results_of(change, *, at=NOW, files=None, missing=(), **said):
    """What became of the files of the job of `change`: its output file is archived, unless other files are given."""
    files = (archived_file(),) if files is None else files
    return Results(account=change.account, job_id=change.known.job.id, archived_at=at, files=files, missing=missing, **said)
