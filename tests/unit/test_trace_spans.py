"""The spans of jobs and deliveries: one trace, real parents, the vendor's times; OpenTelemetry's classes read their bytes."""

import msgspec
import pytest
from core_samples import NOW, job
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from otlp_collector import as_dict, attributes

from tracker.core.deliveries.delivery import Delivery, Outcome, Result, settle
from tracker.core.deliveries.fan_out import stream_of
from tracker.core.deliveries.trace_context import job_span_id, job_trace_id, traceparent
from tracker.core.events.event import encode_event, plain_event
from tracker.core.events.event_type_table import END_TYPES, TYPES
from tracker.core.events.job_diff import Known, deletion, diff, first_seen
from tracker.core.events.sample import sample_event
from tracker.tracing.delivery_spans import spans_of_attempt
from tracker.tracing.job_spans import ends_job, spans_of_job
from tracker.tracing.otlp_encoding import RequestEncoder, SpanKind, describe, encode_attributes, span
from tracker.tracing.span_queue import SpanQueue
from tracker.tracing.tracer import Tracer

SECOND = NOW // 1000


def decoded(entries):
    return [as_dict(each) for each in ScopeSpans.FromString(b"".join(entries)).spans]


def ended(status="SUCCESS", **changed):
    """The event that ends a job which was created 100 s ago and ran for 50 s."""
    running = job(id="job-1", status="RUNNING", created_at=SECOND - 100, started_at=SECOND - 50, completed_at=None)
    over = msgspec.structs.replace(running, status=status, **{"completed_at": SECOND, **changed})
    return diff("one", first_seen("one", running, NOW).known, over, NOW).events[-1]


def delivery_of(event, **changed):
    given = {"receiver": "pipeline", "seq": 7, "event_id": event.id, "type": event.type, "attempts": 0}
    return Delivery(**given | {"stream": stream_of(event), "body": encode_event(event)} | changed)


def attempted(delivery, result=Result.DELIVERED, status=204, schedule=(1.0, 1.0)):
    outcome = Outcome(result=result, status=status, detail="canary", answer="canary")
    return settle(delivery, outcome, schedule, (NOW + 10, NOW + 30), 0.5)


def test_job_has_a_span_for_its_queue_and_one_for_its_run():
    """The whole from creation to end, with both parts below it, in the trace that its deliveries name too."""
    event = ended()
    whole, queued, ran = decoded(spans_of_job(event))
    assert {each["trace"] for each in (whole, queued, ran)} == {job_trace_id("one", "job-1").hex()}
    assert (whole["name"], whole["parent"], whole["id"]) == ("batch job", "", job_span_id("one", "job-1").hex())
    assert [each["parent"] for each in (queued, ran)] == [whole["id"]] * 2
    assert len({each["id"] for each in (whole, queued, ran)}) == 3
    created, started, completed = ((SECOND - before) * 1000 for before in (100, 50, 0))
    assert (whole["began"], whole["ended"]) == (created, completed)
    assert (queued["name"], queued["began"], queued["ended"]) == ("batch queue", created, started)
    assert (ran["name"], ran["began"], ran["ended"]) == ("batch run", started, completed)
    assert whole["kind"] == "SPAN_KIND_INTERNAL"
    assert whole["batch_tracker.job.id"] == "job-1"
    assert (whole["batch_tracker.event.id"], whole["batch_tracker.account"]) == (event.id, "one")
    assert (whole["gen_ai.request.model"], whole["gen_ai.provider.name"]) == ("mistral-small-latest", "mistral_ai")
    assert [whole[f"batch_tracker.job.{name}_requests"] for name in ("total", "succeeded", "failed")] == [1000, 880, 20]


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (ended(), None),
        (ended("FAILED"), "failed"),
        (ended("TIMEOUT_EXCEEDED"), "expired"),
        (ended("CANCELLED"), None),
        (ended(succeeded_requests=0, failed_requests=1000, completed_requests=1000), "all requests failed"),
        (deletion("one", Known(job(id="job-1", status="RUNNING")), NOW).events[0], "deleted"),
    ],
    ids=["success", "failed", "expired", "cancelled", "all failed", "deleted"],
)
def test_job_that_failed_is_an_error(event, error):
    """The span of a job says whether it failed, and its run too; what the API says of it is not exported."""
    whole, *_, ran = decoded(spans_of_job(event))
    assert (whole["error"], ran["error"]) == (error, error)


def test_job_that_never_ran_was_queued_to_its_end():
    """Without a start there is no run, and the queue lasts until the end."""
    whole, queued = decoded(spans_of_job(ended("CANCELLED", started_at=None)))
    assert (queued["began"], queued["ended"]) == (whole["began"], whole["ended"])


@pytest.mark.parametrize(
    ("changed", "order"),
    [
        ({"created_at": SECOND + 5, "started_at": SECOND - 5, "completed_at": SECOND - 9}, (5, 5, 5)),
        ({"completed_at": None}, None),
        ({"created_at": -5, "started_at": 10**15, "completed_at": 0}, None),
    ],
)
def test_times_of_a_vendor_that_contradict_each_other_give_no_negative_span(changed, order):
    """Whatever the vendor's times are, a span ends no earlier than it began, and its bytes can be read."""
    event = ended()
    event = msgspec.structs.replace(event, data=event.data | changed)
    whole, *parts = decoded(spans_of_job(event))
    for each in (whole, *parts):
        assert 0 <= each["began"] <= each["ended"]
    if order:
        assert (whole["began"], parts[1]["began"], parts[1]["ended"]) == tuple((SECOND + seconds) * 1000 for seconds in order)


@pytest.mark.parametrize("type_", TYPES)
def test_only_the_end_of_a_job_ends_it(type_):
    """The four ends do, and no other event; that a job that was over is deleted does not end it again."""
    assert ends_job(sample_event(type_, "one", NOW, "x")) == (type_ in END_TYPES or type_ == "batch.deleted")
    over = deletion("one", Known(job(id="job-1", status="SUCCESS")), NOW).events[0]
    assert not ends_job(over)


def test_attempts_are_children_of_their_delivery():
    """A delivery that came at the second attempt: two clients below it, the one that failed an error, all below the job."""
    event = ended()
    first, second = delivery_of(event), delivery_of(event, attempts=1)
    (failed,) = decoded(spans_of_attempt(attempted(first, Result.SERVER, 503)))
    delivered, whole = decoded(spans_of_attempt(attempted(second)))
    assert [each["name"] for each in (failed, delivered, whole)] == ["attempt", "attempt", "deliver batch.completed"]
    assert failed["parent"] == delivered["parent"] == whole["id"]
    assert whole["parent"] == job_span_id("one", "job-1").hex()
    for delivery, each in ((first, failed), (second, delivered)):
        assert traceparent(delivery) == f"00-{each['trace']}-{each['id']}-01"
        assert (each["began"], each["ended"], each["kind"]) == (NOW + 10, NOW + 30, "SPAN_KIND_CLIENT")
        assert (each["batch_tracker.event.id"], each["batch_tracker.event.seq"]) == (event.id, 7)
    assert (failed["error"], failed["error.type"], failed["http.response.status_code"]) == ("HTTP 503", "server", 503)
    assert (delivered["error"], delivered["http.response.status_code"]) == (None, 204)
    assert (whole["began"], whole["ended"], whole["kind"]) == (NOW, NOW + 30, "SPAN_KIND_PRODUCER")
    assert (whole["batch_tracker.delivery.state"], whole["batch_tracker.delivery.attempts"]) == ("delivered", 2)


def test_dead_delivery_is_an_error_and_a_replay_another_span():
    """After the last attempt the delivery's span says that it is dead; delivered by a replay it is a span of its own."""
    event = ended()
    attempt, dead = decoded(spans_of_attempt(attempted(delivery_of(event, attempts=1), Result.NETWORK, None, (1.0,))))
    assert (attempt["error"], dead["error"]) == ("network", "dead: network")
    assert "http.response.status_code" not in attempt
    _, replayed = decoded(spans_of_attempt(attempted(delivery_of(event, replays=1))))
    assert (replayed["batch_tracker.delivery.replays"], replayed["error"]) == (1, None)
    assert replayed["id"] != dead["id"]


def test_event_about_no_job_is_a_trace_of_its_own():
    """Its delivery has no parent, and two events of an account share nothing."""
    event = plain_event("account.recovered", "one", {"account": "one"}, NOW)
    _, whole = decoded(spans_of_attempt(attempted(delivery_of(event))))
    _, other = decoded(spans_of_attempt(attempted(delivery_of(event, event_id="evt_other"))))
    assert whole["parent"] == ""
    assert whole["trace"] != other["trace"]


def test_nothing_of_an_answer_is_exported():
    """What the receiver said, and what the job says in its metadata and errors, is in no span."""
    event = msgspec.structs.replace(
        ended("FAILED"), data=ended().data | {"metadata": {"canary": "canary"}, "errors": ["canary"]}
    )
    exported = b"".join([*spans_of_job(event), *spans_of_attempt(attempted(delivery_of(event), Result.REFUSED, 400))])
    assert b"canary" not in exported


@pytest.mark.parametrize("length", [0, 1, 127, 128, 300, 20_000])
def test_request_is_what_opentelemetry_reads(length):
    """A request of many sizes is read by OpenTelemetry's own classes, with nothing left over that they do not know."""
    ids = b"t" * 16, b"s" * 8, b"p" * 8
    long = (("text", "é" * length), ("number", 2**62))
    entries = [span(ids, (1, 2), describe("name", SpanKind.CLIENT, (("one", 1),), "wrong"), encode_attributes(long))] * 3
    request = ExportTraceServiceRequest.FromString(RequestEncoder((("service.name", "x"),), "1.2").request(entries))
    (of_resource,) = request.resource_spans
    (of_scope,) = of_resource.scope_spans
    assert attributes(of_resource.resource) == {"service.name": "x"}
    assert (of_scope.scope.name, of_scope.scope.version) == ("batch-tracker", "1.2")
    assert [as_dict(each) for each in of_scope.spans] == [
        {
            "trace": (b"t" * 16).hex(), "id": (b"s" * 8).hex(), "parent": (b"p" * 8).hex(), "name": "name",
            "kind": "SPAN_KIND_CLIENT", "began": 1, "ended": 2, "error": "wrong", "one": 1, **dict(long),
        }
    ] * 3  # fmt: skip
    size = request.ByteSize()
    request.DiscardUnknownFields()
    assert request.ByteSize() == size


def test_sampling_is_by_the_trace():
    """A share of jobs is exported, each whole: its own spans, its deliveries, and the flag of what is sent agree."""
    queue = SpanQueue(10_000, 512, pytest.fail)
    tracer = Tracer(queue, 0.25)
    kept = 0
    for number in range(400):
        event = msgspec.structs.replace(ended(), data=ended().data | {"id": f"job-{number}"})
        delivery = delivery_of(event)
        before = len(queue)
        tracer.logged(event)
        tracer.settled(attempted(delivery))
        kept += tracer.is_sampled(delivery)
        assert len(queue) - before == (5 if tracer.is_sampled(delivery) else 0)
    assert 60 < kept < 140
    assert all(Tracer(queue, 1.0).is_sampled(delivery_of(ended())) for _ in range(3))
    assert not Tracer(queue, 0.0).is_sampled(delivery_of(ended()))


def test_only_what_was_watched_is_a_span():
    """A job that was over before the first contact, and an event that ends none, give no span."""
    queue = SpanQueue(10, 5, pytest.fail)
    tracer = Tracer(queue)
    tracer.logged(ended(), backfilled=True)
    tracer.logged(sample_event("batch.progress", "one", NOW, "x"))
    assert len(queue) == 0


def test_full_queue_drops_what_is_new_and_counts_it():
    """Spans beyond the bound are counted and not kept; what is taken makes room, in order, a request's worth at a time."""
    dropped = []
    queue = SpanQueue(3, 2, dropped.append)
    queue.add([b"1", b"2"])
    queue.add([b"3", b"4", b"5"])
    queue.add([b"6"])
    assert (dropped, len(queue)) == ([2, 1], 3)
    assert (queue.take(), queue.take(), queue.take()) == ([b"1", b"2"], [b"3"], [])
