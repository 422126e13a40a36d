"""What `backup` and `restore` print on PostgreSQL does it: pg_dump's copy replaces the schema, and what came after is gone."""

import os
import subprocess

from postgres_server import binaries

from tracker.cli.postgres_backup import pg_dump, pg_restore
from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.schema import migrate

EVENT = "INSERT INTO batch_tracker.events VALUES ($1, $2, 'batch.created', 'default', 'job', 1, '2025', false, '{}')"


def shell(command):
    """Run the line as a user would paste it."""
    path = f"{binaries()}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["/bin/sh", "-c", command], check=True, env=os.environ | {"PATH": path}, timeout=60)


async def test_dump_is_restored(postgres_server, postgres_url, tmp_path):
    """The printed commands, pasted, copy the schema and put the copy in its place, with its triggers."""
    address = PostgresAddress(url=f"{postgres_url}?sslmode=disable", replica="a")
    await migrate(address)
    database = postgres_url.rpartition("/")[2]

    def log(seq):
        postgres_server.fetch("UPDATE batch_tracker.log_head SET seq = seq + 1", database=database)
        postgres_server.fetch(EVENT, seq, f"evt_{seq}", database=database)

    def seqs():
        return [seq for (seq,) in postgres_server.fetch("SELECT seq FROM batch_tracker.events", database=database)]

    log(1)
    log(2)
    copy = tmp_path / "it's a copy.dump"
    shell(pg_dump(address, copy))
    log(3)
    assert seqs() == [1, 2, 3]
    shell(pg_restore(address, copy))
    assert seqs() == [1, 2]
    log(3)
    assert seqs() == [1, 2, 3], "the log goes on"
