"""Owns planted bugs: a harness that finds nothing in a product that has one of these would prove nothing.

Each is a `sitecustomize.py` that the real command loads at its start.
"""

import os
import textwrap

COMMIT_BEFORE_THE_OUTBOX = """
    import time
    from tracker.store.sqlite.writing.event_log import EventLog
    whole = EventLog.append
    class Halved:
        def __init__(self, connection):
            self.connection, self.execute = connection, connection.execute
        def executemany(self, sql, rows):
            if rows and "INSERT INTO deliveries" in sql:
                self.execute("COMMIT")
                time.sleep(0.3)  # or it would be hit too seldom to be counted on
                self.execute("BEGIN IMMEDIATE")
            return self.connection.executemany(sql, rows)
    EventLog.append = lambda self, connection, entries: whole(self, Halved(connection), entries)
"""

SETTLED_BEFORE_IT_IS_SENT = """
    import anyio
    from tracker.core.deliveries.delivery import Outcome, Result
    from tracker.delivery.notifiers.webhook.notifier import Webhook
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
    from tracker.core.errors.storage_error import StorageError
    from tracker.store.sqlite.writing.outbox import SqliteOutbox
    settle = SqliteOutbox.settle
    async def forgets(self, *settled, **how):
        try:
            await settle(self, *settled, **how)
        except StorageError:
            pass
    SqliteOutbox.settle = forgets
"""

A_RESET_IS_TAKEN_FOR_YES = """
    import tracker.delivery.notifiers.webhook.notifier as webhook
    from tracker.http.client import Answer, NoAnswer
    outcome_of = webhook.outcome_of
    def believes(answer, now, *of):
        is_reset = isinstance(answer, NoAnswer) and answer.detail == "the connection was reset"
        return outcome_of(Answer(204, {}, b"") if is_reset else answer, now, *of)
    webhook.outcome_of = believes
"""

A_NEW_ID_FOR_EACH_ATTEMPT = """
    import uuid
    import tracker.delivery.notifiers.webhook.notifier as webhook
    signed = webhook.signature_headers
    webhook.signature_headers = lambda keys, _id, at, body: signed(keys, f"evt_{uuid.uuid4().hex}", at, body)
"""

NOBODY_IS_WAITED_FOR = """
    from tracker.store.sqlite.writing.outbox import SqliteOutbox
    claim = SqliteOutbox.claim
    SqliteOutbox.claim = lambda self, receiver, now, hold, *rest: claim(self, receiver, now, 0.0, *rest)
"""

ALL_WAIT_FOR_ONE_ANOTHER = """
    import anyio
    from tracker.delivery.notifiers.webhook.notifier import Webhook
    send, places = Webhook.send, []
    async def in_turn(self, message):
        places[:] = places or [anyio.Semaphore(2)]
        async with places[0]:
            return await send(self, message)
    Webhook.send = in_turn
"""

ONE_WAITS_FOR_THE_ATTEMPTS_OF_OTHERS = """
    import anyio
    from tracker.delivery.deliverer import Deliverer
    from tracker.delivery.notifiers.webhook.notifier import Webhook
    start, send, under_way = Deliverer._start_due_attempts, Webhook.send, []
    async def counted(self, message):
        under_way.append(message)
        try:
            return await send(self, message)
        finally:
            under_way.remove(message)
    async def later(self, *arguments):
        while self.receiver == "well" and under_way:
            await anyio.sleep(0.01)
        await start(self, *arguments)
    Webhook.send, Deliverer._start_due_attempts = counted, later
"""

NO_CLOCK_IS_FOLLOWED = """
    from tracker.store.sqlite.writing.outbox import SqliteOutbox
    async def roll_back_clock(self, receiver, now):
        return 0
    SqliteOutbox.roll_back_clock = roll_back_clock
"""

NO_JUMP_IS_SEEN = """
    from tracker.runtime.clock import Steadiness
    Steadiness.since = lambda self: 0
"""


def synchronous(level):
    """The database as many a programme sets it, so that its commits are quicker and not always on disk."""
    return f"""
    import tracker.store.sqlite.database.connection as connection
    connection._PRAGMAS = connection._PRAGMAS.replace("synchronous = FULL", "synchronous = {level}")
    assert "= {level}" in connection._PRAGMAS
"""


def plant(installation, bug):
    """Have every command of the installation run with the bug."""
    folder = installation.config.parent / "planted"
    folder.mkdir()
    folder.joinpath("sitecustomize.py").write_text(textwrap.dedent(bug))
    installation.environment["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
