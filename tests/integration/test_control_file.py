"""The control file next to the database: private, complete or absent, and removed when the daemon stops."""

import json
import os
import stat

import pytest

from tracker.core.deliveries.replay import Replay
from tracker.daemon.control.control_client import request_replay
from tracker.daemon.control.control_file import ControlFile, Unreachable, control_file_path, published_control_file

TOKEN = "canary-control-token"


@pytest.mark.parametrize("umask", [0o000, 0o777])
async def test_file_is_the_owners_alone(tmp_path, umask):
    """Whatever the umask and an old file, the file holds URL and token, is private, and is removed at the end."""
    database = tmp_path / "real" / "tracker.db"
    database.parent.mkdir()
    (tmp_path / "link.db").symlink_to(database)
    file = control_file_path(tmp_path / "link.db")
    file.write_text("of a daemon that was killed")
    file.chmod(0o644)
    file.with_name(file.name + ".new").write_text("half")
    before = os.umask(umask)
    try:
        with published_control_file(database, ControlFile("http://127.0.0.1:1", TOKEN)):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert json.loads(file.read_text()) == {"url": "http://127.0.0.1:1", "token": TOKEN, "process": os.getpid()}
            assert list(database.parent.iterdir()) == [file]
    finally:
        os.umask(before)
    assert list(database.parent.iterdir()) == []


async def test_file_that_cannot_be_written_ends_nothing(tmp_path):
    """A daemon that cannot write the file goes on, and leaves nothing half."""
    control_file_path(tmp_path / "tracker.db").mkdir()
    with published_control_file(tmp_path / "tracker.db", ControlFile("http://127.0.0.1:1", TOKEN)):
        assert [each.name for each in tmp_path.iterdir()] == ["tracker.db.control"]
    assert isinstance(await request_replay(tmp_path / "tracker.db", Replay(receiver="r", dead=True)), Unreachable)


def test_token_is_not_shown():
    """No representation of what the file holds shows the token."""
    assert TOKEN not in repr(ControlFile("http://127.0.0.1:1", TOKEN))
