"""Owns the restore: a copy of a backup replaces the database, which is kept under another name."""

import os
from collections.abc import Callable
from pathlib import Path

from tracker.core.errors.storage_error import StorageError, UnfitTargetError
from tracker.store.address import default_segments
from tracker.store.database_file_reports import Restored
from tracker.store.sqlite.backups.backup import copy, verified_contents
from tracker.store.sqlite.database.schema import check_any_version, migrate
from tracker.store.sqlite.files.atomic_file import atomic_file
from tracker.store.sqlite.files.displaced_database import displace, undo_displacement
from tracker.store.sqlite.files.lock import hold_database_file, hold_lock_file
from tracker.store.sqlite.files.ownership import prepared_path
from tracker.store.sqlite.files.privileges import as_owner_of


def restore(backup: Path, database: Path, moment: str, segments: Path | None = None) -> Restored:
    """Put a copy of `backup` in the place of `database`; what was there is kept as DATABASE.before-restore-`moment`.

    A backup of an older version is brought up to date. Raises `StorageError`, and then `database` is as it was: where a daemon
    has it (`InUseError`), where the backup is not whole, where there is no room, where another user may have put a link.
    Root reads `backup` as root, and changes what is in the database's directory with the rights of its owner.
    """
    if not backup.exists():
        raise StorageError(f"{backup}: there is no such file")
    segments = segments or default_segments(database)
    database = prepared_path(database)
    if os.path.realpath(backup) == str(database):
        raise UnfitTargetError(f"{backup}: this is the database itself, expected a backup of it")
    with as_owner_of(database.parent), hold_lock_file(database), hold_database_file(database):
        undo_displacement(database)  # what an interrupted restore left half done
        return _restore(backup, database, moment, segments)


def _restore(backup: Path, database: Path, moment: str, segments: Path) -> Restored:
    owner = (database if database.exists() else database.parent).stat()
    with atomic_file(database, owner) as (path, publish):
        copy(backup, path, check_any_version)
        _bring_up_to_date(path, backup)
        contents = verified_contents(backup, path, segments)
        return Restored(contents, _exchange(database, moment, publish))


def _bring_up_to_date(copied: Path, backup: Path) -> None:
    try:
        migrate(copied)
    except StorageError as error:
        raise StorageError(f"{backup}: its copy cannot be brought up to date: {error}") from error


def _exchange(database: Path, moment: str, publish: Callable[[], None]) -> Path | None:
    try:
        displaced = displace(database, moment)
        publish()
    except BaseException:
        undo_displacement(database)
        raise
    return displaced
