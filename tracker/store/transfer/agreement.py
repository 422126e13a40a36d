"""Owns the check that a database may be transferred: its log and its jobs agree."""

from pathlib import Path

from tracker.core.errors.storage_error import StorageError
from tracker.store.sqlite.verification.verify import verify


def check_agreement(path: Path, refusal: str) -> None:
    """Verify the database file; where the log and the jobs differ, raise `StorageError`, which begins with `refusal`."""
    differences = verify(path).differences
    if differences:
        more = f"; and {len(differences) - 1} more differences" if differences[1:] else ""
        raise StorageError(f"{refusal}, since the log and the jobs differ in it: {differences[0]}{more}")
