"""Owns a real PgBouncer in front of a test's server."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from temporary_files import reachable_by_all

START_LIMIT = 30.0
"""Seconds; ends a hang."""


@contextmanager
def pooling(server, mode):
    """The port of a PgBouncer with that `pool_mode`; skips where it is not installed, and fails in CI."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None and "BATCH_TRACKER_CI" not in os.environ:
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    assert program, "PgBouncer is not installed, in CI it has to be: pgbouncer"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="batch-tracker-pgbouncer-", dir=reachable_by_all()))
    folder.chmod(0o755)  # another user has to reach it
    file = folder / "pgbouncer.ini"
    file.write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\npool_mode = {mode}\nunix_socket_dir =\n"
    )
    process = subprocess.Popen([program, file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **_account(file))
    try:
        _wait(port, process)
        yield port
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _wait(port, process):
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    pytest.fail("PgBouncer does not listen")


def _account(file):
    """Who it runs as: it refuses root, as PostgreSQL does."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres" if "postgres" in {each.pw_name for each in pwd.getpwall()} else "nobody")
    os.chown(file, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
