"""Owns the backup: a verified copy of the database at one moment, made while the daemon writes to it.

SQLite copies the pages step by step within one read transaction: writers neither wait for it nor make it start again. The copy
is a complete database in one file.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

from tracker.core.errors.storage_error import StorageError, UnfitTargetError
from tracker.store.address import default_segments
from tracker.store.database_file_reports import Contents
from tracker.store.sqlite.database.schema import IDENTITY, check, existing_file_uri
from tracker.store.sqlite.files.atomic_file import COMPANIONS, atomic_file
from tracker.store.sqlite.files.ownership import real_path
from tracker.store.sqlite.files.privileges import as_at_start, as_owner_of
from tracker.store.sqlite.verification.verify import verify

_PAGES_AT_ONCE: Final = 2048
"""8 MiB; Ctrl-C waits for one step at most."""

_SIZE: Final = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"


def back_up(database: Path, target: Path, *, overwrite: bool = False, segments: Path | None = None) -> Contents:
    """Copy `database` to `target`; raises `StorageError`, and then `target` is as it was.

    `UnfitTargetError` where it is the database itself, or something that a copy must not replace. Root reads the database as
    root, and writes with the rights of the owner of the target's directory; the copy belongs to that owner.
    """
    target = real_path(target)
    _check_target(target, database, overwrite=overwrite)
    with as_owner_of(target.parent), atomic_file(target) as (path, publish):
        copy(database, path, check)
        contents = verified_contents(database, path, segments or default_segments(database))
        _check_target(target, database, overwrite=overwrite)  # it may have changed meanwhile
        publish()
    return contents


def copy(database: Path, empty: Path, check_identity: Callable[[Path, Iterable[int]], object]) -> None:
    """Fill the file `empty` with what `database` holds at this moment; `check_identity` raises where it is not ours.

    The copy may not have reached the disk when this returns.
    """
    needed = ""
    try:
        with (
            closing(_snapshot(database, check_identity)) as source,
            closing(sqlite3.connect(empty, isolation_level=None)) as target,
        ):
            needed = f" ({source.execute(_SIZE).fetchone()[0]:,} bytes)"
            target.execute("PRAGMA journal_mode = OFF")  # an incomplete copy never gets its name
            target.execute("PRAGMA synchronous = OFF")  # it is synced before it gets its name
            source.backup(target, pages=_PAGES_AT_ONCE)
    except sqlite3.Error as error:
        raise StorageError(f"{database}: cannot be copied to {empty.parent}{needed}, SQLite says: {error}") from error


def _snapshot(database: Path, check_identity: Callable[[Path, Iterable[int]], object]) -> sqlite3.Connection:
    """A connection in a read transaction; its files are opened before privileges are dropped again."""
    with as_at_start():
        source = sqlite3.connect(existing_file_uri(database), uri=True, isolation_level=None)
        try:
            source.execute("BEGIN")
            check_identity(database, source.execute(IDENTITY).fetchone())
        except BaseException:
            source.close()
            raise
    return source


def verified_contents(database: Path, path: Path, segments: Path) -> Contents:
    """What the copy of `database` at `path` holds; it is one file without a WAL from now on.

    Raises `StorageError` unless it is whole and its jobs agree with its log, of which the beginning may be in `segments`.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    result = verify(path, segments)
    if result.differences:
        first, *more = result.differences
        raise StorageError(
            f"{database}: no copy was kept, since the log and the jobs differ in it: {first}"
            + (f"; and {len(more)} more differences" if more else "")
        )
    return Contents(events=result.events, jobs=result.jobs, size=path.stat().st_size)


def _check_target(target: Path, database: Path, *, overwrite: bool) -> None:
    own = [database.with_name(database.name + each) for each in ("", *COMPANIONS, ".lock", ".control")]
    if any(target == Path(os.path.realpath(each)) or _is_same_file(target, each) for each in own):
        raise UnfitTargetError(f"{target}: this belongs to the database itself, expected another file")
    if target.is_dir():
        raise UnfitTargetError(f"{target}: this is a directory, expected a file")
    if not target.exists():
        return
    if not target.is_file():
        raise UnfitTargetError(f"{target}: this is not a regular file, expected one, or none")
    if not overwrite:
        raise StorageError(f"{target}: there is a file already; --force replaces it")


def _is_same_file(target: Path, other: Path) -> bool:
    try:
        return target.samefile(other)
    except OSError:
        return False
