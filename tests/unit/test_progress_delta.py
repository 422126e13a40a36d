"""The short form of an event of progress: what is rebuilt is the event, byte for byte, or there is no short form."""

import json

import msgspec
import pytest
from core_samples import NOW, job
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.events.event import Event, encode_event
from tracker.core.events.job_diff import Known, diff, first_seen
from tracker.core.events.progress_delta import Place, place_of, rebuilt, shortened
from tracker.core.jobs.job import COUNTERS

ETA = "2026-11-29T10:00:00.000Z"


def whole(job_, seq=7):
    """An event that says all of a job."""
    return encode_event(msgspec.structs.replace(first_seen("default", job_, NOW).events[-1], seq=seq))


def progress(before, after, **values):
    change = diff("default", Known(before), after, NOW + 60_123)
    return msgspec.structs.replace(change.events[0], seq=9, **values)


def counted(job_, *counters):
    return msgspec.structs.replace(job_, **dict(zip(COUNTERS, counters, strict=True)))


BASE = counted(job(), 1000, 400, 390, 10)
LATER = counted(BASE, 1000, 500, 480, 20)


def test_counters_and_the_estimated_end_are_all_that_is_stored():
    """Of the event's thousand bytes some seventy are left."""
    event = progress(counted(BASE, 1000, 450, 440, 10), LATER, eta=ETA)
    delta = shortened(event, whole(BASE))
    assert json.loads(delta) == [[1000, 500, 480, 20], [1000, 450, 440, 10], ETA]
    assert encode_event(rebuilt(place_of(event), delta, whole(BASE))) == encode_event(event)


def test_a_vendors_own_counters_are_stored_beside_them():
    """Of the vendor's object only what differs from the base's."""
    native = {"id": "batch_1", "note": "x" * 300, "request_counts": {"total": 1000, "completed": 390}}
    base = msgspec.structs.replace(BASE, extra={"provider": "openai", "native": native})
    after = msgspec.structs.replace(LATER, extra=base.extra | {"native": native | {"request_counts": {"completed": 480}}})
    event = msgspec.structs.replace(diff("default", Known(base), after, NOW, {"request_counts"}).events[0], seq=9)
    delta = shortened(event, whole(base))
    assert json.loads(delta)[2:] == [None, {"request_counts": {"completed": 480}}]
    assert encode_event(rebuilt(place_of(event), delta, whole(base))) == encode_event(event)


def test_what_the_base_has_otherwise_is_stored_beside_them():
    """A property that no change reports, since null and absent mean the same, is a part of the bytes all the same."""
    before = msgspec.structs.replace(BASE, extra={"tier": "flex"})
    event = progress(before, msgspec.structs.replace(LATER, extra=before.extra))
    delta = shortened(event, whole(BASE))
    assert json.loads(delta)[2:] == [None, {}, {"tier": "flex"}]
    assert encode_event(rebuilt(place_of(event), delta, whole(BASE))) == encode_event(event)


@pytest.mark.parametrize(
    ("after", "values"),
    [
        pytest.param({"status": "SUCCESS"}, {}, id="an end"),
        pytest.param({"model": "another"}, {}, id="another property changes too"),
        pytest.param({}, {"id": "evt_of_another_program"}, id="an id that is not its hash"),
        pytest.param({}, {"timestamp": "2026-01-01T00:00:00.000Z"}, id="a time that is not when it was observed"),
        pytest.param({}, {"outcome": "success"}, id="a value that no progress has"),
    ],
)
def test_any_other_event_has_none(after, values):
    """What would not come back as it is, is stored whole."""
    event = progress(BASE, msgspec.structs.replace(LATER, **after), **values)
    assert shortened(event, whole(BASE)) is None


def test_an_order_that_differs_from_the_bases_has_none():
    """The order of an object's names is a part of the bytes that a receiver gets."""
    base = msgspec.structs.replace(BASE, extra={"first": 1, "second": 2})
    after = msgspec.structs.replace(LATER, extra={"second": 2, "first": 1})
    assert shortened(progress(base, after), whole(base)) is None
    assert shortened(progress(base, msgspec.structs.replace(LATER, extra=base.extra)), whole(base)) is not None


@pytest.mark.parametrize("delta", ["{}", "[1]", "[[1,2,3],[1,2,3,4]]", '[["a",2,3,4],[1,2,3,4]]', "nonsense"])
def test_what_is_no_short_form_is_a_mistake(delta):
    """A column that was changed by hand is reported, not guessed at."""
    with pytest.raises(msgspec.MsgspecError):
        rebuilt(Place(9, "default", "2026-11-29T10:00:00.000Z"), delta, whole(BASE))


TEXT = st.text(max_size=6)
EXTRAS = st.dictionaries(TEXT.filter(lambda name: name not in msgspec.structs.asdict(BASE)), TEXT | st.integers(), max_size=3)
STATES = st.tuples(*[st.integers(0, 2**53 - 1)] * 4)


@given(st.tuples(STATES, EXTRAS), st.lists(st.tuples(STATES, EXTRAS), min_size=2, max_size=2), TEXT)
def test_whatever_came_before_the_same_bytes_come_back(base, states, account):
    """Any base of the job does: what the short form lacks is proved to follow from it."""
    first, before, after = (msgspec.structs.replace(counted(BASE, *state), extra=extra) for state, extra in (base, *states))
    change = diff(account, Known(before), after, NOW)
    event = msgspec.structs.replace(change.events[0], seq=3) if change else None
    delta = shortened(event, whole(first)) if event else None
    if delta:
        assert encode_event(rebuilt(place_of(event), delta, whole(first))) == encode_event(event)
        assert msgspec.json.decode(encode_event(event), type=Event) == event
