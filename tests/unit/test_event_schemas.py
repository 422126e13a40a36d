"""The published schemas, against the events that the core makes."""

import json

import jsonschema
import msgspec
import pytest

from tracker.core.diff import Known, deletion, diff, first_seen
from tracker.core.event import BATCH_TYPES, RECEIVER_TYPES, plain_event
from tracker.core.job import read_job
from tracker.schemas import event_schema

NOW = 1_795_500_000_123
TYPES = [branch["$ref"].rpartition("/")[2] for branch in event_schema()["oneOf"]]


def valid(event, type_=None):
    """Whether the schema of its type, or of `type_`, takes it."""
    schema = event_schema(type_ or event["type"])
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(schema, format_checker=checker).is_valid(event)


def job(status, **properties):
    counters = dict.fromkeys(("total_requests", "completed_requests", "succeeded_requests", "failed_requests"), 0)
    return read_job({"id": "7", "status": status, "created_at": 1_795_000_000, "new": {"a": 1}} | counters | properties)


def made():
    """Events of every type that the core makes, as their JSON."""
    queued = Known(job("QUEUED"))
    running = Known(job("RUNNING"))
    changes = [
        first_seen("default", job("QUEUED"), NOW),
        first_seen("default", job("PAUSED"), NOW),
        deletion("default", queued, NOW),
    ]
    changes += [diff("default", queued, job(status), NOW) for status in ("RUNNING", "CANCELLATION_REQUESTED")]
    changes += [
        diff("default", running, job(end, completed_at=9), NOW)
        for end in ("SUCCESS", "FAILED", "TIMEOUT_EXCEEDED", "CANCELLED")
    ]
    changes += [diff("default", running, job("RUNNING", total_requests=5, model="m"), NOW)]
    events = [event for change in changes for event in change.events]
    about = {"receiver": "a", "reason": "server", "detail": "HTTP 503", "since": "2026-11-24T00:00:00.000Z"}
    events += [plain_event(type_, "", about, NOW) for type_ in RECEIVER_TYPES]
    return [json.loads(msgspec.json.encode(msgspec.structs.replace(event, seq=seq))) for seq, event in enumerate(events, 1)]


def test_there_is_a_schema_for_every_type():
    """The schemas are for the types that the core knows, and the whole one knows them all."""
    assert {*BATCH_TYPES, *RECEIVER_TYPES} <= set(TYPES)
    assert {event["type"] for event in made()} == {*BATCH_TYPES, *RECEIVER_TYPES}


@pytest.mark.parametrize("event", made(), ids=lambda event: f"{event['type']}-{event['seq']}")
def test_every_event_is_valid_by_its_schema_and_no_other(event):
    """An event fits the schema of its type, and the whole one, and that of no other type."""
    assert [type_ for type_ in TYPES if valid(event, type_)] == [event["type"]]
    jsonschema.validate(event, event_schema())


@pytest.mark.parametrize("event", made(), ids=lambda event: f"{event['type']}-{event['seq']}")
def test_schema_takes_nothing_away_and_nothing_wrong(event):
    """Each key is needed, each has its type, and none may be added."""
    for key in event:
        assert not valid({name: value for name, value in event.items() if name != key}, event["type"]), key
        assert not valid(event | {key: None}, event["type"]), key
    assert not valid(event | {"another": 1})


def test_unknown_properties_of_a_job_are_allowed():
    """What Mistral adds tomorrow does not make an event invalid."""
    event = made()[0]
    assert valid(event | {"data": event["data"] | {"tomorrow": [1]}})
