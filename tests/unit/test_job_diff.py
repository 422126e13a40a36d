"""From what is known and what was seen to the events in between: no more, no less, and nothing made up."""

import pytest
from core_samples import ABSENT, ANSWER, NOW, job

from tracker.core.events.event_type_table import BATCH_TYPES
from tracker.core.events.job_diff import Change, Known, deletion, diff, first_seen
from tracker.core.jobs.status import TERMINAL

STARTED = ANSWER["started_at"]
ENDED = ANSWER["completed_at"]
OBSERVED = NOW // 1000

NEW = [
    # status, events after batch.created, when the last of them happened
    ("QUEUED", [], None),
    ("RUNNING", ["batch.started"], STARTED),
    ("CANCELLATION_REQUESTED", ["batch.cancelling"], OBSERVED),
    ("SUCCESS", ["batch.completed"], ENDED),
    ("FAILED", ["batch.failed"], ENDED),
    ("TIMEOUT_EXCEEDED", ["batch.expired"], ENDED),
    ("CANCELLED", ["batch.cancelled"], ENDED),
    ("PAUSED", ["batch.unrecognized"], OBSERVED),
]


def events(known, seen):
    """Type and changes of each event between two jobs."""
    change = diff("default", Known(known), seen, NOW)
    return [(event.type, event.changes) for event in change.events] if change else None


@pytest.mark.parametrize(("status", "types", "happened_at"), NEW)
def test_an_unknown_job(status, types, happened_at):
    """It was created when the provider says, and has reached its status; nothing is made up for what came between."""
    seen = job(status=status)
    change = first_seen("default", seen, NOW)
    created, *reached = change.events
    assert (created.type, created.changes, created.created_at) == ("batch.created", {}, ANSWER["created_at"])
    assert [event.type for event in reached] == types
    assert [event.changes for event in reached] == [{"status": (None, status)}] * len(types)
    assert [event.created_at for event in reached] == [happened_at] * len(types)
    assert change == Change(account="default", known=Known(seen, logged_at=NOW), events=change.events, backfilled=False)


def test_what_was_over_before_us_is_marked():
    """The mark that keeps history from being delivered is the caller's to set, and changes no event."""
    seen = job(status="SUCCESS")
    change = first_seen("default", seen, NOW, backfilled=True)
    assert change.backfilled
    assert change.events == first_seen("default", seen, NOW).events


@pytest.mark.parametrize(
    ("before", "after", "type_", "happened_at"),
    [
        ("QUEUED", "RUNNING", "batch.started", STARTED),
        ("QUEUED", "CANCELLATION_REQUESTED", "batch.cancelling", OBSERVED),
        ("QUEUED", "SUCCESS", "batch.completed", ENDED),
        ("RUNNING", "SUCCESS", "batch.completed", ENDED),
        ("RUNNING", "FAILED", "batch.failed", ENDED),
        ("RUNNING", "TIMEOUT_EXCEEDED", "batch.expired", ENDED),
        ("CANCELLATION_REQUESTED", "CANCELLED", "batch.cancelled", ENDED),
        ("CANCELLATION_REQUESTED", "SUCCESS", "batch.completed", ENDED),
        ("RUNNING", "PAUSED", "batch.unrecognized", OBSERVED),
        ("PAUSED", "ARCHIVED", "batch.unrecognized", OBSERVED),
        ("PAUSED", "RUNNING", "batch.started", STARTED),
        ("RUNNING", "QUEUED", "batch.updated", OBSERVED),  # once it is believed: no event is named after QUEUED
    ],
)
def test_a_status_event(before, after, type_, happened_at):
    """A change of status is one event, named after where the job is now, and it shows exactly that change."""
    change = diff("default", Known(job(status=before)), job(status=after), NOW)
    (event,) = change.events
    assert (event.type, event.changes) == (type_, {"status": (before, after)})
    assert (event.created_at, event.observed_at) == (happened_at, "2025-06-25T14:20:14.312Z")
    assert change.known == Known(job(status=after), logged_at=NOW)
    assert not change.backfilled
    assert event.data == ANSWER | {"status": after}


@pytest.mark.parametrize(("status", "absent"), [("RUNNING", "started_at"), *((status, "completed_at") for status in TERMINAL)])
@pytest.mark.parametrize("value", [None, ABSENT, "soon"])
def test_a_time_that_the_provider_does_not_say(status, absent, value):
    """A status whose time is null, absent or no time was reached when it was observed."""
    (event,) = diff(
        "default", Known(job(status="QUEUED", **{absent: value})), job(status=status, **{absent: value}), NOW
    ).events
    assert event.created_at == OBSERVED


def test_an_end_says_all_that_came_with_it():
    """Status, counters and the rest in one observation are one event, and a counter that stayed is not in it."""
    seen = job(status="SUCCESS", completed_requests=1000, succeeded_requests=980, tokens=5)
    before = job(completed_at=None, output_file=None)
    assert events(before, seen) == [
        (
            "batch.completed",
            {
                "output_file": (None, ANSWER["output_file"]),
                "status": ("RUNNING", "SUCCESS"),
                "completed_at": (None, ENDED),
                "completed_requests": (900, 1000),
                "succeeded_requests": (880, 980),
                "tokens": (None, 5),
            },
        )
    ]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"completed_requests": 901}, [("batch.progress", {"completed_requests": (900, 901)})]),
        ({"total_requests": 2000}, [("batch.progress", {"total_requests": (1000, 2000)})]),
        (
            {"completed_requests": 950, "failed_requests": 70},
            [("batch.progress", {"completed_requests": (900, 950), "failed_requests": (20, 70)})],
        ),
        ({"succeeded_requests": 0}, [("batch.progress", {"succeeded_requests": (880, 0)})]),
        ({"model": "mistral-large"}, [("batch.updated", {"model": ("mistral-small-latest", "mistral-large")})]),
        ({"input_files": ["a"]}, [("batch.updated", {"input_files": (ANSWER["input_files"], ["a"])})]),
        ({"metadata": {"run": "8"}}, [("batch.updated", {"metadata": (ANSWER["metadata"], {"run": "8"})})]),
        ({"metadata": None}, [("batch.updated", {"metadata": (ANSWER["metadata"], None)})]),
        ({"started_at": 0}, [("batch.updated", {"started_at": (STARTED, 0)})]),
        ({"created_at": 5}, [("batch.updated", {"created_at": (ANSWER["created_at"], 5)})]),
        ({"errors": [{"message": "x"}]}, [("batch.updated", {"errors": (None, [{"message": "x"}])})]),
        ({"model": 7}, [("batch.updated", {"model": ("mistral-small-latest", 7)})]),
        (
            {"failed_requests": 21, "completed_requests": 901, "metadata": {}, "new": True},
            [
                (
                    "batch.progress",
                    {
                        "metadata": (ANSWER["metadata"], {}),
                        "completed_requests": (900, 901),
                        "failed_requests": (20, 21),
                        "new": (None, True),
                    },
                )
            ],
        ),
    ],
)
def test_a_change_within_a_status(changed, expected):
    """One observation gives one event: progress where a counter changed, whatever else did, and otherwise an update."""
    assert events(job(), job(**changed)) == expected


@pytest.mark.parametrize("nothing", [ABSENT, None, "", [], {}])
@pytest.mark.parametrize("name", ["errors", "outputs", "agent_id", "unknown", "metadata", "error_file"])
def test_null_empty_and_absent_say_the_same(name, nothing):
    """A job that has nothing there in another way has not changed."""
    assert events(job(**{name: None}), job(**{name: nothing})) is None
    assert events(job(**{name: nothing}), job(**{name: None})) is None


def test_nothing_changed():
    """The same job seen again is no change, however unusual it is."""
    unusual = job(model=5, errors=[], new={"a": [1]}, status="PAUSED")
    assert events(job(), job()) is None
    assert events(unusual, job(model=5, errors=[], new={"a": [1]}, status="PAUSED")) is None


@pytest.mark.parametrize(
    ("was", "is_", "changes"),
    [
        (ABSENT, "low", {"priority": (None, "low")}),
        (ABSENT, 0, {"priority": (None, 0)}),
        (None, False, {"priority": (None, False)}),
        (0, None, {"priority": (0, None)}),
        ("low", "high", {"priority": ("low", "high")}),
        ("low", None, {"priority": ("low", None)}),
        ([1], [1, 2], {"priority": ([1], [1, 2])}),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, {"priority": ({"a": {"b": 1}}, {"a": {"b": 2}})}),
    ],
)
def test_an_unknown_property(was, is_, changes):
    """It appears, changes and becomes null like any other; 0 and false are values."""
    assert events(job(priority=was), job(priority=is_)) == [("batch.updated", changes)]


@pytest.mark.parametrize("name", ["agent_id", "errors", "outputs", "unknown"])
def test_what_an_answer_leaves_out_is_kept(name):
    """A property beyond the schema that this answer does not have is neither a change nor forgotten when another changes."""
    known = job(**{name: "kept"})
    assert events(known, job()) is None
    change = diff("default", Known(known), job(completed_requests=901), NOW)
    assert change.known == Known(job(completed_requests=901, **{name: "kept"}), logged_at=NOW)
    assert [event.data[name] for event in change.events] == ["kept"]


@pytest.mark.parametrize(("was", "is_"), [(7, "mistral-large"), ("mistral-large", 7), (7, 8)])
def test_a_known_property_of_another_type_comes_and_goes(was, is_):
    """What was kept as it came gives way to what comes next, once, and leaves nothing behind."""
    change = diff("default", Known(job(model=was)), job(model=is_), NOW)
    assert [event.changes for event in change.events] == [{"model": (was, is_)}]
    assert change.known == Known(job(model=is_), logged_at=NOW)


def test_a_deletion():
    """It is one event, happened when it was observed, has the job as it was last seen, and ends its watching."""
    change = deletion("default", Known(job()), NOW)
    (event,) = change.events
    assert (event.type, event.changes, event.created_at) == ("batch.deleted", {"deleted": (False, True)}, OBSERVED)
    assert event.data == ANSWER
    assert change.known == Known(job(), deleted=True, logged_at=NOW)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, [("batch.updated", {"deleted": (True, False)})]),
        ({"status": "SUCCESS"}, [("batch.completed", {"deleted": (True, False), "status": ("RUNNING", "SUCCESS")})]),
        (
            {"completed_requests": 901},
            [("batch.progress", {"deleted": (True, False), "completed_requests": (900, 901)})],
        ),
    ],
)
def test_a_deleted_job_that_is_back(changed, expected):
    """It is known again as it is now, and an event says that it was not deleted after all."""
    change = diff("default", Known(job(), deleted=True), job(**changed), NOW)
    assert [(event.type, event.changes) for event in change.events] == expected
    assert change.known == Known(job(**changed), logged_at=NOW)


@pytest.mark.parametrize("status", ["QUEUED", "RUNNING", "CANCELLATION_REQUESTED", "PAUSED", *TERMINAL])
def test_which_jobs_are_active(status):
    """A job is active until its status is terminal or it is deleted; an unrecognized status is active."""
    assert Known(job(status=status)).active is (status not in TERMINAL)
    assert not Known(job(status=status), deleted=True).active


def test_every_type_about_a_job_is_listed_once():
    """BATCH_TYPES is the design's list of what can happen to a job in the API."""
    assert set(BATCH_TYPES) == {
        "batch.created",
        "batch.started",
        "batch.cancelling",
        "batch.completed",
        "batch.failed",
        "batch.expired",
        "batch.cancelled",
        "batch.progress",
        "batch.updated",
        "batch.unrecognized",
        "batch.deleted",
        "batch.at_risk",
    }
    assert len(set(BATCH_TYPES)) == len(BATCH_TYPES)
