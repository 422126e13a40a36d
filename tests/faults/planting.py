"""Owns planted bugs: a harness that finds nothing in a product that has one of these would prove nothing.

Each is a `sitecustomize.py` that the real command loads at its start.
"""

import os
import textwrap

COMMIT_BEFORE_THE_OUTBOX = """
    import time
    from tracker.store.outbox import SqliteOutbox
    whole = SqliteOutbox.log
    class Halved:
        def __init__(self, connection):
            self.connection, self.execute = connection, connection.execute
        def executemany(self, sql, rows):
            if rows and "INSERT INTO deliveries" in sql:
                self.execute("COMMIT")
                time.sleep(0.3)  # or it would be hit too seldom to be counted on
                self.execute("BEGIN IMMEDIATE")
            return self.connection.executemany(sql, rows)
    SqliteOutbox.log = lambda self, connection, entries: whole(self, Halved(connection), entries)
"""

SETTLED_BEFORE_IT_IS_SENT = """
    import anyio
    from tracker.core.delivery import Outcome, Result
    from tracker.notify.webhook import Webhook
    send = Webhook.send
    held = []
    async def later(self, message):
        async def really():
            await anyio.sleep(0.3)
            await send(self, message)
        import asyncio
        held.append(asyncio.create_task(really()))
        return Outcome(result=Result.DELIVERED, status=204)
    Webhook.send = later
"""

WHAT_CANNOT_BE_SETTLED_IS_FORGOTTEN = """
    from tracker.core.ports import StorageError
    from tracker.store.outbox import SqliteOutbox
    settle = SqliteOutbox.settle
    async def forgets(self, *settled, **how):
        try:
            await settle(self, *settled, **how)
        except StorageError:
            pass
    SqliteOutbox.settle = forgets
"""


def synchronous(level):
    """The database as many a programme sets it, so that its commits are quicker and not always on disk."""
    return f"""
    import tracker.store.connection as connection
    connection._PRAGMAS = connection._PRAGMAS.replace("synchronous = FULL", "synchronous = {level}")
    assert "= {level}" in connection._PRAGMAS
"""


def plant(installation, bug):
    """Have every command of the installation run with the bug."""
    folder = installation.config.parent / "planted"
    folder.mkdir()
    folder.joinpath("sitecustomize.py").write_text(textwrap.dedent(bug))
    installation.environment["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
