"""Traces of the real command: from the job's creation to what its receiver was sent, in a collector that decodes them."""

import signal

import anyio
import httpx
import pytest
from fixed_receiver import answering
from otlp_collector import attributes, collecting
from receiving import receiving
from tracking import Installation, clock, simulated

from tracker.simulator.job_timeline import JobPlan

pytestmark = pytest.mark.slow

KEY = "canary-otlp-key-5772"


def traced(installation, collector, receiver, **environ):
    """An installation that exports to the collector, and delivers every event to the receiver."""
    installation.environment |= {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector} | environ
    with installation.config.open("a") as config:
        config.write(f'[[receivers]]\nname = "pipeline"\nkind = "webhook"\nurl = "{receiver}"\n')
        config.write('events = ["batch.*"]\nretry = ["50ms", "1h"]\n')
    return installation


async def test_job_and_its_deliveries_are_one_trace(tmp_path):
    """A job that ends is a trace with its queue, its run, its deliveries and their attempts, as the receiver was sent them."""
    answers = iter([500])
    async with (
        simulated() as simulator,
        collecting() as collector,
        receiving(lambda *_: next(answers, 204)) as receiver,
    ):
        installation = traced(
            Installation(tmp_path, simulator.url),
            collector.url,
            receiver.url,
            OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer%20{KEY}",
            OTEL_BSP_SCHEDULE_DELAY="600000",
            OTEL_SERVICE_NAME="tracker-test",
        )
        checked = await installation.command("check")
        assert f"traces    to {collector.url}/v1/traces\n" in checked.stdout
        async with installation.running() as daemon:
            simulator.workspace.add(JobPlan(id="job-1", created=clock(), requests=20, validated=0.0, queued=0.3, running=0.5))
            logged = await installation.wait_for_events(lambda events: events and events[-1]["type"] == "batch.completed")
            await receiver.wait_for(len(logged) + 1)
            async with httpx.AsyncClient(trust_env=False) as http:
                page = (await http.get(f"{daemon.url}/metrics")).text
            assert await daemon.stop(signal.SIGTERM) == 0
    spans = collector.spans
    assert {each["trace"] for each in spans} == {spans[0]["trace"]}
    by_id = {each["id"]: each for each in spans}
    assert len(by_id) == len(spans)
    (job,) = [each for each in spans if not each["parent"]]
    assert (job["name"], job["batch_tracker.job.id"], job["error"]) == ("batch job", "job-1", None)
    assert {each["name"] for each in spans if each["parent"] == job["id"]} >= {
        "batch queue",
        "batch run",
        "deliver batch.created",
    }
    assert all(each["parent"] in by_id for each in spans if each is not job)
    sent = [headers["traceparent"] for headers in receiver.headers]
    attempts = [each for each in spans if each["name"] == "attempt"]
    assert sorted(sent) == sorted(f"00-{each['trace']}-{each['id']}-01" for each in attempts)
    assert [each["error"] for each in attempts if each["error"]] == ["HTTP 500"]
    assert {headers["authorization"] for headers in collector.headers} == {f"Bearer {KEY}"}
    assert attributes(collector.requests[0].resource_spans[0].resource)["service.name"] == "tracker-test"
    assert KEY not in repr(daemon.lines) + checked.stdout + checked.stderr
    assert 'batchtracker_spans_total{result="exported"} 0.0\n' in page  # what was exported came at the end


@pytest.mark.slow
async def test_collector_that_is_gone_harms_nothing(tmp_path):
    """With nothing at the endpoint everything is delivered, the log says once why traces are not, and the end is quick."""
    async with simulated() as simulator, answering() as receiver:
        installation = traced(
            Installation(tmp_path, simulator.url), "http://127.0.0.1:1", receiver.url, OTEL_BSP_SCHEDULE_DELAY="10"
        )
        async with installation.running() as daemon:
            simulator.workspace.add(JobPlan(id="job-1", created=clock(), requests=20, validated=0.0, queued=0.3, running=0.5))
            logged = await installation.wait_for_events(lambda events: events and events[-1]["type"] == "batch.completed")
            events = await receiver.wait_for(len(logged))
            await daemon.says("traces.export_failed")
            with anyio.fail_after(20):
                assert await daemon.stop(signal.SIGTERM) == 0
    assert {event["data"]["id"] for event in events} == {"job-1"}
    assert [line["event"] for line in daemon.lines if line["event"].startswith("traces.")] == ["traces.export_failed"]
