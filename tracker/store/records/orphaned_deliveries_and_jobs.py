"""Owns finding what a changed configuration has left behind in the database."""

from collections.abc import Iterable
from typing import NamedTuple

from tracker.core.jobs.status import is_terminal
from tracker.core.queries.orphaned_deliveries import Orphans
from tracker.store.records.delivery_pages import DeliveryStatements, read_backlog
from tracker.store.records.query import Query


class OrphanStatements(NamedTuple):
    """The statements of an engine: receivers that have deliveries, those for backlogs; account, status and number of jobs."""

    receivers: str
    deliveries: DeliveryStatements
    jobs: str


async def read_orphans(
    query: Query, statements: OrphanStatements, receivers: Iterable[str], accounts: Iterable[str]
) -> Orphans:
    """What the database has of others than these receivers and accounts."""
    configured, watched = {*receivers}, {*accounts}
    names = [name for (name,) in await query(statements.receivers) if name not in configured]
    backlogs = {name: await read_backlog(query, statements.deliveries, name) for name in names}
    jobs: dict[str, int] = {}
    for account, status, number in await query(statements.jobs):
        if account not in watched and not is_terminal(status):
            jobs[account] = jobs.get(account, 0) + number
    return Orphans({name: each for name, each in backlogs.items() if each.pending or each.dead}, jobs)
