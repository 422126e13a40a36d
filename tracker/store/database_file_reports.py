"""Owns the reports of backup, restore and verification."""

from pathlib import Path

import msgspec


class Contents(msgspec.Struct, frozen=True):
    """The content of a copy. The log has no gaps, so `events` is also the `seq` of the last event. `size` is in bytes."""

    events: int
    jobs: int
    size: int


class Restored(msgspec.Struct, frozen=True):
    """The content of the restored database, and the path of the displaced one, if there was one."""

    contents: Contents
    displaced: Path | None


class Verification(msgspec.Struct, frozen=True):
    """The numbers of compared events and jobs, and the differences between the log and the table of jobs."""

    events: int
    jobs: int
    differences: tuple[str, ...]
