"""Owns the way back: a copy of a backup in the place of the database, which is kept aside."""

import os
from pathlib import Path
from typing import Final

import msgspec

from tracker.core.ports import StorageError
from tracker.store.backup import Contents, UnfitTargetError, copy, proved
from tracker.store.lock import give_to_owner_of, held, locked
from tracker.store.partial import COMPANIONS, partial, sync_directory
from tracker.store.schema import check_any_version, migrate
from tracker.store.writer import place

_NEEDED: Final = ("", "-journal", "-wal")
"""The database, and what one that was not closed needs beside it."""


class Restored(msgspec.Struct, frozen=True):
    """What the database holds now, and where the one is that it was; None where there was none."""

    contents: Contents
    aside: Path | None


def restore(backup: Path, database: Path, moment: str) -> Restored:
    """Put a copy of `backup` in the place of `database`; what was there is kept as DATABASE.before-restore-`moment`.

    A backup of an older version is brought up to date. Raises `StorageError`, and then `database` is as it was: where a daemon
    has it (`InUseError`), where the backup is not whole, where there is no room.
    """
    if not backup.exists():
        raise StorageError(f"{backup}: there is no such file")
    database = place(database)
    if os.path.realpath(backup) == str(database):
        raise UnfitTargetError(f"{backup}: this is the database itself, expected a backup of it")
    with locked(database), held(database), partial(database) as (path, give_the_name):
        copy(backup, path, check_any_version)
        _bring_up_to_date(path, backup)
        contents = proved(backup, path)
        give_to_owner_of(database if database.exists() else database.parent, path)
        aside = _set_aside(database, database.with_name(f"{database.name}.before-restore-{moment}"))
        give_the_name()
    return Restored(contents, aside)


def _bring_up_to_date(copied: Path, backup: Path) -> None:
    try:
        migrate(copied)
    except StorageError as error:
        raise StorageError(f"{backup}: its copy cannot be brought up to date: {error}") from error


def _set_aside(database: Path, aside: Path) -> Path | None:
    """Give the database a second name, and leave nothing beside it that the next one would be taken together with.

    It is not so much as opened: it may be damaged, and the reason for all this.
    """
    kept = [each for each in _NEEDED if database.with_name(database.name + each).exists()]
    for each in kept:
        os.link(database.with_name(database.name + each), aside.with_name(aside.name + each))
    sync_directory(database.parent)
    for companion in COMPANIONS:
        database.with_name(database.name + companion).unlink(missing_ok=True)
    return aside if kept else None
