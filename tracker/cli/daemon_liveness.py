"""Owns the question whether a daemon answers, of a database that is a file, or replicas live that share one."""

from collections.abc import Collection

from tracker.cli.arguments.daemon_notice import has_daemon
from tracker.core.ports.reader import Reader
from tracker.core.replicas.lease import LeaseKind
from tracker.daemon.control.control_client import is_running
from tracker.http.client import HttpClient
from tracker.store.address import DatabaseAddress, PostgresAddress


async def is_daemon_answering(database: DatabaseAddress, reader: Reader, http: HttpClient) -> bool:
    """Whether the daemon of a file answers, or a replica lives. Raises `StorageError`."""
    if isinstance(database, PostgresAddress):
        return await has_daemon(database, reader)
    return await is_running(database, http)


async def are_watched(accounts: Collection[str], reader: Reader) -> bool:
    """Whether each of these accounts is held by a replica that lives. Raises `StorageError`."""
    held = {
        lease["name"] for lease in await reader.leases() if lease["kind"] == LeaseKind.ACCOUNT and lease["holder"] is not None
    }
    return held.issuperset(accounts)
