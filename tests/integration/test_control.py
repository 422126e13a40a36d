"""How a command reaches the daemon: the file that says where it is, what it asks there, and what it makes of the answer."""

import json
import os
import stat

import msgspec
import pytest
from loopback import answer, loopback, sends, unreachable_url

from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.daemon.control import Control, NotReached, Refused, _reachable, announced, ask_to_replay, control_file

TOKEN = "canary-control-token"


@pytest.mark.parametrize("umask", [0o000, 0o777])
async def test_file_is_the_owners_alone(tmp_path, umask):
    """Whatever the umask and an old file, the file holds URL and token, is private, and is removed at the end."""
    database = tmp_path / "real" / "tracker.db"
    database.parent.mkdir()
    (tmp_path / "link.db").symlink_to(database)
    file = control_file(tmp_path / "link.db")
    file.write_text("of a daemon that was killed")
    file.chmod(0o644)
    file.with_name(file.name + ".new").write_text("half")
    before = os.umask(umask)
    try:
        with announced(database, Control("http://127.0.0.1:1", TOKEN)):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert json.loads(file.read_text()) == {"url": "http://127.0.0.1:1", "token": TOKEN, "process": os.getpid()}
            assert list(database.parent.iterdir()) == [file]
    finally:
        os.umask(before)
    assert list(database.parent.iterdir()) == []


async def test_file_that_cannot_be_written_ends_nothing(tmp_path):
    """A daemon that cannot write the file goes on, and leaves nothing half."""
    control_file(tmp_path / "tracker.db").mkdir()
    with announced(tmp_path / "tracker.db", Control("http://127.0.0.1:1", TOKEN)):
        assert [each.name for each in tmp_path.iterdir()] == ["tracker.db.control"]
    assert isinstance(await ask_to_replay(tmp_path / "tracker.db", Replay(receiver="r", dead=True)), NotReached)


def test_token_is_not_shown():
    """No representation of what the file holds shows the token."""
    assert TOKEN not in repr(Control("http://127.0.0.1:1", TOKEN))


@pytest.mark.parametrize(
    ("scene", "understood"),
    [
        (answer(b'{"deliveries": 5, "enabled": true}'), ReplayResult(deliveries=5, enabled=True)),
        (
            answer(b'{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no receiver"}', 404),
            Refused("no receiver", is_unknown=True),
        ),
        (answer(b'{"type": "about:blank", "status": 503, "detail": "the disk is full"}', 503), Refused("the disk is full")),
        (answer(b'{"type": "about:blank", "status": 401, "detail": "send a token"}', 401), "HTTP 401"),
        (answer(b'{"type": "about:blank", "status": 421, "detail": "another host"}', 421), "HTTP 421"),
        (answer(b'{"error": "no receiver"}', 404), "HTTP 404"),
        (answer(b"<html>", 404), "HTTP 404"),
        (answer(b"hello"), "HTTP 200"),
        (answer(b'{"ok": true}'), "HTTP 200"),
        (answer(b"", 302, "location: /"), "HTTP 302"),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "the answer is not valid HTTP: illegal status line"),
    ],
)
async def test_what_a_command_makes_of_an_answer(tmp_path, scene, understood):
    """The daemon's answer is taken as it is; another process at its port, or another token, counts as unreachable."""
    async with loopback(sends(scene, keeps=False)) as server:
        with announced(tmp_path / "tracker.db", Control(server.url, TOKEN)):
            got = await ask_to_replay(tmp_path / "tracker.db", Replay(receiver="pipeline", seq=5))
        sent = server.requests[0].decode()
    assert f"\r\nauthorization: Bearer {TOKEN}\r\n" in sent
    assert msgspec.json.decode(sent.partition("\r\n\r\n")[2]) == {"receiver": "pipeline", "seq": 5}
    if isinstance(understood, str):
        assert isinstance(got, NotReached)
        assert understood in got.detail
    else:
        assert got == understood


@pytest.mark.parametrize("left", [None, b"", b"{}", b'{"url": 5, "token": ""}', b'{"url": "nonsense", "token": "t"}', b"\xff"])
async def test_no_daemon_to_be_reached(tmp_path, left):
    """Without the file, or with something else in its place, the daemon is unreachable, with the reason."""
    database = tmp_path / "tracker.db"
    if left is not None:
        control_file(database).write_bytes(left)
    got = await ask_to_replay(database, Replay(receiver="pipeline", dead=True))
    assert isinstance(got, NotReached)
    assert ("nonsense" if left and b"nonsense" in left else str(control_file(database))) in got.detail


async def test_daemon_that_was_killed(tmp_path):
    """Where the file is left and no daemon listens, the error says so, with the address."""
    with unreachable_url() as url, announced(tmp_path / "tracker.db", Control(url, TOKEN)):
        got = await ask_to_replay(tmp_path / "tracker.db", Replay(receiver="pipeline", dead=True))
    assert got == NotReached(
        f"asked {url}: the connection is refused: nothing listens there; are host and port right, and is the server up?"
    )


@pytest.mark.parametrize(
    ("listens", "asked"),
    [
        ("http://127.0.0.1:9471", "http://127.0.0.1:9471"),
        ("http://0.0.0.0:9471", "http://127.0.0.1:9471"),
        ("http://[::]:9471", "http://[::1]:9471"),
        ("http://[::1]:9471", "http://[::1]:9471"),
        ("http://192.0.2.1:9471", "http://192.0.2.1:9471"),
    ],
)
def test_where_a_daemon_is_asked(listens, asked):
    """A daemon that listens everywhere is asked on loopback."""
    assert _reachable(listens) == asked
