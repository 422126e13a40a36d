"""The trace of a delivery: one for a job, the same after a restart, another parent for each attempt."""

import re

import msgspec
import pytest

from tracker.core.deliveries import trace_context
from tracker.core.deliveries.delivery import Delivery
from tracker.core.deliveries.trace_context import job_span_id, job_trace_id, trace_of, traceparent

DELIVERY = Delivery(
    receiver="pipeline", seq=7, event_id="evt_1", type="batch.completed", stream="default/job-1", attempts=0, body="{}"
)


def trace_id(delivery):
    return trace_of(delivery).trace


def changed(**changes):
    return msgspec.structs.replace(DELIVERY, **changes)


def test_header_is_as_the_specification_says():
    """Version 00, 32 and 16 digits in lower case, and the flag; the very ids, so that no release changes them."""
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", traceparent(DELIVERY))
    assert traceparent(DELIVERY) == "00-cc51dbc080bcff43c0f3f34c57809a54-0194e887c6cc2963-01"
    assert traceparent(DELIVERY, sampled=False)[-3:] == "-00"


@pytest.mark.parametrize("size", [8, 16])
def test_no_id_is_zero(monkeypatch, size):
    """Where a hash is nothing but zeros, which the specification forbids, the id is another one."""

    class Zeros:
        def digest(self):
            return bytes(size)

    monkeypatch.setattr(trace_context, "blake2b", lambda *_, **__: Zeros())
    assert any(trace_context._digest(size, b"trace", "x"))


def test_a_job_has_one_trace():
    """All events of a job to all receivers are in its trace; those of another job or account are not."""
    same = [changed(event_id="evt_2"), changed(receiver="board"), changed(attempts=3), changed(replays=1)]
    assert {*map(trace_id, same)} == {trace_id(DELIVERY)} == {job_trace_id("default", "job-1")}
    others = [changed(stream="default/job-2"), changed(stream="other/job-1"), changed(stream="defaul/t/job-1")]
    assert len({*map(trace_id, [DELIVERY, *others])}) == 4


@pytest.mark.parametrize("stream", ["account:default", "receiver:pipeline", "replica:one"])
def test_an_event_about_no_job_has_a_trace_of_its_own(stream):
    """Two events about one account share no trace, and the deliveries of one event do."""
    one, two = changed(stream=stream), changed(stream=stream, event_id="evt_2")
    assert trace_id(one) == trace_id(changed(stream=stream, receiver="board")) != trace_id(two)


def test_each_attempt_has_a_parent_of_its_own():
    """Attempts, deliveries to other receivers and replays differ in their span; the same attempt, made again, does not."""
    attempts = [DELIVERY, changed(attempts=1), changed(receiver="board"), changed(event_id="evt_2"), changed(replays=1)]
    ids = [*map(trace_of, attempts)]
    spans = [*(each.attempt for each in ids), *(each.delivery for each in ids), job_span_id("default", "job-1")]
    assert {each.parent for each in ids} == {spans[-1]}
    assert len({*spans}) == len(spans) - 1  # the first two attempts are of one delivery
    assert traceparent(changed(body="another")) == traceparent(DELIVERY)
