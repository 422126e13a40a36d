"""OpenMetrics: the same series as Prometheus's text, exemplars with the traces that were sent, and when it is chosen."""

import re

import msgspec
import pytest
from core_samples import NOW, job
from metrics_reading import samples, set_active
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tracker.core.deliveries.delivery import Delivery, Outcome, Result, settle
from tracker.core.deliveries.fan_out import stream_of
from tracker.core.deliveries.trace_context import job_trace_id, traceparent
from tracker.core.events.event import encode_event
from tracker.core.events.job_diff import diff, first_seen
from tracker.core.queries.kept_log import KeptLog
from tracker.metrics import Metrics
from tracker.metrics.exposition import Exposition
from tracker.metrics.families import Families
from tracker.metrics.text_format import OPENMETRICS, PROMETHEUS, negotiated

HOSTILE = 'job "x"\n\\'


@pytest.fixture(scope="module")
def metrics():
    """Those of a daemon whose job has ended and was delivered at the second attempt, beside one with a hostile name."""
    metrics = Metrics(Nothing(), is_replica=True)
    metrics.configured({"one": 15.0}, ["pipeline"])
    metrics.replicas.works_under((), is_maintainer=True)
    metrics.replicas.seen(2, {})
    metrics.changes.swept_whole("one")
    set_active(metrics, "one", {HOSTILE: job(id=HOSTILE, model=HOSTILE)})
    for event in life():
        metrics.logged(event)
    for attempts, result in enumerate((Result.SERVER, Result.DELIVERED)):
        delivery = delivery_of(life()[-1], attempts)
        metrics.deliveries.settled(settle(delivery, Outcome(result=result), (1.0, 1.0), (NOW, NOW + 70), 0.5))
    return metrics


def life():
    """The events of a job that ran for 50 s, in which its requests succeeded."""
    running = job(id="a", status="RUNNING", started_at=NOW // 1000 - 50)
    created = first_seen("one", running, NOW)
    ended = msgspec.structs.replace(running, status="SUCCESS", completed_at=NOW // 1000)
    return [*created.events, *diff("one", created.known, ended, NOW).events]


class Nothing:
    """The statistics of an empty store."""

    def engine(self):
        return "3.53", False

    def sizes(self):
        return 1, 2

    def last_seq(self):
        return 3

    def kept_log(self):
        return KeptLog(2, "2025-06-15T15:06:40.000Z", 5)

    def __getattr__(self, _name):
        return lambda *_: {}


def delivery_of(event, attempts):
    stream, body = stream_of(event), encode_event(event)
    return Delivery(receiver="pipeline", seq=1, event_id=event.id, type=event.type, stream=stream, attempts=attempts, body=body)


def parsed(page):
    return list(text_string_to_metric_families(page.decode()))


def exemplars(page):
    """The labels of each exemplar by the name of its series, without the prefix."""
    return {
        (sample.name.removeprefix("batchtracker_"), *sample.labels.values()): sample.exemplar.labels
        for family in parsed(page)
        for sample in family.samples
        if sample.exemplar
    }


def test_both_formats_have_the_same_series(metrics):
    """The strict parser of OpenMetrics reads the page to its end, and finds every series that the text has, with its value."""
    page = metrics.render(OPENMETRICS)
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parsed(page)
        for sample in family.samples
        if not sample.name.startswith(("process_", "python_gc"))
    }
    expected = {
        (name, labels): value
        for (name, labels), value in samples(metrics.render()).items()
        if not name.startswith(("process_", "python_gc"))
    }
    assert len(found) > 250
    assert found == expected
    assert page.endswith(b"# EOF\n")
    assert page.count(b"# EOF") == 1
    assert b"_created" not in re.sub(rb"_created_timestamp|batch\.created", b"", page)


def test_exemplars_are_the_traces_that_were_sent(metrics):
    """Each attempt's bucket and counters name the trace and the span of its `traceparent`; durations of a job its trace."""
    found = exemplars(metrics.render(OPENMETRICS))
    sent = [traceparent(delivery_of(life()[-1], attempts)).split("-")[1:3] for attempts in (0, 1)]
    failed, delivered = ({"trace_id": trace, "span_id": span} for trace, span in sent)
    assert found["delivery_attempts_total", "pipeline", "server"] == failed
    assert found["delivery_attempts_total", "pipeline", "delivered"] == delivered
    assert found["delivery_duration_seconds_bucket", "0.1", "pipeline"] == delivered  # the latest of the bucket
    assert found["delivery_latency_seconds_bucket", "0.1", "pipeline"] == delivered
    assert found["deliveries_total", "pipeline", "delivered"] == delivered
    of_job = {"trace_id": job_trace_id("one", "a").hex()}
    assert of_job["trace_id"] == delivered["trace_id"]
    for name in ("job_run_seconds_bucket", "job_queue_seconds_bucket", "job_observation_lag_seconds_bucket"):
        labels = [labels for (of, *_), labels in found.items() if of == name]
        assert labels
        assert all(each == of_job for each in labels)
    assert [labels for (of, *_), labels in found.items() if of == "ended_jobs_total"] == [of_job]


def test_text_has_no_exemplars(metrics):
    """Prometheus's own format, the default, stays what it was: no exemplar and no end."""
    page = metrics.render()
    assert not re.search(rb"^[^#].*#|# EOF|trace_id", page, re.MULTILINE)


def test_part_that_fails_ends_no_page_early():
    """A page of OpenMetrics with a part that fails is a whole page without that part."""
    families = Families()
    families.counter("works", "Text.").inc(exemplar={"trace_id": "1"})

    def broken():
        yield from families.collect()
        raise OSError

    page = Exposition({"whole": families.collect, "broken": broken}).render(OPENMETRICS)
    assert [family.name for family in parsed(page)] == ["batchtracker_works", "batchtracker_metrics_errors"]


@pytest.mark.parametrize(
    ("accept", "format_"),
    [
        ("", PROMETHEUS),
        ("*/*", PROMETHEUS),
        ("text/plain", PROMETHEUS),
        ("application/*, text/html", PROMETHEUS),
        ("application/openmetrics-text; version=1.0.0", OPENMETRICS),
        ("Application/OpenMetrics-Text", OPENMETRICS),
        ('application/openmetrics-text;version="1.0.0";escaping=allow-utf-8', OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0,*/*;q=0.1", OPENMETRICS),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5",
            OPENMETRICS,
        ),
        ("text/plain;version=0.0.4;q=0.6, application/openmetrics-text;version=1.0.0;q=0.5", PROMETHEUS),
        ("application/openmetrics-text;version=1.0.0;q=0, text/plain;q=0", PROMETHEUS),
        ("application/openmetrics-text;version=2.0.0", PROMETHEUS),
        ("application/openmetrics-text;version=0.0.1", PROMETHEUS),
        ("application/openmetrics-text;q=nan", PROMETHEUS),
        (";,=;q=;version", PROMETHEUS),
    ],
)
def test_format_is_negotiated(accept, format_):
    """OpenMetrics is for those who name it and want text no more than it; who asks for anything or nothing gets text."""
    assert negotiated(accept) is format_
