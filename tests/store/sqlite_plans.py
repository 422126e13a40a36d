"""Owns how SQLite answers what a store or a reader asks: the steps of its plans."""


async def plans(connected, reading):
    """The steps by which SQLite answers each SELECT of `reading`, which asks over `connected`, a store or a reader."""
    asked = []
    connection = getattr(connected, "_database", connected)._connection
    await connection.set_trace_callback(asked.append)
    await reading
    await connection.set_trace_callback(None)
    selects = [sql for sql in asked if sql.strip().startswith("SELECT")]
    return [row[3] for sql in selects for row in await connection.execute_fetchall(f"EXPLAIN QUERY PLAN {sql}")]
