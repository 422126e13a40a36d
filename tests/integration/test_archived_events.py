"""Consumers whose place in the log was moved into a segment get 410 with the first seq; nothing there can be replayed."""

import json

import pytest
from archived_log import EVENTS, write_archived_log
from empty_database import put_empty_database
from job_changes import SINCE, seen
from structlog.testing import capture_logs
from web_application import RIGHT, served_application

from tracker.core.health.readiness import Health
from tracker.polling.maintenance import PRUNE_EVERY, Maintenance
from tracker.store.opening import open_store


@pytest.fixture
async def archived(path):
    put_empty_database(path)
    await write_archived_log(path)
    return path


async def test_a_place_before_the_log_is_gone(archived):
    """A cursor whose next events were moved is 410 with the first seq; the beginning, 0, and all others are the kept log."""
    async with served_application(archived) as app:
        for after in (1, 5):
            answer = await app.get("/api/events", params={"after": after})
            assert (answer.status_code, answer.headers["content-type"]) == (410, "application/problem+json")
            assert (answer.json()["status"], answer.json()["first_seq"]) == (410, 7)
        for asked in ({}, {"after": 0}, {"after": 6}):
            page = (await app.get("/api/events", params=asked)).json()
            assert ([each["seq"] for each in page["data"]], page["next"]) == ([*range(7, EVENTS + 1)], None)
        backwards = (await app.get("/api/events", params={"before": 9, "limit": 2})).json()
        assert ([each["seq"] for each in backwards["data"]], backwards["next"]) == ([8, 7], None)


@pytest.mark.parametrize("headers", [{}, {"last-event-id": "3"}], ids=["after", "Last-Event-ID"])
async def test_a_stream_from_before_the_log_says_so_and_goes_on(archived, headers):
    """A subscriber from before the kept log gets `gone` with its first seq, and then the kept log."""
    async with (
        served_application(archived) as app,
        app.client.stream("GET", "/api/stream", params={"after": 3}, headers=headers) as answer,
    ):
        blocks = []
        async for line in answer.aiter_lines():
            blocks.append(line)
            if line.startswith("id: 12"):
                break
    assert blocks.index("event: gone") == blocks.index("id: 6") + 1
    data = next(line for line in blocks if line.startswith('data: {"object":"gone"'))
    assert json.loads(data.removeprefix("data: ")) == {"object": "gone", "after": 3, "first_seq": 7}
    assert [line for line in blocks if line.startswith("id: ")] == [f"id: {seq}" for seq in range(6, EVENTS + 1)]


async def test_no_event_of_a_segment_is_replayed(archived):
    """A replay of what was moved is refused with where the log begins, whichever way it is asked for."""
    async with served_application(archived) as app:
        for which in ({"seq": 2}, {"from_seq": 2}, {"from_seq": 6, "to_seq": 9}):
            answer = await app.post("/api/replay", json={"receiver": "pipeline", **which}, headers=RIGHT)
            assert answer.status_code == 410
            assert "begins with event 7" in answer.json()["detail"]
        retried = await app.post("/api/deliveries/pipeline/2/retry", json={}, headers=RIGHT)
        assert retried.status_code == 410


async def test_maintenance_moves_events_once_they_are_old(path):
    """Each hour, what is older than `keep_events` moves, and the log says how much; what holds back others is said once."""
    put_empty_database(path)
    await write_archived_log(path)
    now = SINCE + 40 * 86_400_000
    async with open_store(path) as store:
        maintenance = Maintenance(store, Health([]), {}, lambda: now, keep_deliveries=60.0)
        maintenance.set_limits({}, 60.0, keep_events=39.0 * 86_400)
        with capture_logs() as said:
            await maintenance.prune_once()
            assert not [line for line in said if line["event"].startswith("events.")], "less than a tenth is too old"
            await store.record("default", [seen("slow", now=SINCE + 5 * 86_400_000, status="RUNNING")])
            maintenance.set_limits({}, 60.0, keep_events=30.0 * 86_400)
            for _ in range(2):
                now += PRUNE_EVERY
                await maintenance.prune_once()
    lines = [line for line in said if line["event"].startswith("events.")]
    assert [line["event"] for line in lines] == ["events.moved", "events.held"]
    assert (lines[0]["events"], lines[0]["first_seq"]) == (6, EVENTS + 1)
    assert lines[1]["reason"] == "job slow of account default is active"


async def test_the_page_of_a_job_says_where_its_events_are(archived):
    """The page of a job whose events were moved names the command that lists them; that of another job does not."""
    async with served_application(archived) as app:
        for job, is_said in (("old-0", True), ("old-3", False)):
            answer = await app.get(f"/jobs/{job}", params={"account": "default"})
            assert answer.status_code == 200
            assert (f"events --archive --job {job}" in answer.text) == is_said
