"""Rendering the series of active jobs: ours, and the same by prometheus_client's gauges."""

import pytest
from canned import job
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from tracker.core.job import COUNTERS, read_job
from tracker.metrics.series import JobSeries

pytestmark = pytest.mark.no_cover  # counting lines would be what is measured

SERIES = 10_000
BESIDE_THE_COUNTERS = 3  # info, creation, status


def test_rendering_job_series(compare):
    """Both ways write the same page; ours should take 0.15 of the time at most."""
    comparison = compare(f"/metrics with {SERIES} series of jobs")
    jobs = [read_job(job(number)) for number in range(SERIES // (len(COUNTERS) + BESIDE_THE_COUNTERS))]
    active = {"default": {each.id: each for each in jobs}}
    registry, series = _gauges(jobs), JobSeries()
    theirs = ours = b""
    for _ in range(9):
        with comparison.time("prometheus_client: gauges"):
            theirs = generate_latest(registry)
        with comparison.time("JobSeries.render"):
            ours = series.render(active, len(jobs))
        with comparison.time("JobSeries.render, labels unknown"):
            JobSeries().render(active, len(jobs))
    assert ours == theirs
    assert comparison.ratio("JobSeries.render", "prometheus_client: gauges") < 0.5
    assert theirs.count(b'job="') > SERIES * 0.99


def _gauges(jobs):
    registry = CollectorRegistry()
    texts = ("", " that are done", " that succeeded", " that failed")
    gauges = [
        Gauge(f"batchtracker_job_{name}", f"Requests of an active job{text}.", ["account", "job"], registry=registry)
        for name, text in zip(COUNTERS, texts, strict=True)
    ]
    about = {
        "info": ("What an active job is.", ["account", "job", "model", "endpoint"]),
        "created_timestamp_seconds": ("When an active job was created.", ["account", "job"]),
        "status": ("The status of an active job: 1.", ["account", "job", "status"]),
    }
    info, created, status = (Gauge(f"batchtracker_job_{name}", *each, registry=registry) for name, each in about.items())
    for each in jobs:
        for gauge, name in zip(gauges, COUNTERS, strict=True):
            gauge.labels("default", each.id).set(getattr(each, name))
        info.labels("default", each.id, each.model, each.endpoint).set(1)
        created.labels("default", each.id).set(each.created_at)
        status.labels("default", each.id, each.status).set(1)
    text = "Active jobs without series of their own."
    Gauge("batchtracker_job_series_omitted", text, ["account"], registry=registry).labels("default").set(0)
    return registry
