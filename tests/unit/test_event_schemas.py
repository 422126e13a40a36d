"""The published schemas, against the events that the core makes."""

import json
import re
import typing

import msgspec
import pytest
from core_samples import ANSWER, NOW, job
from event_validation import validator
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.dead_letters import Waiting, circuit_events
from tracker.core.deliveries.delivery import Result
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.event import Outcome, batch_event, iso, plain_event
from tracker.core.events.event_type_table import (
    ACCOUNT_TYPES,
    BATCH_TYPES,
    EVENT_TYPES,
    OVERDUE_TYPES,
    RESULT_TYPES,
    TYPE_OF_STATUS,
    TYPES,
)
from tracker.core.events.failure_share import with_risk
from tracker.core.events.job_diff import Known, deletion, diff, first_seen
from tracker.core.events.result_events import result_events
from tracker.core.events.sample import sample_event
from tracker.core.events.time_limits import ActiveJobStatus, Outage, TimeLimits, overdue_events, reachability_event
from tracker.core.jobs.job import Job
from tracker.core.jobs.job_reading import read_job
from tracker.core.replicas.replica_events import joined_event, lost_event
from tracker.core.results.archive_outcome import Results
from tracker.core.results.cost import Cost
from tracker.core.results.failure_digest import Digest, FailureGroup
from tracker.core.results.result_file import ArchivedFile, MissingFile, MissingReason
from tracker.core.results.usage import ModelUsage, Usage
from tracker.core.silences.silence import Scope, SilenceRequest, requested_silence
from tracker.core.silences.silence_events import Missed, ended_event, started_event
from tracker.schemas import definitions, event_schema

ABOUT_JOBS = (*BATCH_TYPES, *OVERDUE_TYPES, *RESULT_TYPES)
GUARANTEED = ("id", "status", "created_at", "total_requests", "completed_requests", "succeeded_requests", "failed_requests")
NO_MOMENTS = (
    "",
    "yesterday",
    "2026-11-24",
    "2026-11-24T00:00:00Z",
    "2026-11-24T00:00:00.000",
    "2026-11-24T00:00:00.000+01:00",
    "2026-13-24T00:00:00.000Z",
    1_795_000_000,
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
odd_jobs = st.fixed_dictionaries(
    {name: st.just(value) if name in GUARANTEED else st.just(value) | anything for name, value in ANSWER.items()},
    optional={"errors": anything, "new": anything},
)


def valid(event, type_=None):
    """Whether the whole schema, or that of `type_`, takes it."""
    return validator(type_).is_valid(event)


@pytest.mark.parametrize("type_", TYPES)
def test_sample_event_is_one_of_its_type(type_):
    """What `send-test` sends is of the type that was asked for, fits its schema, and says that it is a test."""
    event = as_json(sample_event(type_, "default", NOW, "abc"))
    assert valid(event)
    assert valid(event, type_)
    assert (event["type"], event["id"], event["seq"]) == (type_, "evt_test_abc", 1)
    data = event["data"]
    said = (data["id"], data["test"]) if type_ in ABOUT_JOBS else data.get("detail") or data.get("version") or data["reason"]
    assert said == (("test-abc", True) if type_ in ABOUT_JOBS else "this is a test: batch-tracker send-test")


def as_json(event, seq=1):
    return json.loads(msgspec.json.encode(msgspec.structs.replace(event, seq=seq)))


def of_jobs():
    """What observations, and time alone, make of jobs."""
    queued, running = Known(job(status="QUEUED")), Known(job(new=1))
    changes = [
        first_seen("default", job(status="PAUSED"), NOW),
        deletion("default", queued, NOW),
        diff("default", queued, job(), NOW),
        *(diff("default", running, job(status=status), NOW) for status in TYPE_OF_STATUS if status != "RUNNING"),
        diff("default", running, job(completed_requests=901, model="m", new={"a": [1]}), NOW),
        diff("default", Known(job(), deleted=True), job(), NOW),
    ]
    yield from (event for change in changes for event in change.events)
    yield with_risk(changes[2], queued, 0.02, NOW).events[-1]
    yield from overdue_events("default", [ActiveJobStatus(job=job(), moved_at=0)], TimeLimits(timeout_hours=1), NOW, NOW)
    progress = diff("default", running, job(completed_requests=901, new=1), NOW).events[0]
    yield msgspec.structs.replace(progress, eta=iso(NOW))


def of_results():
    """What is said of result files that are archived, with and without what their lines say, and of missing ones."""
    ended = job(status="SUCCESS", output_file="out", error_file="err")
    archived = ArchivedFile(kind="output", file_id="out", bytes=9, sha256="0f" * 32, lines=1, location="s3://bucket/out")
    used = ModelUsage(requests=1, prompt_tokens=2, completion_tokens=3, total_tokens=5, pages=1)
    groups = (
        FailureGroup(status=None, code=None, message="?", count=1),
        FailureGroup(status=400, code="a", message="b", count=1),
    )
    results = Results(
        account="default",
        job_id=ended.id,
        archived_at=NOW,
        files=(archived,),
        missing=tuple(
            MissingFile(kind="error", file_id="err", reason=reason, detail="why") for reason in typing.get_args(MissingReason)
        ),
        digest=Digest(failed=2, groups=groups, job_errors=("1 request: no",), mismatch="3 failed, the job says 2"),
        usage=Usage(total=used, by_model={"m": used}),
        cost=Cost(amounts={"EUR": "0.5"}, unpriced_models=("n",)),
    )
    yield from result_events(msgspec.structs.replace(results, digest=None, usage=None, cost=None), ended)
    yield from result_events(results, ended)


def of_others():
    """What is said of accounts and receivers, for every reason, and of replicas."""
    for reason in Reason:
        expected = reachability_event("default", Outage(0, Failure(reason, "why")), None, TimeLimits(), NOW)
        yield from (expected, reachability_event("default", None, expected, TimeLimits(), NOW))
    recovered = {"account": "default", "reason": "recovered", "detail": "", "since": iso(NOW)}
    yield plain_event("account.recovered", "default", recovered, NOW)
    yield joined_event("a", "1.2.3", NOW)
    yield lost_event("a", "1.2.3", NOW - 1000, NOW, accounts=3, receivers=0)
    silence = requested_silence(SilenceRequest(scope=Scope(), reason="why", seconds=60), NOW - 1000, "api")
    yield started_event(silence, NOW)
    yield ended_event(silence, Missed(), NOW)
    kept = [msgspec.structs.replace(batch_event("batch.failed", "default", job(status="FAILED"), {}, NOW), seq=7)]
    yield ended_event(silence, Missed(types={"batch.failed": 1}, receivers={"r": 1}, jobs=1, events=kept), NOW)
    for result in Result:
        circuit = Circuit(failures=9, since=NOW, reason=result.value, detail="why", disabled=result is Result.GONE)
        yield from circuit_events("r", Circuit(), circuit, [Waiting(0, NOW, 1)], (5.0,), NOW)
        yield from circuit_events("r", circuit, Circuit(), [], (5.0,), NOW)


MADE = [as_json(event, seq) for seq, event in enumerate((*of_jobs(), *of_results(), *of_others()), 1)]
BY_TYPE = {event["type"]: event for event in MADE}
each_event = pytest.mark.parametrize("event", BY_TYPE.values(), ids=BY_TYPE)


@pytest.mark.slow
def test_schema_is_one_by_the_draft_it_names():
    """A consumer's validator can load it, whole and by type."""
    for type_ in (None, *TYPES):
        assert event_schema(type_)["$schema"] == Draft202012Validator.META_SCHEMA["$schema"]
        Draft202012Validator.check_schema(event_schema(type_))


def test_there_is_a_schema_for_every_type_and_no_other():
    """The types of the schemas are those of the core, and every one of them is tried here."""
    assert definitions().keys() == {*TYPES}
    assert len(event_schema()["oneOf"]) == len(TYPES)
    assert BY_TYPE.keys() == {*TYPES}


@pytest.mark.parametrize("type_", EVENT_TYPES, ids=TYPES)
def test_schema_says_what_the_table_of_event_types_says(type_):
    """The schema of a type has the summary, the status, the changes and the subject of its row in the table."""
    definition = event_schema(type_.name)
    assert definition["title"] == definitions()[type_.name] == "".join(map(str.title, re.split(r"[._]", type_.name)))
    assert definition["description"] == type_.summary
    properties = definition["properties"]
    assert properties["changes"] == {"$ref": "#/$defs/Changes" if type_.has_changes else "#/$defs/NoChanges"}
    data = definition["$defs"][properties["data"]["$ref"].rpartition("/")[2]]
    if type_.subject == "batch":
        status = data["allOf"][1]["properties"]["status"]["const"] if "allOf" in data else None
        assert status == type_.status
    else:
        assert type_.subject in data["properties"]


@pytest.mark.parametrize("type_", ["batch", "batch.unknown", "BatchCreated", "BatchJob", ""])
def test_type_that_there_is_not(type_):
    """What is no type of an event has no schema, though a part of one may be called so."""
    with pytest.raises(KeyError):
        event_schema(type_)


@pytest.mark.parametrize("event", MADE, ids=lambda event: f"{event['seq']}-{event['type']}")
def test_every_event_is_valid_by_its_schema_and_no_other(event):
    """An event fits the schema of its type, and the whole one, and that of no other type."""
    assert [type_ for type_ in TYPES if valid(event, type_)] == [event["type"]]
    assert valid(event)


@pytest.mark.slow
@given(before=odd_jobs, after=odd_jobs)
def test_whatever_the_api_sends_is_valid(before, after):
    """An event is valid though the job in it has properties of other types than Mistral's schema says."""
    before, after = read_job(before), read_job(after | {"status": "SUCCESS"})
    assert isinstance(before, Job)
    assert isinstance(after, Job)
    changes = (first_seen("default", before, NOW), diff("default", Known(before), after, NOW))
    for event in (event for change in changes for event in change.events):
        assert valid(as_json(event)), event


def wrong_values(event):
    """Where an event, and what is said in it, can be wrong, and how."""
    for name in event:
        yield (name,), [None, True, [], 1.5]
    for name in ("timestamp", "observed_at"):
        yield (name,), NO_MOMENTS
    yield ("id",), ["", "evt_", "evt_a.b", "msg_1"]
    yield ("object",), ["batch"]
    yield ("type",), ["", "batch", *(type_ for type_ in TYPES if type_ != event["type"])]
    yield ("seq",), [0, -1, "1"]
    yield ("created_at",), [-1, "now"]
    yield ("changes",), [{"status": wrong} for wrong in ("SUCCESS", [], ["a"], ["a", "b", "c"])]
    yield ("changes",), [{} if event["changes"] else {"status": ["a", "b"]}]
    for name in GUARANTEED if event["type"] in ABOUT_JOBS else event["data"]:
        yield ("data", name), [wrong for wrong in (None, True, [], {}, 1.5) if type(wrong) is not type(event["data"].get(name))]
    if event["type"] in ABOUT_JOBS:
        yield from ((("data", name), [-1, "1"]) for name in GUARANTEED[2:])
        yield from ((("data", name), ["", 1]) for name in GUARANTEED[:2])
        yield ("data", "status"), ["QUEUED"] if event["type"] in {each.name for each in TYPE_OF_STATUS.values()} else []
    else:
        yield ("data", "since"), NO_MOMENTS
        yield ("data", "more"), [1]
    if event["type"] in ACCOUNT_TYPES:
        yield ("data", "reason"), ["", "whatever"]
    yield ("outcome",), ["", "failure", *(() if event["type"] == "batch.completed" else typing.get_args(Outcome))]
    yield ("eta",), [*NO_MOMENTS, *(() if event["type"] == "batch.progress" else [iso(NOW)])]
    if event["type"] in RESULT_TYPES:
        yield ("files",), [[], [1], [{}], [event["files"][0] | {"more": 1}], [without_one(event["files"][0], "file_id")]]
        yield ("files",), [[event["files"][0] | wrong] for wrong in ({"kind": "input"}, {"kind": None}, {"file_id": 1})]
    if "digest" in event:
        for name in ("digest", "usage", "cost"):
            yield (name,), [1, event[name] | {"more": 1}, *(without_one(event[name], key) for key in event[name])]
    yield ("more",), [1]


@each_event
def test_what_is_wrong_is_refused(event):
    """Each key has its type and its range, and none may be added, but to the properties of a job."""
    for path, values in wrong_values(event):
        for value in values:
            wrong = event | ({path[0]: value} if len(path) == 1 else {"data": event["data"] | {path[1]: value}})
            assert not valid(wrong, event["type"]), (path, value)


@pytest.mark.slow
@each_event
def test_what_is_missing_is_missed(event):
    """Every key is required, and every property of a report; only estimates, and what lines say, are optional."""
    optional = {"eta", "digest", "usage", "cost"}
    without = [without_one(event, name) for name in event if name not in optional]
    without += [
        event | {"data": without_one(event["data"], name)}
        for name in (ANSWER if event["type"] in ABOUT_JOBS else event["data"].keys() - {"dead_at"})
    ]
    assert [each for each in without if valid(each) or valid(each, event["type"])] == []
    assert all(valid(without_one(event, name)) for name in optional)


def without_one(table, name):
    return {other: value for other, value in table.items() if other != name}


@pytest.mark.parametrize("outcome", typing.get_args(Outcome))
def test_every_outcome_is_known(outcome):
    """What a SUCCESS can come to is what the schema says it can."""
    assert valid(BY_TYPE["batch.completed"] | {"outcome": outcome})
