"""Owns what commands do with a database file as a whole: copy it, put a copy in its place, verify it, ask who has it."""

from pathlib import Path

from tracker.store.reports import Contents, Restored, Verification


def back_up(database: Path, target: Path, *, overwrite: bool = False) -> Contents:
    """Copy `database`, as it is at one moment, to `target`; raises `StorageError`, and then `target` is as it was.

    `UnfitTargetError` where `target` is the database itself, or something that a copy must not replace.
    """
    from tracker.store.sqlite.copies.backup import back_up as back_up_sqlite

    return back_up_sqlite(database, target, overwrite=overwrite)


def restore(backup: Path, database: Path, moment: str) -> Restored:
    """Put a copy of `backup` in the place of `database`; the old one is kept as DATABASE.before-restore-`moment`.

    Raises `StorageError`, and then `database` is as it was: `InUseError` where a daemon has it, `UnfitTargetError` where
    `backup` is the database itself.
    """
    from tracker.store.sqlite.copies.restore import restore as restore_sqlite

    return restore_sqlite(backup, database, moment)


def verify(database: Path) -> Verification:
    """Rebuild every job from the log and compare it with the table; raises `StorageError` where it cannot be read."""
    from tracker.store.sqlite.verification.verify import verify as verify_sqlite

    return verify_sqlite(database)


def is_in_use(database: Path) -> bool:
    """Whether a process, a daemon or a command that changes something, has the database open for writing."""
    from tracker.store.sqlite.files.lock import is_in_use as is_sqlite_in_use

    return is_sqlite_in_use(database)
