"""What http.listen says of the daemon itself, over a real socket."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from web_application import served_application

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.reconciliation.sweep_report import Report

NOW = 1_750_861_214_312
PATHS = ("/", "/healthz", "/readyz", "/metrics", "/api/jobs", "/api/openapi.json", "/login", "/nothing")


async def test_ready_when_every_account_is_known_and_the_store_can_be_written(path):
    """Not ready until each account was swept or failed; not ready, with the reason, while the store is not writable."""
    async with served_application(path) as app:
        app.health.swept("one", None, NOW)
        answer = await app.get("/readyz")
        assert (answer.status_code, answer.json()["reasons"]) == (503, ["account two: not swept yet"])
        app.health.swept("two", Failure(Reason.NOT_ENABLED, "HTTP 402"), NOW)
        answer = await app.get("/readyz")
        assert answer.status_code == 200
        assert answer.json()["accounts"] == {
            "one": {"last_good_sweep": "2025-06-25T14:20:14.312Z", "failure": None},
            "two": {"last_good_sweep": None, "failure": "not_enabled"},
        }
        moved = path.with_name("elsewhere.db")
        path.rename(moved)
        answer = await app.get("/readyz")
        assert answer.status_code == 503
        assert "was moved" in answer.json()["reasons"][0]
        assert (await app.get("/healthz")).status_code == 200
        moved.rename(path)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("url", PATHS)
async def test_answers_can_do_no_harm_in_a_browser(path, url, method):
    """Every answer, an error no less, forbids inline scripts and styles, frames and sniffing, and is not kept."""
    async with served_application(path) as app:
        answer = await app.client.request(method, url)
    policy = answer.headers["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert {"script-src 'self'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} <= {
        *policy
    }
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers
    assert "server" not in answer.headers
    assert bool(answer.content) is (method == "GET")


@pytest.mark.parametrize("url", [*PATHS[:6], "/static/page.css"])
async def test_methods_that_there_are_not(path, url):
    """What changes nothing takes GET and HEAD alone, and says so."""
    async with served_application(path) as app:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            answer = await app.client.request(method, url, headers={"authorization": "Bearer canary-control-token"})
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
            assert answer.json()["detail"] == f"found {method}, expected one of GET, HEAD"


async def test_a_bug_is_a_problem_too(path, monkeypatch, caplog):
    """An unexpected error is 500, a problem without the cause, as harmless as any answer; the log has it."""
    async with served_application(path) as app:
        monkeypatch.setattr(app.health, "not_ready_because", lambda: 1 / 0)
        answer = await app.get("/readyz")
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert answer.json()["status"] == 500
        assert "division" not in answer.text
        assert "content-security-policy" in answer.headers
        assert (await app.get("/healthz")).status_code == 200
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()


async def test_metrics_are_what_prometheus_reads(path):
    """The page comes in Prometheus's text format, whatever the loops have reported."""
    async with served_application(path) as app:
        app.metrics.configured({"one": 15.0}, [])
        app.metrics.swept("one", Report(events=0, shown=1, stale=3, malformed=(), failure=None), NOW, 0.5)
        answer = await app.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {family.name: family for family in text_string_to_metric_families(answer.text)}
    (stale,) = found["batchtracker_stale_answers"].samples
    assert (stale.labels, stale.value) == ({"account": "one"}, 3.0)
