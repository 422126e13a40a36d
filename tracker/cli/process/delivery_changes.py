"""Owns how a command changes deliveries: it asks the running daemon, and writes itself only where none is running."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from tracker.core.errors.storage_error import InUseError
from tracker.core.ports.store import Store
from tracker.daemon.control import NotReached, Refused
from tracker.store.opening import open_store_as_owner

Done = TypeVar("Done")


async def change(
    database: Path,
    ask: Callable[[], Awaitable[Done | Refused | NotReached]],
    alone: Callable[[Store], Awaitable[Done | Refused]],
) -> tuple[Done | Refused, bool]:
    """What came of it, and whether a daemon did it. Raises `StorageError` where there is no database.

    Root writes with the rights of the owner of the database's directory alone.
    """
    answer = await ask()
    if not isinstance(answer, NotReached):
        return answer, True
    try:
        async with open_store_as_owner(database) as store:
            return await alone(store), False
    except InUseError as error:
        return Refused(f"{error}, and that cannot be asked: {answer.detail}"), False


def counted(deliveries: int) -> str:
    return "1 delivery" if deliveries == 1 else f"{deliveries:,} deliveries"
