"""Owns the displaced database: a restore keeps the old one under another name, and an interrupted restore is undone.

Nothing here opens the database: it may be damaged, which may be why it is replaced.
"""

import glob
from collections.abc import Iterator
from os import link
from pathlib import Path
from typing import Final

from tracker.runtime.directory_sync import sync_directory
from tracker.store.sqlite.files.atomic_file import COMPANIONS

_BESIDE: Final = ("-journal", "-wal")
"""The files that a database needs next to it if it was not closed."""


def displace(database: Path, moment: str) -> Path | None:
    """Give the database, if there is one, a second name, which is returned, and leave no companion file next to the first.

    The database that takes its place would be read together with them. Until it has the name, `undo_displacement` undoes this.
    """
    displaced = database.with_name(f"{database.name}.before-restore-{moment}")
    kept = [each for each in ("", *_BESIDE) if _beside(database, each).exists()]
    for each in kept:
        link(_beside(database, each), _beside(displaced, each), follow_symlinks=False)
    sync_directory(database.parent)
    for each in COMPANIONS:
        _beside(database, each).unlink(missing_ok=True)
    return displaced if kept else None


def undo_displacement(database: Path) -> None:
    """Undo a `displace` after which no other database got the name, as when the process was killed; else do nothing."""
    for displaced in list(_second_names(database)):
        for each in _BESIDE:
            if (kept := _beside(displaced, each)).exists():
                kept.replace(_beside(database, each))
                kept.unlink(missing_ok=True)  # two names of one file are both still there
        sync_directory(database.parent)
        displaced.unlink()


def _second_names(database: Path) -> Iterator[Path]:
    """The second names of the database that still has its first."""
    names = database.parent.glob(f"{glob.escape(database.name)}.before-restore-*")
    return (each for each in names if not each.is_symlink() and database.exists() and each.samefile(database))


def _beside(database: Path, suffix: str) -> Path:
    return database.with_name(database.name + suffix)
