"""How a command sends a request to the running daemon, and how it reads the answer."""

import msgspec
import pytest
from loopback import answer, loopback, sends, unreachable_url

from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.daemon.control.control_client import Refused, _connectable, request_replay
from tracker.daemon.control.control_file import ControlFile, Unreachable, control_file_path, published_control_file

TOKEN = "canary-control-token"


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
        with published_control_file(tmp_path / "tracker.db", ControlFile(server.url, TOKEN)):
            got = await request_replay(tmp_path / "tracker.db", Replay(receiver="pipeline", seq=5))
        sent = server.requests[0].decode()
    assert f"\r\nauthorization: Bearer {TOKEN}\r\n" in sent
    assert msgspec.json.decode(sent.partition("\r\n\r\n")[2]) == {"receiver": "pipeline", "seq": 5}
    if isinstance(understood, str):
        assert isinstance(got, Unreachable)
        assert understood in got.detail
    else:
        assert got == understood


@pytest.mark.parametrize("left", [None, b"", b"{}", b'{"url": 5, "token": ""}', b'{"url": "nonsense", "token": "t"}', b"\xff"])
async def test_no_daemon_to_be_reached(tmp_path, left):
    """Without the file, or with something else in its place, the daemon is unreachable, with the reason."""
    database = tmp_path / "tracker.db"
    if left is not None:
        control_file_path(database).write_bytes(left)
    got = await request_replay(database, Replay(receiver="pipeline", dead=True))
    assert isinstance(got, Unreachable)
    assert ("nonsense" if left and b"nonsense" in left else str(control_file_path(database))) in got.detail


async def test_daemon_that_was_killed(tmp_path):
    """Where the file is left and no daemon listens, the error says so, with the address."""
    with unreachable_url() as url, published_control_file(tmp_path / "tracker.db", ControlFile(url, TOKEN)):
        got = await request_replay(tmp_path / "tracker.db", Replay(receiver="pipeline", dead=True))
    assert got == Unreachable(
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
    assert _connectable(listens) == asked
