"""Owns how a command changes deliveries: it asks the running daemon, and writes itself only where none is running."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from tracker.daemon.control import NotReached, Refused
from tracker.store.sqlite.database.schema import to_read
from tracker.store.sqlite.files.lock import InUseError
from tracker.store.sqlite.files.ownership import real_path
from tracker.store.sqlite.files.privileges import as_owner_of
from tracker.store.sqlite.writing.store import SqliteStore, open_store

Done = TypeVar("Done")


async def change(
    database: Path,
    ask: Callable[[], Awaitable[Done | Refused | NotReached]],
    alone: Callable[[SqliteStore], Awaitable[Done | Refused]],
) -> tuple[Done | Refused, bool]:
    """What came of it, and whether a daemon did it. Raises `StorageError` where there is no database.

    Root writes with the rights of the owner of the database's directory alone; see `store.privileges`.
    """
    answer = await ask()
    if not isinstance(answer, NotReached):
        return answer, True
    to_read(database)  # to write would make it
    try:
        with as_owner_of(real_path(database).parent):
            async with open_store(database) as store:
                return await alone(store), False
    except InUseError as error:
        return Refused(f"{error}, and that cannot be asked: {answer.detail}"), False


def counted(deliveries: int) -> str:
    return "1 delivery" if deliveries == 1 else f"{deliveries:,} deliveries"
