"""Owns changes of deliveries by a command: through the daemon that has the database's file, or in the database itself."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from tracker.core.errors.storage_error import InUseError
from tracker.core.ports.store import Store
from tracker.core.replicas.lease import receiver_lease
from tracker.core.text.escaping import plain
from tracker.daemon.control.control_client import Refused
from tracker.daemon.control.control_file import Unreachable
from tracker.store.address import DatabaseAddress, PostgresAddress
from tracker.store.opening import open_reader, open_store_as_owner

Result = TypeVar("Result")


async def change_deliveries(
    database: DatabaseAddress,
    receiver: str,
    by_daemon: Callable[[Path], Awaitable[Result | Refused | Unreachable]],
    in_store: Callable[[Store], Awaitable[Result | Refused]],
) -> tuple[Result | Refused, str]:
    """The result, and when the deliveries of `receiver` go out. Raises `StorageError` if there is no database.

    PostgreSQL is changed at once, and notifies the replica that serves the receiver. Of a file the daemon is asked. If none
    runs, root writes only with the rights of the owner of the file's directory.
    """
    result, has_daemon = await change_store(database, by_daemon, in_store)
    if isinstance(database, PostgresAddress):
        return result, await _who_sends(database, receiver)
    return result, "they are on their way" if has_daemon else "no daemon is running: they go out once it does"


async def change_store(
    database: DatabaseAddress,
    by_daemon: Callable[[Path], Awaitable[Result | Refused | Unreachable]],
    in_store: Callable[[Store], Awaitable[Result | Refused]],
) -> tuple[Result | Refused, bool]:
    """The result, and whether a daemon works on the database. Raises `StorageError` if there is no database."""
    if isinstance(database, PostgresAddress):
        async with open_store_as_owner(database) as store, open_reader(database) as reader:
            return await in_store(store), any(replica["live"] for replica in await reader.replicas())
    answer = await by_daemon(database)
    if not isinstance(answer, Unreachable):
        return answer, True
    try:
        async with open_store_as_owner(database) as store:
            return await in_store(store), False
    except InUseError as error:
        return Refused(f"{error}, and that cannot be asked: {answer.detail}"), False


async def _who_sends(database: PostgresAddress, receiver: str) -> str:
    async with open_reader(database) as reader:
        if not any(replica["live"] for replica in await reader.replicas()):
            return "no replica is running: they go out once one does"
        leases = await reader.leases()
    holders = [each["holder"] for each in leases if (each["kind"], each["name"]) == receiver_lease(receiver)]
    if not holders or holders[0] is None:
        return "they go out once a replica serves this receiver"
    return f"replica {plain(holders[0])} sends them"


def counted(deliveries: int) -> str:
    return "1 delivery" if deliveries == 1 else f"{deliveries:,} deliveries"
