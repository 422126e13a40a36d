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
            return await settle(self, *settled, **how)
        except StorageError:
            return frozenset()
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
    from tracker.runtime.clock_jumps import ClockJumpDetector
    ClockJumpDetector.last_jump_at = lambda self: 0
"""

SHORT_LEASES = """
    import tracker.core.replicas.lease_times as times
    times.DEFAULT_LEASE_TIMES = times.LeaseTimes(valid=4.0, renew=1.0, safety=0.5, answer=1.5, retry=0.3)
"""
"""No bug: a test need not wait for a quarter of a minute."""

WAKES_TOO_LATE = """
    import os, signal
    from pathlib import Path
    from tracker.store.postgres.database.writer_connection import Database
    connected, asleep = Database.connected, Path(__file__).with_name("asleep")
    def late(self, what, *arguments):
        if what == "recording events" and asleep.exists():
            asleep.unlink()
            os.kill(os.getpid(), signal.SIGSTOP)
        return connected(self, what, *arguments)
    Database.connected = late
"""
"""No bug of the product: it sleeps right before a write for which it has a lease, once the file `asleep` is there."""

NO_FENCE = """
    from tracker.store.postgres.leases.fence import LeaseFence
    async def passes(connection):
        pass
    LeaseFence.from_now_on = lambda self, key: passes
"""

VALID_FOR_EVER = """
    from tracker.store.postgres.leases.held_leases import HeldLeases
    begin = HeldLeases.__init__
    def timeless(self, *arguments, **how):
        begin(self, *arguments, **how)
        self._clock = lambda: 0.0
    HeldLeases.__init__ = timeless
"""

WRITES_WITHOUT_ITS_CLOCK = """
    from tracker.store.postgres.leases.held_leases import HeldLeases
    is_valid = HeldLeases.is_valid
    HeldLeases.is_valid = lambda self, key: key in self._epochs if key.kind == "account" else is_valid(self, key)
    HeldLeases.lapse = lambda self: frozenset()
"""
"""What it writes, the database alone can refuse; what it sends no database can, so there it keeps to its clock."""

NEWER_SCHEMA = """
    import tracker.store.postgres.database.migrations as migrations
    added = "ALTER TABLE jobs ADD COLUMN later text; CREATE TABLE of_the_next_version (id bigint);"
    oldest = migrations.MIGRATIONS[-1].oldest_compatible
    migrations.MIGRATIONS = (*migrations.MIGRATIONS, migrations.Migration(added, oldest))
"""
"""No bug: the version after this one, which only adds to the schema."""


def synchronous(level):
    """The database as many a programme sets it, so that its commits are quicker and not always on disk."""
    return f"""
    import tracker.store.sqlite.database.writer_connection as connection
    connection._PRAGMAS = connection._PRAGMAS.replace("synchronous = FULL", "synchronous = {level}")
    assert "= {level}" in connection._PRAGMAS
"""


def plant(installation, *bugs):
    """Have every command of the installation run with the bugs."""
    folder = installation.config.parent / "planted"
    folder.mkdir()
    folder.joinpath("sitecustomize.py").write_text("".join(map(textwrap.dedent, bugs)))
    installation.environment["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
