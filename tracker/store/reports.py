"""Owns what backup, restore and verification report of a database."""

from pathlib import Path

import msgspec


class Contents(msgspec.Struct, frozen=True):
    """What a copy holds. The log has no gaps: `events` is the `seq` of the last one, too. `size` is in bytes."""

    events: int
    jobs: int
    size: int


class Restored(msgspec.Struct, frozen=True):
    """What the database holds now, and where the displaced one is kept; None where there was none."""

    contents: Contents
    displaced: Path | None


class Verification(msgspec.Struct, frozen=True):
    """What was compared, and where the log and the table of jobs differ; no difference means that they agree."""

    events: int
    jobs: int
    differences: tuple[str, ...]
