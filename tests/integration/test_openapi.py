"""The OpenAPI document is true: whatever is asked by it, or against it, is answered as it says."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from archived_files import archive, missing
from archiving import SAID, ended
from job_changes import SINCE
from jsonschema import Draft202012Validator
from web_application import CONTROL, RIGHT, fill, served_application

from tracker.core.deliveries.delivery import Delivery
from tracker.core.deliveries.fan_out import stream_of
from tracker.core.deliveries.signing import parse_secret, signature_headers
from tracker.core.deliveries.trace_context import traceparent
from tracker.core.events.event import encode_event
from tracker.core.events.sample import sample_event
from tracker.delivery.notifiers.webhook.formats import FORMATS, formatter
from tracker.schemas import definitions, event_schema

SETTINGS = """
base-url = "{url}"
headers = {{ Authorization = "Bearer {token}" }}
[generation]
deterministic = true
[phases.stateful]
enabled = false
[phases.fuzzing.generation]
max-examples = 15
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 415, 422, 428, 429, 431, "5xx"] # 431: a query may be longer than a head
[[operations]]
include-path = "/api/stream" # it never ends; test_stream reads it
enabled = false
[[operations]]
include-path = "/api/replay" # that a range's end is not before its start is what no JSON Schema can say
checks.positive_data_acceptance.expected-statuses = [200, 404, 422]
[[operations]]
include-path = "/api/jobs/{{id}}/files/{{kind}}" # that a range is within the file is what no JSON Schema can say
checks.positive_data_acceptance.expected-statuses = [200, 206, 304, 404, 409, 410, 416]
[[operations]]
include-path = "/hooks/{{account}}" # that a message has to be signed is what no JSON Schema can say
checks.positive_data_acceptance.expected-statuses = [401, 404]
[[operations]]
include-path-regex = "^/api/(jobs|events|deliveries)$" # that a name has to be known is what no JSON Schema can say
checks.positive_data_acceptance.expected-statuses = [200, 422]
"""


@pytest.mark.slow
async def test_schemathesis_finds_nothing(tmp_path):
    """Valid, invalid and fuzzed requests get no 500, no undocumented status, content type or body, no way past the token."""
    async with served_application(tmp_path / "tracker.db", archive=tmp_path / "results") as app:
        await fill(app.store, 12)
        await archive(app, tmp_path / "results", job="0", output=b"{}\n", missing=[missing()], said=SAID)
        for account in ("one", "two"):
            app.health.swept(account, None, SINCE)
        url = str(app.client.base_url).rstrip("/")
        (tmp_path / "schemathesis.toml").write_text(SETTINGS.format(url=url, token=CONTROL))
        program = Path(sys.executable).with_name("schemathesis")
        with anyio.fail_after(100):
            done = await anyio.run_process(
                [program, "--no-color", "run", f"{url}/api/openapi.json"], cwd=tmp_path, check=False, stderr=subprocess.STDOUT
            )
    output = done.stdout.decode()
    assert done.returncode == 0, output
    assert "22 selected / 23 total" in output
    assert int(re.search(r"(\d+) generated", output)[1]) > 500


async def test_the_document_is_whole(tmp_path):
    """Each route under /api is in the document, every reference leads somewhere, and every schema is one."""
    async with served_application(tmp_path / "tracker.db") as app:
        document = (await app.get("/api/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    assert {path for path in document["paths"] if path.startswith("/api/")} == {
        "/api/jobs",
        "/api/jobs/{id}",
        "/api/jobs/{id}/results",
        "/api/jobs/{id}/files/{kind}",
        "/api/events",
        "/api/stream",
        "/api/deliveries",
        "/api/replay",
        "/api/deliveries/{receiver}/{seq}/retry",
        "/api/receivers",
        "/api/receivers/{name}/enable",
        "/api/receivers/{name}/move",
        "/api/receivers/{name}/drop",
        "/api/accounts",
        "/api/overview",
        "/api/replicas",
        "/api/silences",
        "/api/silences/{id}",
    }
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
    for reference in _references(document):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


async def test_every_event_type_is_a_webhook(tmp_path):
    """The document has each event type as a request with its signed headers, and its body has the published schema."""
    async with served_application(tmp_path / "tracker.db") as app:
        document = (await app.get("/api/openapi.json")).json()
    assert document["webhooks"].keys() == definitions().keys()
    for type_, name in definitions().items():
        request = document["webhooks"][type_]["post"]
        headers = {each["name"]: each["required"] for each in request["parameters"]}
        signed = {"webhook-id": True, "webhook-timestamp": True, "webhook-signature": False, "traceparent": True}
        assert headers == signed | {each: False for each in headers if each.startswith("ce-")}
        content = request["requestBody"]["content"]
        bodies = [{"$ref": f"#/components/schemas/{each}"} for each in (name, "ThinEvent")]
        assert content["application/json"]["schema"] == {"anyOf": bodies}
        assert content["application/cloudevents+json"]["schema"]["allOf"][1] == {"properties": {"data": bodies[0]}}
        component = document["components"]["schemas"][name]
        assert component["properties"]["type"]["const"] == type_
        assert component.keys() == event_schema()["$defs"][name].keys()
    any_event = document["components"]["schemas"]["Event"]
    assert [*any_event["discriminator"]["mapping"]] == [*definitions()]


@pytest.mark.parametrize("format_", FORMATS)
async def test_webhooks_of_the_document_are_what_is_sent(tmp_path, format_):
    """What the product signs and sends, in each format, has the headers and the body that the document gives for it."""
    async with served_application(tmp_path / "tracker.db") as app:
        document = (await app.get("/api/openapi.json")).json()
    key = parse_secret("whsec_" + base64.b64encode(bytes(32)).decode())
    make = formatter(format_, "https://ops.example.com")
    for type_ in definitions():
        event = sample_event(type_, "default", 1_750_861_214_312, "abc")
        delivery = delivery_of(event)
        body, headers = make(delivery.body.encode())
        request = document["webhooks"][type_]["post"]
        sent = {**signature_headers([key], "evt_1", 1_750_861_214, body), **headers, "traceparent": traceparent(delivery)}
        described = {each["name"]: each for each in request["parameters"]}
        assert {name for name, each in described.items() if each["required"]} <= sent.keys()
        assert sent.keys() - described.keys() == {"content-type"}
        for name in sent.keys() & described.keys() - {"webhook-timestamp"}:
            Draft202012Validator(described[name]["schema"]).validate(sent[name])
        schema = request["requestBody"]["content"][headers["content-type"]]["schema"]
        Draft202012Validator({**schema, "components": document["components"]}).validate(json.loads(body))


def delivery_of(event):
    body, stream = encode_event(event), stream_of(event)
    return Delivery(receiver="r", seq=1, event_id=event.id, type=event.type, stream=stream, attempts=0, body=body)


def _references(value):
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref":
                yield each
            else:
                yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


@pytest.mark.parametrize("path", ["/api/jobs", "/api/jobs/{id}/results", "/api/replay"])
async def test_every_error_is_documented(tmp_path, path):
    """What any request may meet is documented for each operation, as a problem."""
    async with served_application(tmp_path / "tracker.db") as app:
        ((operation),) = (await app.get("/api/openapi.json")).json()["paths"][path].values()
    for status in ("400", "401", "413", "421", "422", "429", "431", "500", "503"):
        assert [*operation["responses"][status]["content"]] == ["application/problem+json"]
    assert operation["security"] == ([{}, {"token": []}] if path == "/api/jobs" else [{"token": []}])


async def test_results_are_as_the_document_says(tmp_path):
    """What became of a job's files, archived or pending, has the schema of the document."""
    async with served_application(tmp_path / "tracker.db", archive=tmp_path / "results") as app:
        await archive(app, tmp_path / "results", output=b"{}\n", missing=[missing()], said=SAID)
        await app.store.record("one", [ended("waits", account="one")])
        document = (await app.get("/api/openapi.json")).json()
        answers = [(await app.get(f"/api/jobs/{job}/results", headers=RIGHT)).json() for job in ("job-1", "waits")]
    operation = document["paths"]["/api/jobs/{id}/results"]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**schema, "components": document["components"]})
    for answer in answers:
        validator.validate(answer)
