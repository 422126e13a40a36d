"""Owns changing many rows in one transaction by statements of a bounded size: the server cancels one that takes too long."""

from typing import Any, Final

import asyncpg

from tracker.store.postgres.database.command_status import rows_changed

BATCH_SIZE: Final = 10_000
"""Rows of one statement."""


async def execute_in_batches(connection: asyncpg.Connection, sql: str, *parameters: Any) -> int:
    """Within a transaction: run `sql` until it has changed all that it can; how many rows that were.

    Its last parameter is the largest number of rows that it may change. What it has changed it must not choose again.
    """
    total = 0
    while changed := rows_changed(await connection.execute(sql, *parameters, BATCH_SIZE)):
        total += changed
        if changed < BATCH_SIZE:
            break
    return total
