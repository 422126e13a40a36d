"""The routes of http.listen over a real socket: what they say, to whom, and with which headers."""

from contextlib import asynccontextmanager

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tracker.core.failure import Failure, Reason
from tracker.core.health import Health
from tracker.core.sweep import Report
from tracker.metrics import Metrics
from tracker.serving import serving
from tracker.web.app import create_app

NOW = 1_750_861_214_312
PATHS = ("/", "/healthz", "/readyz", "/metrics")


class Store:
    """What the probe finds."""

    def __init__(self):
        self.wrong = None

    async def probe(self):
        return self.wrong


@asynccontextmanager
async def app(token=None, metrics=lambda: b""):
    """A served application: its health, its store, and a client."""
    health, store = Health(["one", "two"]), Store()
    async with (
        serving(create_app(health, store.probe, metrics, token), "127.0.0.1", 0) as address,
        httpx.AsyncClient(base_url=address.url) as client,
    ):
        yield health, store, client


async def test_ready_when_every_account_is_known_and_the_store_can_be_written():
    """Not ready until each account was swept or failed; not ready, with the reason, while the store is not writable."""
    async with app() as (health, store, client):
        health.swept("one", None, NOW)
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["reasons"]) == (503, ["account two: not swept yet"])
        health.swept("two", Failure(Reason.NOT_ENABLED, "HTTP 402"), NOW)
        answer = await client.get("/readyz")
        assert answer.status_code == 200
        assert answer.json()["accounts"] == {
            "one": {"last_good_sweep": "2025-06-25T14:20:14.312Z", "failure": None},
            "two": {"last_good_sweep": None, "failure": "not_enabled"},
        }
        store.wrong = "the disk is full"
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["reasons"]) == (503, ["storage: the disk is full"])
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("path", PATHS)
async def test_token_is_asked_for_everywhere_but_by_healthz(path):
    """With a token, whoever sends none or another is refused, and told how to send it."""
    async with app(token="right") as (_, _, client):
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "right"}, {"authorization": "Bearer right2"}):
            answer = await client.get(path, headers=headers)
            assert answer.status_code == (200 if path == "/healthz" else 401)
            assert "right" not in answer.text
        assert (await client.get(path, headers={"authorization": "Bearer right"})).status_code in (200, 503)


@pytest.mark.parametrize("path", PATHS)
async def test_answers_can_do_no_harm_in_a_browser(path):
    """Every page forbids scripts, frames and sniffing, and is not kept."""
    async with app() as (_, _, client):
        headers = (await client.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        assert (await client.post(path)).status_code == 405


async def test_metrics_are_what_prometheus_reads():
    """The page comes in Prometheus's text format, whatever the loops have told."""
    metrics = Metrics()
    metrics.configured({"one": 15.0}, [])
    async with app(metrics=metrics.render) as (_, _, client):
        metrics.swept("one", Report(events=(), shown=1, stale=3, malformed=(), failure=None), NOW, 0.5)
        answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {family.name: family for family in text_string_to_metric_families(answer.text)}
    (stale,) = found["batchtracker_stale_answers"].samples
    assert (stale.labels, stale.value) == ({"account": "one"}, 3.0)
