"""Owns finding what a changed configuration has left behind in the database."""

from collections.abc import Iterable
from typing import Final

from tracker.core.jobs.status import is_terminal
from tracker.core.queries.orphans import Orphans
from tracker.store.sqlite.reading.deliveries import read_backlog
from tracker.store.sqlite.reading.events import Query
from tracker.store.sqlite.reading.names import read_names

_JOBS: Final = "SELECT account, status, jobs FROM job_counts WHERE deleted = 0 AND jobs > 0"


async def read_orphans(query: Query, receivers: Iterable[str], accounts: Iterable[str]) -> Orphans:
    """What the database has of others than these receivers and accounts."""
    configured, watched = {*receivers}, {*accounts}
    backlogs = {name: await read_backlog(query, name) for name in (await read_names(query)).receivers if name not in configured}
    jobs: dict[str, int] = {}
    for account, status, number in await query(_JOBS):
        if account not in watched and not is_terminal(status):
            jobs[account] = jobs.get(account, 0) + number
    return Orphans({name: each for name, each in backlogs.items() if each.pending or each.dead}, jobs)
