"""How a command reaches the daemon: the file that says where it is, the route that takes the token, and what is answered."""

import json
import os
import stat
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest
from loopback import answer, loopback, nobody, sends

from tracker.control import REPLAY, Control, NotReached, Refused, _reachable, announced, ask_to_replay, control_file
from tracker.core.health import Health
from tracker.core.ports import StorageError
from tracker.core.replay import Replay, Replayed
from tracker.serving import serving
from tracker.web.app import create_app
from tracker.web.control import BODY_LIMIT, control_routes

TOKEN = "canary-control-token"
RIGHT = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
DEAD = {"receiver": "pipeline", "dead": True}


@asynccontextmanager
async def control(come_of_it=Replayed(deliveries=3), token=None):  # noqa: B008 - it is frozen
    """The routes, served: a client, and what reached the function that replays; it gives, or raises, what is to come of it."""
    asked = []

    async def replay(which):
        asked.append(which)
        if isinstance(come_of_it, Exception):
            raise come_of_it
        return come_of_it

    async def probe():
        return None

    app = create_app(Health(["one"]), probe, lambda: b"", token, control_routes(replay, TOKEN))
    async with serving(app, "127.0.0.1", 0) as address, httpx.AsyncClient(base_url=address.url) as client:
        yield client, asked


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {}),
        ("GET", {}),
        ("DELETE", {}),
        ("POST", {"authorization": "Bearer another"}),
        ("POST", {"authorization": TOKEN}),
        ("POST", {"authorization": f"Basic {TOKEN}"}),
        ("POST", {"authorization": f"Bearer {TOKEN}2"}),
        ("POST", {"authorization": "Bearer naïve".encode("latin-1")}),
        ("POST", {"authorization": "Bearer page-token"}),
        ("POST", {"cookie": f"token={TOKEN}"}),
    ],
)
async def test_token_comes_first(method, headers):
    """Whoever does not send the control token, http.token included, gets 401 whatever else he sends, and replays nothing."""
    async with control(token="page-token") as (client, asked):
        refused = await client.request(method, REPLAY, headers=headers, content=b"{" * 10)
        assert (refused.status_code, refused.headers["www-authenticate"], asked) == (401, "Bearer", [])
        assert TOKEN not in refused.text


async def test_tokens_are_separate():
    """The control token opens its route, with or without http.token, and no other."""
    for token in (None, "page-token"):
        async with control(token=token) as (client, asked):
            assert (await client.post(REPLAY, headers=RIGHT, json=DEAD)).json() == {"deliveries": 3, "enabled": False}
            assert asked == [Replay(receiver="pipeline", dead=True)]
            assert (await client.get("/metrics", headers=RIGHT)).status_code == (401 if token else 200)


@pytest.mark.parametrize(
    ("method", "type_", "content", "status", "told"),
    [
        ("GET", "application/json", b"", 405, "found GET, expected POST"),
        ("PUT", "application/json", b"{}", 405, "found PUT, expected POST"),
        ("POST", "text/plain", b"{}", 415, "application/json"),
        ("POST", "application/x-www-form-urlencoded", b"receiver=pipeline", 415, "application/json"),
        ("POST", "application/jsonx", b"{}", 415, "application/json"),
        ("POST", "application/json", b" " * (BODY_LIMIT + 1), 413, f"at most {BODY_LIMIT} bytes"),
        ("POST", "application/json", b"", 400, "expected JSON"),
        ("POST", "application/json", b"\xff\xfe", 400, "expected JSON"),
        ("POST", "application/json", b"{", 400, "expected JSON"),
        ("POST", "application/json", b'{"receiver": "r", "dead": tru}', 400, "expected JSON"),
        ("POST", "application/json", b"[]", 422, "Expected `object`, got `array`"),
    ],
)
async def test_what_is_no_replay_is_refused(method, type_, content, status, told):
    """Another method, type, size or shape is told with its status, in an error that can do no harm, and replays nothing."""
    async with control() as (client, asked):
        refused = await client.request(method, REPLAY, headers=RIGHT | {"content-type": type_}, content=content)
        assert (refused.status_code, asked) == (status, [])
        assert told in refused.json()["error"]
        assert refused.headers["cache-control"] == "no-store"
        assert ("allow" in refused.headers) is (status == 405)


@pytest.mark.parametrize(
    ("asked_for", "told"),
    [
        ({}, "missing required field `receiver`"),
        ({"receiver": "", "dead": True}, "length >= 1"),
        ({"receiver": 5, "dead": True}, "Expected `str`"),
        ({"receiver": "r"}, "found none of seq, dead, from_seq, since, expected just one of them"),
        ({"receiver": "r", "dead": False}, "found none"),
        ({"receiver": "r", "dead": True, "seq": 5}, "found seq and dead of"),
        ({"receiver": "r", "from_seq": 1, "since": 1}, "found from_seq and since of"),
        ({"receiver": "r", "to_seq": 5}, "found none"),
        ({"receiver": "r", "dead": True, "to_seq": 5}, "found to_seq, expected from_seq with it"),
        ({"receiver": "r", "seq": 1, "until": 5}, "found until, expected since with it"),
        ({"receiver": "r", "from_seq": 5, "to_seq": 4}, "found to_seq before from_seq"),
        ({"receiver": "r", "since": 5, "until": 4}, "found until before since"),
        ({"receiver": "r", "seq": 0}, ">= 1"),
        ({"receiver": "r", "seq": 2**63}, "`int` <= 9223372036854775807"),
        ({"receiver": "r", "seq": "5"}, "Expected `int | null`"),
        ({"receiver": "r", "seq": 1.5}, "Expected `int | null`"),
        ({"receiver": "r", "since": 10**15}, "`int` <"),
        ({"receiver": "r", "since": -1}, ">= 0"),
        ({"receiver": "r", "dead": True, "sequence": 5}, "unknown field `sequence`"),
    ],
)
async def test_what_cannot_be_replayed_is_told(asked_for, told):
    """A choice that is none, or more than one, or out of bounds is 422 with what was found, and replays nothing."""
    async with control() as (client, asked):
        refused = await client.post(REPLAY, headers=RIGHT, json=asked_for)
        assert (refused.status_code, asked) == (422, [])
        assert told in refused.json()["error"]


@pytest.mark.parametrize(
    ("come_of_it", "status", "error"),
    [("no receiver 'x'", 404, "no receiver 'x'"), (StorageError("the disk is full"), 503, "the disk is full")],
)
async def test_what_the_daemon_cannot_do_is_told(come_of_it, status, error):
    """An unknown receiver is 404, a database that cannot be written 503, each with its reason."""
    async with control(come_of_it) as (client, _):
        told = await client.post(REPLAY, headers=RIGHT, json=DEAD)
        assert (told.status_code, told.json()) == (status, {"error": error})


@pytest.mark.parametrize("umask", [0o000, 0o777])
async def test_file_is_the_owners_alone(tmp_path, umask):
    """Whatever the umask and whatever was left, the file holds URL and token, for nobody else to read, and goes in the end."""
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
            assert json.loads(file.read_text()) == {"url": "http://127.0.0.1:1", "token": TOKEN}
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
        (answer(b'{"deliveries": 5, "enabled": true}'), Replayed(deliveries=5, enabled=True)),
        (answer(b'{"error": "no receiver"}', 404), Refused("no receiver")),
        (answer(b'{"error": "the disk is full"}', 503), Refused("the disk is full")),
        (answer(b'{"error": "send the token"}', 401), "HTTP 401"),
        (answer(b"<html>", 404), "HTTP 404"),
        (answer(b"hello"), "HTTP 200"),
        (answer(b'{"ok": true}'), "HTTP 200"),
        (answer(b"", 302, "location: /"), "HTTP 302"),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "RemoteProtocolError"),
    ],
)
async def test_what_a_command_makes_of_an_answer(tmp_path, scene, understood):
    """The daemon's word is taken as it is; whoever else has got its port, or another token, is nobody that was reached."""
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
    """Without the file, or with something else in its place, nobody is reached, and it is said why."""
    database = tmp_path / "tracker.db"
    if left is not None:
        control_file(database).write_bytes(left)
    got = await ask_to_replay(database, Replay(receiver="pipeline", dead=True))
    assert isinstance(got, NotReached)
    assert ("nonsense" if left and b"nonsense" in left else str(control_file(database))) in got.detail


async def test_daemon_that_was_killed(tmp_path):
    """Where the file is left and nobody listens any more, that is said, with where it was asked."""
    with nobody() as url, announced(tmp_path / "tracker.db", Control(url, TOKEN)):
        got = await ask_to_replay(tmp_path / "tracker.db", Replay(receiver="pipeline", dead=True))
    assert got == NotReached(f"asked {url}: ConnectError: All connection attempts failed")


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
