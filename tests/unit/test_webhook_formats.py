"""The formats of a webhook, of each type of event: what they say, and that they stay valid whatever a job is called."""

import json

import pytest
from jsonschema import Draft202012Validator

from tracker.core.events.event import encode_event
from tracker.core.events.event_type_table import TYPES
from tracker.core.events.job_diff import first_seen
from tracker.core.events.page_path import page_path
from tracker.core.events.sample import sample_event
from tracker.core.jobs.job_reading import read_job
from tracker.delivery.notifiers.webhook.cloud_event import DATA_SCHEMA, SEQUENCE_DIGITS
from tracker.delivery.notifiers.webhook.formats import FORMATS, formatter
from tracker.schemas import cloud_event_schema, event_schema, thin_event_schema

AT = 1_750_861_214_312
PAGES = "https://ops.example.com/tracker"


def content(format_, event, external_url=PAGES):
    return formatter(format_, external_url)(encode_event(event).encode())


def valid(schema, value):
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)
    return value


def of_job(id_):
    return first_seen("default", read_job({"id": id_, "status": "QUEUED", "created_at": 1_750_000_000}), AT).events[0]


@pytest.mark.parametrize("type_", TYPES)
def test_thin_body_names_what_it_is_about(type_):
    """It has the envelope of the event, the page and the name of what it is about, and nothing of the job but its ID."""
    event = sample_event(type_, "default", AT, "abc")
    thin = valid(thin_event_schema(), json.loads(content("thin", event).body))
    assert [thin[key] for key in ("id", "type", "seq", "timestamp", "created_at")] == [
        event.id, event.type, event.seq, event.timestamp, event.created_at,
    ]  # fmt: skip
    (name,) = thin["data"].values()
    assert thin["data"] == {"id": "test-abc"} if type_.startswith("batch.") else name in ("default", "test", "sil_test")
    assert thin["link"].startswith(f"{PAGES}/")
    assert "link" not in json.loads(content("thin", event, external_url=None).body)


@pytest.mark.parametrize("type_", TYPES)
def test_cloud_event_has_the_event_as_its_data(type_):
    """The attributes are those of the schema, beside or around the event, whose bytes are those of the log."""
    event = sample_event(type_, "default", AT, "abc")
    logged = encode_event(event).encode()
    body, headers = content("cloudevents", event)
    whole = valid(cloud_event_schema(), json.loads(body))
    assert body.endswith(b',"data":' + logged + b"}")
    assert headers["content-type"] == "application/cloudevents+json"
    binary = content("cloudevents-binary", event)
    attributes = {name: value for name, value in whole.items() if name not in ("data", "datacontenttype")}
    assert {name[3:]: value for name, value in binary.headers.items() if name.startswith("ce-")} == attributes
    assert (binary.body, binary.headers["content-type"]) == (logged, "application/json")
    kind = type_.partition(".")[0].replace("batch", "account")
    named = {"account": "default", "silence": "sil_test"}.get(kind, "test")
    assert whole["source"] == f"urn:batch-tracker:{kind}:{named}"
    assert (whole["time"], whole["sequence"]) == (event.timestamp, "1".zfill(20))


def test_sequence_orders_as_text():
    """The largest number that the log can have is ordered after all others, as text too."""
    assert len(str(2**63 - 1)) < SEQUENCE_DIGITS
    assert event_schema()["$id"] == DATA_SCHEMA


@pytest.mark.parametrize(
    ("id_", "subject", "header"),
    [
        ("a b", "a b", "a%20b"),
        ('é"%', 'é"%', "%C3%A9%22%25"),
        ("a\r\nce-type: x", "a%0D%0Ace-type: x", "a%250D%250Ace-type:%20x"),
        ("\u0085\ufffe\u2028", "%C2%85%EF%BF%BE\u2028", "%25C2%2585%25EF%25BF%25BE%E2%80%A8"),
    ],
)
def test_hostile_job_ids_stay_within_their_value(id_, subject, header):
    """An ID with line feeds, quotes or controls is one value in the JSON, in the header and in the link."""
    event = of_job(id_)
    structured = content("cloudevents", event).body.decode()
    assert json.loads(structured)["subject"] == subject
    assert content("cloudevents-binary", event).headers["ce-subject"] == header
    thin = content("thin", event).body.decode()
    assert json.loads(thin)["data"] == {"id": id_}
    assert len(structured.splitlines()) == len(thin.splitlines()) == 1
    assert json.loads(thin)["link"].isascii()


@pytest.mark.parametrize("format_", FORMATS)
def test_thin_is_small_and_the_rest_adds_little(format_):
    """Around the largest event no format adds more than 2 KiB; the thin one is below 2 KiB by itself."""
    job = {"id": "j" * 256, "status": "QUEUED", "created_at": 1, "metadata": {"x": "y" * 8000}}
    event = first_seen("a" * 64, read_job(job), AT).events[0]
    body, headers = content(format_, event)
    size = len(body) + sum(map(len, (*headers, *headers.values())))
    assert size < 2048 + (0 if format_ == "thin" else len(encode_event(event)))


@pytest.mark.parametrize(
    ("type_", "path"),
    [
        ("batch.failed", "/jobs/a%2Fb%20c?account=de+fault"),
        ("account.recovered", "/accounts"),
        ("receiver.failing", "/receivers/a%2Fb%20c"),
        ("replica.lost", "/replicas"),
        ("other.thing", "/"),
    ],
)
def test_page_of_what_an_event_is_about(type_, path):
    """A job and a receiver have a page each, whatever is in their names; accounts and replicas one together."""
    assert page_path(type_, "de fault", "a/b c") == path
