"""An event has the JSON, the times, the outcome and the id that the design promises."""

import json
import re

import msgspec
import pytest
from core_samples import ANSWER, NOW, VALIDATOR, job

from tracker.core.events.event import batch_event, encode_event, iso, outcome, outcome_of_data, plain_event
from tracker.core.events.event_type_table import BATCH_TYPES
from tracker.core.events.job_diff import Known, deletion, diff, first_seen
from tracker.core.events.summary import summarize_status
from tracker.core.jobs.status import FOLLOWERS

COMPLETED = batch_event(
    "batch.completed", "default", job(status="SUCCESS"), {"status": ("RUNNING", "SUCCESS")}, NOW, happened_at=1_750_861_210
)


def test_the_json_of_an_event():
    """The keys and their order are those of the design, and `data` is the job as observed."""
    written = json.loads(msgspec.json.encode(COMPLETED))
    assert list(written.items()) == [
        ("id", COMPLETED.id),
        ("object", "event"),
        ("type", "batch.completed"),
        ("seq", 0),
        ("account", "default"),
        ("created_at", 1_750_861_210),
        ("timestamp", "2025-06-25T14:20:10.000Z"),
        ("observed_at", "2025-06-25T14:20:14.312Z"),
        ("changes", {"status": ["RUNNING", "SUCCESS"]}),
        ("outcome", "partial"),
        ("data", ANSWER | {"status": "SUCCESS"}),
    ]
    assert list(written["data"]) == list(ANSWER)


def test_an_event_is_never_changed():
    """It is a frozen value."""
    with pytest.raises(AttributeError):
        COMPLETED.type = "batch.failed"


@pytest.mark.parametrize(
    ("output_file", "error_file", "expected"),
    [("a", None, "success"), ("a", "b", "partial"), (None, "b", "all_failed"), (None, None, "empty"), ("", "", "empty")],
)
def test_outcome_without_counters_is_that_of_the_files(output_file, error_file, expected):
    """A success of no request that has results is one of an API without counters: its files tell how it went."""
    counters = dict.fromkeys(("total_requests", "completed_requests", "succeeded_requests", "failed_requests"), 0)
    ended = job(status="SUCCESS", output_file=output_file, error_file=error_file, **counters)
    assert outcome(ended) == "empty", "Mistral has counters"
    ended = msgspec.structs.replace(ended, extra={"provider": "acme"})
    assert outcome(ended) == outcome_of_data(ended.to_data()) == expected
    assert ("no counters" in summarize_status(ended) or "nor counters" in summarize_status(ended)) == (expected != "empty")


@pytest.mark.parametrize("type_", [type_ for type_ in BATCH_TYPES if type_ != "batch.completed"])
def test_only_a_completed_job_has_an_outcome(type_):
    """No other event has the key, whatever its counters say."""
    event = batch_event(type_, "default", job(status="SUCCESS"), {}, NOW)
    assert "outcome" not in msgspec.to_builtins(event)


@pytest.mark.parametrize(
    ("total", "succeeded", "failed", "expected"),
    [
        (1000, 1000, 0, "success"),
        (1, 1, 0, "success"),
        (10, 11, 0, "success"),
        (1000, 999, 1, "partial"),
        (1000, 1, 999, "partial"),
        (1000, 999, 0, "partial"),
        (1000, 0, 1000, "all_failed"),
        (1000, 0, 0, "all_failed"),
        (0, 0, 0, "empty"),
    ],
)
def test_what_a_success_is_worth(total, succeeded, failed, expected):
    """The outcome depends on the counters: SUCCESS does not say that any request succeeded."""
    done = job(status="SUCCESS", total_requests=total, succeeded_requests=succeeded, failed_requests=failed)
    assert outcome(done) == expected
    assert batch_event("batch.completed", "default", done, {}, NOW).outcome == expected


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (NOW, "2025-06-25T14:20:14.312Z"),
        (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
        (253_402_300_799_000, "9999-12-31T23:59:59.000Z"),
    ],
)
def test_times_are_iso_8601_in_utc(milliseconds, text):
    """Milliseconds are always written, and the zone is Z, from the first second of the epoch to the last of year 9999."""
    assert iso(milliseconds) == text


@pytest.mark.parametrize(
    ("happened_at", "created_at", "timestamp"),
    [
        (1_750_861_210, 1_750_861_210, "2025-06-25T14:20:10.000Z"),
        (0, 0, "1970-01-01T00:00:00.000Z"),
        (None, 1_750_861_214, "2025-06-25T14:20:14.000Z"),
    ],
)
def test_the_times_of_an_event(happened_at, created_at, timestamp):
    """It happened when the provider says, else in the second in which it was observed; observed it was by our clock."""
    event = batch_event("batch.updated", "default", job(), {}, NOW, happened_at=happened_at)
    assert (event.created_at, event.timestamp, event.observed_at) == (created_at, timestamp, "2025-06-25T14:20:14.312Z")


SAME = {"type_": "batch.progress", "account": "default", "job": job(), "changes": {"completed_requests": (1, 900)}, "now": NOW}


def id_of(**changed):
    return batch_event(**(SAME | changed)).id


def test_the_id_is_stable():
    """The same happening always has the same id, of a form that needs no escaping anywhere."""
    assert id_of() == id_of(job=job(), changes={"completed_requests": (1, 900)})
    assert re.fullmatch(r"evt_[0-9a-f]{32}", id_of())


@pytest.mark.parametrize(
    "changed",
    [
        {"type_": "batch.updated"},
        {"account": "other"},
        {"job": job(id="another")},
        {"job": job(completed_requests=901)},
        {"job": job(new="property")},
        {"changes": {"completed_requests": (0, 900)}},
        {"changes": {}},
        {"now": NOW + 1},
    ],
)
def test_another_happening_has_another_id(changed):
    """Two events that differ in type, account, job, change or moment have different ids."""
    assert id_of(**changed) != id_of()


OBSERVATIONS = [
    *((f"new and {status}", first_seen("default", job(status=status), NOW)) for status in FOLLOWERS),
    *(
        (f"{before} to {after}", diff("default", Known(job(status=before)), job(status=after), NOW))
        for before, afters in FOLLOWERS.items()
        for after in sorted(afters)
    ),
    ("counted", diff("default", Known(job()), job(completed_requests=950, failed_requests=21), NOW)),
    ("renamed", diff("default", Known(job()), job(metadata={"team": "other"}, new=[1]), NOW)),
    ("no files", diff("default", Known(job()), job(output_file=None, error_file=None), NOW)),
    ("no times", diff("default", Known(job()), job(started_at=None, completed_at=None), NOW)),
    ("gone", deletion("default", Known(job()), NOW)),
    ("back", diff("default", Known(job(), deleted=True), job(), NOW)),
]


@pytest.mark.parametrize("change", [change for _, change in OBSERVATIONS], ids=[name for name, _ in OBSERVATIONS])
def test_what_an_event_says_of_a_job_is_a_batch_job(change):
    """`data` of every event about a job of the schema is valid by the schema and has all its properties; its type is listed."""
    assert change.events
    for event in change.events:
        written = json.loads(msgspec.json.encode(event))
        assert written["type"] in BATCH_TYPES
        assert list(VALIDATOR.iter_errors(written["data"])) == []
        assert list(ANSWER) == [name for name in written["data"] if name in ANSWER]


def test_logged_json_is_escaped_and_means_the_same():
    """What no reader of lines and no terminal may see raw is escaped in the log's JSON, keys and values; the rest stays."""
    hostile = "\x7f\x85\x9b31m\u2028\u2029\u202e模"
    event = plain_event("account.unreachable", "default", {hostile: hostile}, 1_750_861_214_312)
    encoded = encode_event(event)
    assert msgspec.json.decode(encoded)["data"] == {hostile: hostile}
    assert encoded.splitlines() == [encoded]
    assert encoded.isprintable()
    assert "模" in encoded
    ordinary = plain_event("account.recovered", "défaut", {"account": "défaut"}, 1_750_861_214_312)
    assert encode_event(ordinary) == msgspec.json.encode(ordinary).decode()
