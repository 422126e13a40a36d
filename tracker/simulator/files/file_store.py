"""Owns the files of a workspace: uploads, files of its jobs, and deletions."""

from collections.abc import Mapping
from uuid import NAMESPACE_OID, uuid5

import msgspec

from tracker.simulator.files.content import Content, UploadedContent
from tracker.simulator.files.job_files import content_of, file_ids, job_file
from tracker.simulator.files.stored_file import StoredFile
from tracker.simulator.job_timeline import JobPlan


class FileQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of a list; None and empty match anything. `search` is a part of the name, in any case."""

    sample_types: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    mimetypes: tuple[str, ...] = ()
    purpose: str | None = None
    search: str | None = None


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """An upload of a client; `expiry` in hours."""

    filename: str
    data: bytes
    purpose: str
    mimetype: str | None = None
    expiry: int | None = None
    visibility: str = "workspace"


class _Line(msgspec.Struct):
    custom_id: str | None = None


class FileStore:
    """The files of a workspace. `at` is always a moment in Unix seconds; jobs that arrive later are to be added by then."""

    def __init__(self, plans: Mapping[str, JobPlan]) -> None:
        """`plans` are the jobs by ID, as they are at any time."""
        self._plans = plans
        self._uploads: dict[str, StoredFile] = {}
        self._custom_ids: dict[str, tuple[str, ...]] = {}
        self._owners: dict[str, tuple[str, str]] = {}  # the job and the kind of each file of a job
        self._contents: dict[str, tuple[JobPlan, Content]] = {}
        self._deleted: set[str] = set()

    def add_job(self, plan: JobPlan) -> None:
        """Make the files of a job known; an input file that was uploaded, or is that of another job too, stays what it is."""
        for file_id, kind in file_ids(plan).items():
            self._owners.setdefault(file_id, (plan.id, kind))

    def upload(self, upload: Upload, at: float) -> StoredFile:
        is_batch = upload.purpose == "batch"
        file = StoredFile(
            id=str(uuid5(NAMESPACE_OID, f"upload {len(self._uploads)} of {upload.filename}")),
            created=at,
            filename=upload.filename,
            content=UploadedContent(upload.data),
            purpose=upload.purpose,
            sample_type="batch_request" if is_batch else "instruct",
            source="upload",
            mimetype=upload.mimetype,
            visibility=upload.visibility,
            expires=None if upload.expiry is None else at + upload.expiry * 3600,
        )
        self._uploads[file.id] = file
        self._custom_ids[file.id] = _custom_ids(upload.data) if is_batch else ()
        return file

    def custom_ids(self, file_id: str) -> tuple[str, ...] | None:
        """The ID of each request of a file that was uploaded for a batch, its number where it has none; or None."""
        return self._custom_ids.get(file_id)

    def get(self, file_id: str, at: float) -> StoredFile | None:
        if file_id in self._deleted:
            return None
        if (uploaded := self._uploads.get(file_id)) is not None:
            return uploaded if uploaded.expires is None or at < uploaded.expires else None
        if file_id not in self._owners:
            return None
        job_id, kind = self._owners[file_id]
        plan = self._plans[job_id]
        return job_file(plan, file_id, kind, self._content(plan, file_id, kind), at)

    def matching(self, query: FileQuery, at: float) -> list[StoredFile]:
        """All files that the query lists, the newest first: those that can be read."""
        files = (self.get(file_id, at) for file_id in (*self._uploads, *self._owners))
        found = {file.id: file for file in files if file and _is_listed(file, query)}
        return sorted(found.values(), key=lambda file: (file.created, file.id), reverse=True)

    def delete(self, file_id: str, at: float) -> bool:
        """Delete the file; returns whether it existed."""
        existed = self.get(file_id, at) is not None
        if existed:
            self._deleted.add(file_id)
        return existed

    def _content(self, plan: JobPlan, file_id: str, kind: str) -> Content:
        """The content of the file; measured once, unless the job's plan changes."""
        known, content = self._contents.get(file_id, (None, None))
        if content is None or known is not plan:
            content = content_of(plan, kind)
            self._contents[file_id] = plan, content
        return content


def _custom_ids(data: bytes) -> tuple[str, ...]:
    lines = [line for line in data.split(b"\n") if line.strip()]
    return tuple(_custom_id(line) or str(place) for place, line in enumerate(lines))


def _custom_id(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=_Line).custom_id
    except msgspec.DecodeError:
        return None


def _is_listed(file: StoredFile, query: FileQuery) -> bool:
    return (
        not file.deleted
        and not file.faults.forbidden
        and (not query.sample_types or file.sample_type in query.sample_types)
        and (not query.sources or file.source in query.sources)
        and (not query.mimetypes or file.mimetype in query.mimetypes)
        and query.purpose in (None, file.purpose)
        and (query.search is None or query.search.lower() in file.filename.lower())
    )
