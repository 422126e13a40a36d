"""The routes that change something: what they take, and what comes of it in a real database."""

import json

import pytest
from web_application import RIGHT, fill, served_application

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Outcome, Result, settle
from tracker.core.queries.filters import DeliveryFilter
from tracker.web.endpoints.request_parsing import BODY_LIMIT

REPLAY = "/api/replay"
DEAD = {"receiver": "pipeline", "dead": True}


@pytest.fixture(scope="module")
async def app(tmp_path_factory):
    """One for all who change nothing."""
    async with served_application(tmp_path_factory.mktemp("writes") / "tracker.db") as app:
        await fill(app.store, 2)
        yield app
    assert app.supervisor.aside == [], "something was asked of a deliverer"


def problem(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "type_", "content", "status", "expected"),
    [
        ("GET", "application/json", b"", 405, "found GET, expected one of POST"),
        ("PUT", "application/json", b"{}", 405, "found PUT, expected one of POST"),
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
async def test_what_is_no_replay_is_refused(app, method, type_, content, status, expected):
    """Another method, type, size or shape gets its status, in a problem, and replays nothing."""
    refused = await app.client.request(method, REPLAY, headers=RIGHT | {"content-type": type_}, content=content)
    found, detail = problem(refused)
    assert (found, app.supervisor.aside) == (status, [])
    assert expected in detail
    assert ("allow" in refused.headers) is (status == 405)


async def test_a_body_of_unknown_length(app):
    """A body without a length is read no further than any is, and then refused."""

    async def endless():
        for _ in range(1000):
            yield b" " * 1000

    refused = await app.post(REPLAY, headers=RIGHT | {"content-type": "application/json"}, content=endless())
    assert problem(refused) == (413, f"expected at most {BODY_LIMIT} bytes")


@pytest.mark.parametrize(
    ("asked_for", "expected"),
    [
        ({}, "missing required field `receiver`"),
        ({"receiver": "", "dead": True}, "length >= 1"),
        ({"receiver": 5, "dead": True}, "Expected `str`"),
        ({"receiver": "r"}, "found none of seq, dead, silence, from_seq, since, expected exactly one of them"),
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
async def test_what_cannot_be_replayed_is_refused(app, asked_for, expected):
    """A choice that is none, or more than one, or out of bounds is 422 with what was found, and replays nothing."""
    status, detail = problem(await app.post(REPLAY, headers=RIGHT, json=asked_for))
    assert (status, app.supervisor.aside) == (422, [])
    assert expected in detail


async def test_replay_and_retry(path):
    """What is asked for is pending again, its receiver's deliverer stands aside meanwhile and is woken."""
    async with served_application(path) as app:
        await fill(app.store)
        woken = app.store.wakeups.deliveries_changed("pipeline")
        dead = (await app.get("/api/deliveries?state=dead")).json()["data"]
        assert len(dead) == 8
        first = dead[0]
        again = await app.post(f"/api/deliveries/pipeline/{first['seq']}/retry", headers=RIGHT, json={})
        assert (again.json(), woken.is_set(), app.supervisor.aside) == ({"deliveries": 1, "enabled": False}, True, ["pipeline"])
        assert (await app.post(REPLAY, headers=RIGHT, json=DEAD)).json() == {"deliveries": 7, "enabled": False}
        assert (await app.get("/api/deliveries?state=dead")).json()["data"] == []


async def test_enabling_a_receiver(path):
    """A receiver that answered 410 is enabled and tried again at once; its pending and dead deliveries stay."""
    async with served_application(path) as app:
        await fill(app.store)
        gone = Circuit(failures=9, since=1, quiet_until=2**41, reason="gone", detail="HTTP 410", disabled=True)
        await app.store.outbox.settle("team", await settled(app), gone)
        before = (await app.get("/api/receivers")).json()["data"][1]
        assert (before["state"], before["reason"], before["failures"]) == ("disabled", "gone", 9)
        assert (await app.post("/api/receivers/team/enable", headers=RIGHT, json={})).json() == {"enabled": True}
        assert (await app.post("/api/receivers/team/enable", headers=RIGHT, json={})).json() == {"enabled": False}
        after = (await app.get("/api/receivers")).json()["data"][1]
        assert (after["state"], after["quiet_until"]) == ("failing", None)
        assert (after["pending"], after["dead"]) == (before["pending"], before["dead"])


async def settled(app):
    """A settlement that changes nothing but how the receiver is."""
    (claimed,) = await app.store.outbox.claim("team", 2**50, 900.0, 1, ())
    return [settle(claimed, Outcome(result=Result.GONE), (1.0,), (1, 1), 0.5)]


@pytest.mark.parametrize("url", [REPLAY, "/api/deliveries/unknown/1/retry", "/api/receivers/unknown/enable"])
async def test_a_receiver_that_there_is_not(app, url):
    """An unknown receiver is 404, with those that there are."""
    status, detail = problem(
        await app.post(url, headers=RIGHT, json={"receiver": "unknown", "dead": True} if url == REPLAY else {})
    )
    assert (status, detail) == (404, "no receiver 'unknown' in the configuration; there are: pipeline, team")
    assert app.supervisor.aside == []


async def test_a_delivery_that_there_is_not(path):
    """A delivery without a receiver is 404, and what is no seq is refused or leads nowhere."""
    async with served_application(path) as app:
        await fill(app.store, 2)
        for seq, status in (("999", 404), ("0", 422), (str(2**63), 422), ("1e3", 404), ("-1", 404), ("%31", 200)):
            answer = await app.post(f"/api/deliveries/team/{seq}/retry", headers=RIGHT, json={})
            assert answer.status_code == status
            assert json.loads(answer.content)


async def test_a_database_that_cannot_be_written(path):
    """Where the database cannot be read or written, every route says so: 503, a problem, and when to come again."""
    async with served_application(path) as app:
        await fill(app.store, 2)
        moved = path.rename(path.with_name("elsewhere.db"))
        for answer in (
            await app.post(REPLAY, headers=RIGHT, json=DEAD),
            await app.post("/api/receivers/team/enable", headers=RIGHT, json={}),
        ):
            assert problem(answer)[0] == 503
            assert int(answer.headers["retry-after"]) > 0
        moved.rename(path)
        assert (await app.post(REPLAY, headers=RIGHT, json=DEAD)).status_code == 200
        async with app.reader() as reader:
            assert await reader.deliveries_page(None, DeliveryFilter(states=("dead",)), 5) == ([], None)
