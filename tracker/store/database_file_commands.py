"""Owns the operations on a whole database: verification, import, export, and for a file backup, restore, and its use."""

from collections.abc import Iterator
from pathlib import Path

from tracker.store.address import DatabaseAddress, PostgresAddress
from tracker.store.database_file_reports import Contents, Restored, Verification
from tracker.store.transfer.transfer_report import Progress, Transferred


def back_up(database: Path, target: Path, *, overwrite: bool = False, segments: Path | None = None) -> Contents:
    """Copy `database`, as it is at one moment, to `target`; raises `StorageError`, and then `target` is unchanged.

    `UnfitTargetError` if `target` is the database itself, or something that a copy must not replace. The segments are needed
    for the proof that the copy is sound; they are not copied.
    """
    from tracker.store.sqlite.backups.backup import back_up as back_up_sqlite

    return back_up_sqlite(database, target, overwrite=overwrite, segments=segments)


def restore(backup: Path, database: Path, moment: str, segments: Path | None = None) -> Restored:
    """Put a copy of `backup` in the place of `database`; the old one is kept as DATABASE.before-restore-`moment`.

    Raises `StorageError`, and then `database` is unchanged: `InUseError` if a daemon has it, `UnfitTargetError` if `backup` is
    the database itself.
    """
    from tracker.store.sqlite.backups.restore import restore as restore_sqlite

    return restore_sqlite(backup, database, moment, segments)


def verify(database: DatabaseAddress, segments: Path | None = None) -> Verification:
    """Rebuild every job from the log and compare it with the table; raises `StorageError` if it cannot be read.

    The old events of a file are read from the directory `segments`, by default that beside it.
    """
    if isinstance(database, PostgresAddress):
        from tracker.store.postgres.verification.verify import verify as verify_postgres

        return verify_postgres(database)
    from tracker.store.sqlite.verification.verify import verify as verify_sqlite

    return verify_sqlite(database, segments)


def read_segments(database: Path, segments: Path, after: int) -> Iterator[tuple[int, str]]:
    """The events after the seq `after` that were moved out of the file: seq and JSON. Raises `StorageError`."""
    from tracker.store.sqlite.segments.segment_reading import archived_lines

    return archived_lines(database, segments, after)


async def import_file(file: Path, address: PostgresAddress, progress: Progress) -> Transferred:
    """Copy all that the SQLite database `file`, of any schema, holds to `address`, which is empty, or nothing.

    `file` is unchanged. Raises `StorageError` where it is not whole, where a daemon has it (`InUseError`) or a replica runs at
    `address`, and where `address` is not empty or what arrived differs.
    """
    from tracker.store.transfer.import_file import import_file as import_sqlite_file

    return await import_sqlite_file(file, address, progress)


async def export_file(address: PostgresAddress, target: Path, progress: Progress) -> Transferred:
    """Copy all that `address` holds at this moment to the new SQLite file `target`.

    Raises `StorageError`, and then there is no such file; `UnfitTargetError` where `target` is no path for one.
    """
    from tracker.store.transfer.export_file import export_file as export_to_sqlite_file

    return await export_to_sqlite_file(address, target, progress)


def is_in_use(database: Path) -> bool:
    """Whether a process, a daemon or a command that changes something, has the database open for writing."""
    from tracker.store.sqlite.files.lock import is_in_use as is_sqlite_in_use

    return is_sqlite_in_use(database)
