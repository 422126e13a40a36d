"""Owns the database that is kept aside when a backup takes its place, and taking it back where that was cut short.

Nothing here opens it: it may be damaged, and the reason for all this.
"""

import glob
from collections.abc import Iterator
from os import link
from pathlib import Path
from typing import Final

from tracker.store.sqlite.files.atomic_file import COMPANIONS, sync_directory

_BESIDE: Final = ("-journal", "-wal")
"""What a database that was not closed needs beside it."""


def set_aside(database: Path, moment: str) -> Path | None:
    """Give the database, if there is one, a second name, which is returned, and leave nothing beside it.

    The next one would be taken together with what is left. Until that has the name, `take_back` undoes all this.
    """
    aside = database.with_name(f"{database.name}.before-restore-{moment}")
    kept = [each for each in ("", *_BESIDE) if _beside(database, each).exists()]
    for each in kept:
        link(_beside(database, each), _beside(aside, each), follow_symlinks=False)
    sync_directory(database.parent)
    for each in COMPANIONS:
        _beside(database, each).unlink(missing_ok=True)
    return aside if kept else None


def take_back(database: Path) -> None:
    """Undo a `set_aside` after which no other database got the name, be it that the process was killed; else do nothing."""
    for aside in list(_asides(database)):
        for each in _BESIDE:
            if (kept := _beside(aside, each)).exists():
                kept.replace(_beside(database, each))
                kept.unlink(missing_ok=True)  # two names of one file are both still there
        sync_directory(database.parent)
        aside.unlink()


def _asides(database: Path) -> Iterator[Path]:
    """The second names of what has the name still."""
    names = database.parent.glob(f"{glob.escape(database.name)}.before-restore-*")
    return (each for each in names if not each.is_symlink() and database.exists() and each.samefile(database))


def _beside(database: Path, suffix: str) -> Path:
    return database.with_name(database.name + suffix)
