"""Owns a file as the files API shows it."""

from hashlib import blake2b
from typing import Any, Final

import msgspec

from tracker.simulator.files.content import Content
from tracker.simulator.job_timeline import FileFaults

NO_FAULTS: Final = FileFaults()


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file at a moment. `created` and `expires` are moments; `deleted` is one of which only the description is left."""

    id: str
    created: float
    filename: str
    content: Content
    purpose: str = "batch"
    sample_type: str = "batch_request"
    source: str = "mistral"
    mimetype: str | None = "application/jsonl"
    visibility: str = "workspace"
    expires: float | None = None
    deleted: bool = False
    faults: FileFaults = NO_FAULTS

    def to_data(self) -> dict[str, Any]:
        """The file as a list shows it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": _wrong_by(self.content.size, self.faults.wrong_bytes),
            "created_at": int(self.created),
            "filename": self.filename,
            "purpose": self.purpose,
            "sample_type": self.sample_type,
            "num_lines": _wrong_by(self.content.lines, self.faults.wrong_lines),
            "mimetype": self.mimetype,
            "source": self.source,
            "signature": blake2b(self.id.encode(), digest_size=8).hexdigest(),
            "expires_at": None if self.expires is None else int(self.expires),
            "visibility": self.visibility,
        }


def _wrong_by(number: int, error: int | None) -> int | None:
    return None if error is None else max(0, number + error)
