"""Owns the backup: a copy of the database as it is at one moment, made while it is written to, and proved.

SQLite copies the pages, step by step, within one reading of the file: what is written meanwhile neither waits for it nor makes
it begin again. The copy is a database that needs no other file.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

from tracker.core.errors.storage_error import StorageError, UnfitTargetError
from tracker.store.reports import Contents
from tracker.store.sqlite.database.schema import IDENTITY, check, to_read
from tracker.store.sqlite.files.atomic_file import COMPANIONS, partial
from tracker.store.sqlite.files.ownership import real_path
from tracker.store.sqlite.files.privileges import as_at_start, as_owner_of
from tracker.store.sqlite.proof.verify import verify

_PAGES_AT_ONCE: Final = 2048
"""8 MiB; Ctrl-C waits for no more."""

_SIZE: Final = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"


def back_up(database: Path, target: Path, *, overwrite: bool = False) -> Contents:
    """Copy `database` to `target`; raises `StorageError`, and then `target` is as it was.

    `UnfitTargetError` where it is the database itself, or something that a copy must not replace. Root reads the database as
    root, and writes with the rights of the owner of the target's directory, to whom the copy belongs.
    """
    target = real_path(target)
    _check(target, database, overwrite=overwrite)
    with as_owner_of(target.parent), partial(target) as (path, give_the_name):
        copy(database, path, check)
        contents = proved(database, path)
        _check(target, database, overwrite=overwrite)  # a while has passed
        give_the_name()
    return contents


def copy(database: Path, empty: Path, known: Callable[[Path, Iterable[int]], object]) -> None:
    """Fill the file `empty` with what `database` holds at this moment; `known` judges its identity.

    It may not have reached the disk when this returns.
    """
    needed = ""
    try:
        with (
            closing(_snapshot(database, known)) as source,
            closing(sqlite3.connect(empty, isolation_level=None)) as target,
        ):
            needed = f" ({source.execute(_SIZE).fetchone()[0]:,} bytes)"
            target.execute("PRAGMA journal_mode = OFF")  # what is not whole has no name
            target.execute("PRAGMA synchronous = OFF")  # it reaches the disk before it gets its name
            source.backup(target, pages=_PAGES_AT_ONCE)
    except sqlite3.Error as error:
        raise StorageError(f"{database}: cannot be copied to {empty.parent}{needed}, SQLite says: {error}") from error


def _snapshot(database: Path, known: Callable[[Path, Iterable[int]], object]) -> sqlite3.Connection:
    """A connection that reads the database as it is now, in a transaction; its files are open, whoever opens others next."""
    with as_at_start():
        source = sqlite3.connect(to_read(database), uri=True, isolation_level=None)
        try:
            source.execute("BEGIN")
            known(database, source.execute(IDENTITY).fetchone())
        except BaseException:
            source.close()
            raise
    return source


def proved(database: Path, path: Path) -> Contents:
    """What the copy of `database` at `path` holds, one file without a WAL from now on.

    Raises `StorageError` unless it is whole and its jobs are what its log says.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    verdict = verify(path)
    if verdict.differences:
        first, *more = verdict.differences
        raise StorageError(
            f"{database}: no copy was kept, since the log and the jobs differ in it: {first}"
            + (f"; and {len(more)} more differences" if more else "")
        )
    return Contents(events=verdict.events, jobs=verdict.jobs, size=path.stat().st_size)


def _check(target: Path, database: Path, *, overwrite: bool) -> None:
    own = [database.with_name(database.name + each) for each in ("", *COMPANIONS, ".lock", ".control")]
    if any(target == Path(os.path.realpath(each)) or _same(target, each) for each in own):
        raise UnfitTargetError(f"{target}: this belongs to the database itself, expected another file")
    if target.is_dir():
        raise UnfitTargetError(f"{target}: this is a directory, expected a file")
    if not target.exists():
        return
    if not target.is_file():
        raise UnfitTargetError(f"{target}: this is not a regular file, expected one, or none")
    if not overwrite:
        raise StorageError(f"{target}: there is a file already; --force replaces it")


def _same(target: Path, other: Path) -> bool:
    try:
        return target.samefile(other)
    except OSError:
        return False
