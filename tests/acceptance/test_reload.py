"""SIGHUP: the daemon that runs takes another configuration over, and nothing is lost or sent twice for it."""

import json
import random
import re
import signal
import sqlite3
from collections import Counter, defaultdict
from contextlib import asynccontextmanager, closing, suppress

import anyio
import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.requests import Request
from starlette.responses import Response
from tracking import Installation, simulated

from tracker.server.embedded import open_server
from tracker.store.opening import open_reader

SECRETS = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"
RETRY = ["100ms", "100ms", "200ms", "400ms", "800ms", "1s", "1s", "1s", "1s", "1s"]


class Gate:
    """A receiver that answers while it is open; keeps what came, each with the headers."""

    def __init__(self):
        self.got = []
        self.open = anyio.Event()
        self._arrived = anyio.Event()

    async def __call__(self, scope, receive, send):
        request = Request(scope, receive)
        self.got.append((dict(request.headers), await request.body()))
        self._arrived.set()
        self._arrived = anyio.Event()
        await self.open.wait()
        await Response(status_code=204)(scope, receive, send)

    async def wait_for(self, count):
        with anyio.fail_after(60):
            while len(self.got) < count:
                await self._arrived.wait()

    def copies(self):
        """How often each event came, by its seq."""
        return Counter(json.loads(body)["seq"] for _, body in self.got)


@asynccontextmanager
async def gate():
    app = Gate()
    async with open_server(app, "127.0.0.1", 0) as address:
        app.url = address.url
        yield app


def receiver(name, url, **settings):
    settings = {"events": ["*"], "retry": RETRY, "url": url} | settings
    lines = "".join(f"{key} = {_toml(value)}\n" for key, value in settings.items())
    return f'[[receivers]]\nname = "{name}"\nkind = "webhook"\n{lines}'


def _toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


async def reload(installation, daemon, text, event="configuration.reloaded"):
    """Have the daemon read `text` in the place of its file, and return what it says of that."""
    said = len(daemon.lines)
    installation.config.write_text(text)
    daemon.process.send_signal(signal.SIGHUP)
    return await daemon.says(event, after=said)


def deliveries(database):
    """What the outbox has, in the log's order: seq, stream, receiver and state."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT seq, stream, receiver, state FROM deliveries ORDER BY seq").fetchall()


def first_arrivals_are_in_order(hook, rows):
    """Of each job, what came first of each event came in the log's order."""
    place = {}
    for number, (_, body) in enumerate(hook.got):
        place.setdefault(json.loads(body)["seq"], number)
    by_job = defaultdict(list)
    for seq, stream, *_ in rows:
        if seq in place:
            by_job[stream].append(place[seq])
    return all(places == sorted(places) for places in by_job.values())


async def all_delivered(installation):
    """Until nothing in the outbox is pending; what is logged after that may be."""
    async with open_reader(installation.database) as reader:
        with anyio.fail_after(60):
            while "pending" in [row[-1] for row in deliveries(installation.database)]:
                await reader.wait_for_change()


async def test_what_is_under_way_is_not_sent_again(tmp_path):
    """A secret's file changes while requests are under way: they end by the old one, later ones come by the new, none twice."""
    secret = tmp_path / "secret"
    secret.write_text(SECRETS[0])
    async with simulated(jobs=10, speed=300.0) as simulator, gate() as hook:
        installation = Installation(tmp_path, simulator.url)
        text = installation.config.read_text() + receiver("hook", hook.url, secret={"file": str(secret)}, timeout="30s")
        installation.config.write_text(text)
        async with installation.running() as daemon:
            await hook.wait_for(5)
            secret.write_text(SECRETS[1])
            assert (await reload(installation, daemon, text))["changed"] == ["receiver hook"]
            before = len(hook.got)
            await installation.wait_for_events(lambda events: len(events) > 40)
            assert len(hook.got) <= before + 16  # what was being claimed just then; the others wait
            hook.open.set()
            await hook.wait_for(before + 20)
            await all_delivered(installation)
            assert await daemon.stop(signal.SIGTERM) == 0
            rows = deliveries(installation.database)
    assert set(hook.copies().values()) == {1}
    assert hook.copies().keys() >= {seq for seq, *_, state in rows if state == "delivered"}
    assert first_arrivals_are_in_order(hook, rows)
    signed = [_signed_by(headers, body) for headers, body in hook.got]
    assert signed == sorted(signed)
    assert set(signed) == {0, 1}


def _signed_by(headers, body):
    """Which of the secrets the request is signed with."""
    for number, secret in enumerate(SECRETS):
        with suppress(WebhookVerificationError):
            Webhook(secret).verify(body, headers)
            return number
    raise AssertionError("signed with neither")


@pytest.mark.slow
async def test_storm_of_reloads(tmp_path):
    """Thirty reloads while everything moves, each of which changes receiver and account: each event arrives once, in order."""
    chance = random.Random(30)
    async with simulated(jobs=10, speed=300.0) as simulator, gate() as hook:
        hook.open.set()
        installation = Installation(tmp_path, simulator.url)
        plain = installation.config.read_text()
        variants = [
            plain.replace("200ms", interval) + receiver("hook", hook.url, timeout=timeout)
            for interval in ("100ms", "150ms")
            for timeout in ("10s", "11s")
        ]
        installation.config.write_text(variants[0])
        async with installation.running() as daemon:
            await hook.wait_for(1)
            for _ in range(30):
                installation.config.write_text(chance.choice(variants))
                daemon.process.send_signal(signal.SIGHUP)
                await hook.wait_for(len(hook.got) + chance.randint(0, 1))
            await reload(installation, daemon, variants[0])
            await hook.wait_for(len(hook.got) + 5)
            assert await daemon.stop(signal.SIGTERM) == 0
        rows = deliveries(installation.database)
    assert set(hook.copies().values()) == {1}
    assert hook.copies().keys() >= {seq for seq, *_, state in rows if state == "delivered"}
    assert first_arrivals_are_in_order(hook, rows)
    assert (await installation.command("verify")).returncode == 0


async def test_accounts_and_filters_change(tmp_path):
    """An interval, a filter and a receiver change at once; a removed account is asked nothing more and shown nowhere."""
    async with simulated(jobs=5, speed=300.0) as one, simulated(jobs=5, seed=9) as two, gate() as hook, gate() as other:
        hook.open.set()
        other.open.set()
        installation = Installation(tmp_path, one.url)
        plain = installation.config.read_text()
        second = f'[[accounts]]\nname = "second"\napi_key = {{ env = "MISTRAL_API_KEY" }}\nbase_url = "{two.url}"\n'
        before = plain.replace("200ms", "1h") + second + receiver("hook", hook.url, events=["batch.created"])
        installation.config.write_text(before)
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url) as client:
            with anyio.fail_after(30):
                while (await client.get("/readyz")).status_code != 200:
                    pass
            await installation.wait_for_events(bool)
            assert 'account="second"' in (await client.get("/metrics")).text
            after = plain + receiver("hook", hook.url, events=["batch.progress"]) + receiver("other", other.url)
            reloaded = await reload(installation, daemon, after)
            assert {how: reloaded[how] for how in ("added", "changed", "removed")} == {
                "added": ["receiver other"],
                "changed": ["account default", "receiver hook"],
                "removed": ["account second"],
            }
            requests, logged = sum(two.requests.values()), len(await installation.wait_for_events(bool))
            await installation.wait_for_events(lambda events: _has(events[logged:], "batch.created", "batch.progress"))
            await hook.wait_for(2)
            await other.wait_for(5)
            page, ready = (await client.get("/metrics")).text, (await client.get("/readyz")).json()
            await daemon.stop(signal.SIGTERM)
        assert sum(two.requests.values()) == requests
    delivered = [event for event in (json.loads(body) for _, body in hook.got) if event["seq"] > logged]
    assert {event["type"] for event in delivered} == {"batch.progress"}
    of_second = [line for line in page.splitlines() if re.search(r'(account|name)="second"', line)]
    assert [line.partition("{")[0] for line in of_second] == ["batchtracker_orphaned_jobs"], "its active jobs are left behind"
    assert list(ready["accounts"]) == ["default"]


def _has(events, *types):
    return {event["type"] for event in events} >= set(types)


@pytest.mark.slow
async def test_what_needs_a_restart_is_named(tmp_path):
    """Another database and another address wait for the next start, by log and status, while the rest is taken over."""
    async with simulated(jobs=3, speed=300.0) as simulator, gate() as hook:
        hook.open.set()
        installation = Installation(tmp_path, simulator.url)
        text = installation.config.read_text().replace("tracker.db", "another.db").replace("127.0.0.1:0", "127.0.0.1:1")
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url) as client:
            assert (await reload(installation, daemon, text + receiver("hook", hook.url)))["added"] == ["receiver hook"]
            assert (await daemon.says("configuration.restart_needed"))["to_change"] == ["storage.path", "http.listen"]
            await hook.wait_for(1)
            assert (await client.get("/healthz")).status_code == 200
            await daemon.stop(signal.SIGTERM)
    assert not (tmp_path / "another.db").exists()


async def test_invalid_file_leaves_the_old_one_in_force(tmp_path):
    """Every mistake is in the log, the metrics say that the reload failed, and the daemon goes on as it was."""
    async with simulated(jobs=3, speed=600.0) as simulator:
        installation = Installation(tmp_path, simulator.url)
        sound = installation.config.read_text()
        missing = receiver("hook", "https://example.com/", secret={"file": str(tmp_path / "missing")})
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url) as client:
            failed = await reload(installation, daemon, sound + "nonsense = 1\n" + missing, "configuration.reload_failed")
            assert "accounts[0].nonsense: unknown key" in failed["mistakes"][0]
            assert f"the file {tmp_path / 'missing'} cannot be read" in failed["mistakes"][1]
            page = (await client.get("/metrics")).text
            assert "batchtracker_config_last_reload_successful 0.0" in page
            assert 'batchtracker_config_reloads_total{result="error"} 1.0' in page
            seen = len(await installation.wait_for_events(bool))
            await installation.wait_for_events(lambda events: len(events) > seen)
            await reload(installation, daemon, sound)
            assert "batchtracker_config_last_reload_successful 1.0" in (await client.get("/metrics")).text


@pytest.mark.slow
async def test_what_is_answered_while_it_stops_is_not_sent_again(tmp_path):
    """A stopping daemon waits a moment for what is under way; the next one need not send it again."""
    async with simulated(jobs=5, speed=300.0) as simulator, gate() as hook:
        installation = Installation(tmp_path, simulator.url)
        installation.config.write_text(installation.config.read_text() + receiver("hook", hook.url, timeout="30s"))
        async with installation.running() as daemon:
            await hook.wait_for(3)
            daemon.process.send_signal(signal.SIGTERM)
            await daemon.says("process.stopping")
            await anyio.sleep(0.5)  # by then one that did not wait would have ended
            hook.open.set()
            await daemon.says("process.stopped")
        before = hook.copies()
        async with installation.running() as daemon:
            await hook.wait_for(len(hook.got) + 3)
            await daemon.stop(signal.SIGTERM)
    assert set(before.values()) == {1}
    assert all(hook.copies()[seq] == 1 for seq in before)
