"""Looking into an open store's tables behind its back: they have the same names and columns in every engine."""


async def fetch(store, sql, *parameters):
    """The rows that a statement selects."""
    return [tuple(row) for row in await store._database.fetch(sql, *parameters)]


async def execute(store, sql, *parameters):
    """Change what is in the tables; how many rows that concerned."""
    return await store._database.write("tampering", lambda connection: connection.execute(sql, parameters).rowcount)
