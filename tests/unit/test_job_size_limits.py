"""A job is kept up to a size, the same part of it each time, and no event is too large."""

import json
import random

import msgspec
import pytest
from core_samples import ANSWER, NOW, job

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.event import MAX_EVENT_BYTES, plain_event
from tracker.core.events.job_diff import Known, deletion, diff, first_seen
from tracker.core.events.time_limits import Outage, TimeLimits, reachability_event
from tracker.core.jobs.job_reading import parse_job
from tracker.core.jobs.size_limits import LARGEST_JOB, LARGEST_PROPERTY, bounded, omitted, size_of

MANY = [{"message": f"row {number} is wrong", "count": 1 + number % 7} for number in range(5000)]
LONG = "x" * 100_000
WIDE = "\U0001f5dd\x01" * 20_000
"""Characters of many bytes each."""

LARGE = {
    "errors": MANY,
    "long-errors": [{"message": LONG, "count": 1}] * 20,
    "text-errors": [LONG, WIDE] * 10,
    "object-errors": {"data": MANY},
    "input_files": [f"1b2f7a52-63a6-4bb0-8ad8-{number:012}" for number in range(10_000)],
    "long-files": [LONG, WIDE],
    "metadata": {f"name {number}": "v" * 512 for number in range(1000)},
    "long-metadata": {LONG: "", "team": WIDE, "nested": {"a": [LONG]}},
    "outputs": [{"custom_id": str(number), "response": {"status_code": 200}} for number in range(10_000)],
    "agent_id": WIDE,
    "model": LONG,
    "endpoint": WIDE,
    "output_file": WIDE,
    "error_file": LONG,
    "object": LONG,
    "unknown": {"a": [LONG]},
    "odd-model": {"name": LONG},
}
PROPERTY = {
    **{name: name for name in LARGE},
    **dict.fromkeys(("long-errors", "text-errors", "object-errors"), "errors"),
    "long-files": "input_files",
    "long-metadata": "metadata",
    "odd-model": "model",
}

NAMES = ("errors", "metadata", "input_files", "outputs", "agent_id", "model", "endpoint", "new", "newer", "errors_omitted")


def any_value(chance, depth=3):
    """A value of any type and size, alike values among them."""
    kind = chance.randrange(8) if depth else chance.randrange(5)
    if kind >= 5:
        number = chance.choice((0, 1, 3, 30, 300 if depth > 2 else 3))
        inner = [any_value(chance, depth - 1) for _ in range(min(number, 5))]
        values = [chance.choice(inner) for _ in range(number)]
        return values if kind > 5 else {f"{each}{chance.randrange(10**6)}": value for each, value in enumerate(values)}
    return [None, True, chance.randrange(10**6), "x" * chance.choice((0, 8, 900, 9000)), WIDE[: chance.choice((1, 99, 3000))]][
        kind
    ]


def any_job(chance):
    return job(**{name: any_value(chance) for name in NAMES if chance.random() < 0.6})


def large(name, **changed):
    return job(**{PROPERTY[name]: LARGE[name]} | changed)


def bytes_of(event):
    return len(msgspec.json.encode(msgspec.structs.replace(event, seq=10**12)))


def test_most_frequent_errors_are_kept():
    """Of 5,000 errors the 20 most frequent are kept, whatever their order, and the others are counted."""
    shuffled = random.Random(3).sample(MANY, len(MANY))
    kept = bounded(job(errors=shuffled))
    assert kept == bounded(job(errors=MANY))
    assert [error["count"] for error in kept.errors] == [7] * 20
    assert kept.to_data()["errors_omitted"] == 4980
    assert size_of(kept) < 3000


@pytest.mark.parametrize("number", [0, 1, 20])
def test_few_errors_are_kept_as_they_came(number):
    """Up to 20 errors stand in the order in which they came, and nothing is counted."""
    sent = job(errors=MANY[:number])
    assert bounded(sent) is sent


@pytest.mark.parametrize(("size", "kept"), [(8192, True), (8193, False)], ids=["8 KiB", "more"])
def test_unknown_property_is_kept_up_to_8_kib(size, kept):
    """An unknown property of 8 KiB of JSON is as it came; of one that is larger its size stands there."""
    value = "x" * (size - 2)
    assert bounded(job(new=value)).extra == {"new": value if kept else {"omitted_bytes": size}}


@pytest.mark.parametrize("name", LARGE)
def test_job_is_bounded_the_same_way_each_time(name):
    """A job with anything large in it is bounded, read back as it was kept, and no other when it is bounded again."""
    kept = bounded(large(name))
    assert size_of(kept) <= LARGEST_JOB
    assert kept == bounded(large(name)) == bounded(kept) == parse_job(json.dumps(kept.to_data()).encode())
    assert diff("default", Known(kept), large(name), NOW) is None
    assert (kept.status, kept.total_requests, kept.created_at) == ("RUNNING", 1000, ANSWER["created_at"])


@pytest.mark.parametrize("name", ["input_files", "metadata"])
def test_what_is_missing_of_files_and_metadata_is_counted(name):
    """The first entries that fit are as they came, and a property beside them counts the others."""
    data = bounded(large(name)).to_data()
    kept, of = data[name], LARGE[name]
    assert kept == (of[: len(kept)] if name == "input_files" else {key: of[key] for key in kept})
    assert 10 < len(kept) < len(of)
    assert data[f"{name}_omitted"] == len(of) - len(kept)


def test_many_unknown_properties_are_kept_as_far_as_they_fit():
    """Of ten thousand unknown properties some are kept, and the others are counted."""
    kept = bounded(job(**{f"new {number}": number for number in range(10_000)}))
    assert size_of(kept) <= LARGEST_JOB
    assert kept.extra["properties_omitted"] == 10_001 - len(kept.extra)
    assert bounded(kept) == kept


def test_counted_errors_are_forgotten_with_their_reason():
    """`errors_omitted` is kept while an answer says nothing of errors, and goes when the job has few."""
    known = Known(bounded(large("errors")))
    change = diff("default", known, job(completed_requests=901), NOW)
    assert change.known.job.extra == {"errors_omitted": 4980}
    assert change.known.job.errors == known.job.errors
    fewer = diff("default", known, job(errors=MANY[:2]), NOW).known.job
    assert (fewer.errors, fewer.extra) == (MANY[:2], {})
    more = diff("default", known, job(errors=[*MANY, {"message": "new", "count": 1}]), NOW)
    assert [event.changes for event in more.events] == [{"errors_omitted": (4980, 4981)}]


def test_one_change_of_errors_and_counters_is_one_event():
    """Errors that grow with the counters give one event, of progress, that has both changes."""
    known = Known(bounded(job(errors=MANY[:4000], failed_requests=4000)))
    (event,) = diff("default", known, job(errors=MANY, failed_requests=5000), NOW).events
    assert event.type == "batch.progress"
    assert event.changes.keys() >= {"failed_requests", "errors_omitted"}


@pytest.mark.parametrize("after", LARGE)
@pytest.mark.parametrize("before", ["errors", "input_files", "long-metadata", "unknown"])
def test_no_event_is_larger_than_64_kib(before, after):
    """Whatever is large in a job, each event of it is bounded: its creation, its changes, its end and its deletion."""
    known = Known(bounded(large(before)))
    events = [
        *first_seen("default", large(after), NOW).events,
        *diff("default", known, large(after, completed_requests=901), NOW).events,
        *diff("default", known, large(after, status="FAILED"), NOW).events,
        *deletion("default", known, NOW).events,
    ]
    assert max(map(bytes_of, events)) <= MAX_EVENT_BYTES


def test_everything_large_at_once_fits():
    """A job of which every property is large is bounded, and so are the events between it and another such."""
    everything = {PROPERTY[name]: value for name, value in LARGE.items()}
    other = everything | {"input_files": ["a", *LARGE["input_files"]], "errors": [*MANY, *MANY], "unknown": "y" * 8000}
    kept = bounded(job(**everything))
    assert size_of(kept) <= LARGEST_JOB
    (event,) = diff("default", Known(kept), job(**other), NOW).events
    assert bytes_of(event) <= MAX_EVENT_BYTES


def test_sizes_stand_for_values_where_an_event_would_be_too_large():
    """A job that was stored before jobs were bounded changes: what it was is too large for the event, what it is is not."""
    before, after = job(errors=MANY, new="old"), job(errors=MANY, new="new")
    (event,) = diff("default", Known(before), after, NOW).events
    assert bytes_of(event) <= MAX_EVENT_BYTES
    assert event.changes == {
        "errors": (omitted(size_of(MANY)), bounded(after).errors),
        "errors_omitted": (None, 4980),
        "new": ("old", "new"),
    }


@pytest.mark.parametrize("seed", range(25))
def test_any_job_is_bounded(seed):
    """Whatever a job has, what is kept of it is small, is the same when it is read again, and gives small events."""
    before, after = any_job(random.Random(seed)), any_job(random.Random(seed + 1000))
    known = bounded(before)
    assert size_of(known) <= LARGEST_JOB
    assert all(size_of(value) <= LARGEST_PROPERTY for value in known.extra.values())
    assert bounded(known) == known == parse_job(msgspec.json.encode(known.to_data()))
    assert diff("default", Known(known), before, NOW) is None
    change = diff("default", Known(known), after, NOW)
    for event in change.events if change else ():
        assert bytes_of(event) <= MAX_EVENT_BYTES


def test_what_is_reported_of_an_account_is_bounded():
    """The reason why an account cannot be reached is cut where it is long, on this event and on its recovery."""
    event = reachability_event("default", Outage(0, Failure(Reason.NETWORK, LONG)), None, TimeLimits(), NOW)
    assert len(event.data["detail"]) == 2000
    assert bytes_of(reachability_event("default", None, event, TimeLimits(), NOW)) < 4000
    of_receiver = plain_event("receiver.failing", "", {"receiver": "r", "reason": "x", "detail": LONG, "since": ""}, NOW)
    assert bytes_of(of_receiver) < 4000
