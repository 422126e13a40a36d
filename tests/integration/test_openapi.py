"""The OpenAPI document is true: whatever is asked by it, or against it, is answered as it says."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from job_changes import SINCE
from jsonschema import Draft202012Validator
from web_application import CONTROL, fill, surfaced

from tracker.core.deliveries.signing import parse_secret, signature_headers
from tracker.core.events.event import encode_event
from tracker.core.events.sample import sample_event
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
[[operations]]
include-path = "/api/stream" # it never ends; test_stream reads it
enabled = false
[[operations]]
include-path = "/api/replay" # that a range's end is not before its start is what no JSON Schema can say
checks.positive_data_acceptance.expected-statuses = [200, 404, 422]
[[operations]]
include-path-regex = "^/api/(jobs|events|deliveries)$" # that a name has to be known is what no JSON Schema can say
checks.positive_data_acceptance.expected-statuses = [200, 422]
"""


@pytest.mark.slow
async def test_schemathesis_finds_nothing(tmp_path):
    """Valid, invalid and fuzzed requests get no 500, no undocumented status, content type or body, no way past the token."""
    async with surfaced(tmp_path / "tracker.db") as app:
        await fill(app.store, 12)
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
    assert "14 selected / 15 total" in output
    assert int(re.search(r"(\d+) generated", output)[1]) > 500


async def test_the_document_is_whole(tmp_path):
    """Each route under /api is in the document, every reference leads somewhere, and every schema is one."""
    async with surfaced(tmp_path / "tracker.db") as app:
        document = (await app.get("/api/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    assert {path for path in document["paths"] if path.startswith("/api/")} == {
        "/api/jobs",
        "/api/jobs/{id}",
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
    async with surfaced(tmp_path / "tracker.db") as app:
        document = (await app.get("/api/openapi.json")).json()
    assert document["webhooks"].keys() == definitions().keys()
    for type_, name in definitions().items():
        request = document["webhooks"][type_]["post"]
        headers = {each["name"]: each["required"] for each in request["parameters"]}
        assert headers == {"webhook-id": True, "webhook-timestamp": True, "webhook-signature": False}
        assert request["requestBody"]["content"]["application/json"]["schema"] == {"$ref": f"#/components/schemas/{name}"}
        component = document["components"]["schemas"][name]
        assert component["properties"]["type"]["const"] == type_
        assert component.keys() == event_schema()["$defs"][name].keys()
    any_event = document["components"]["schemas"]["Event"]
    assert [*any_event["discriminator"]["mapping"]] == [*definitions()]


async def test_webhooks_of_the_document_are_what_is_sent(tmp_path):
    """What the product signs and sends has the headers and the body that the document gives for it."""
    async with surfaced(tmp_path / "tracker.db") as app:
        document = (await app.get("/api/openapi.json")).json()
    key = parse_secret("whsec_" + base64.b64encode(bytes(32)).decode())
    for type_ in definitions():
        body = encode_event(sample_event(type_, "default", 1_750_861_214_312, "abc"))
        request = document["webhooks"][type_]["post"]
        sent = signature_headers([key], "evt_1", 1_750_861_214, body.encode())
        assert [*sent] == [each["name"] for each in request["parameters"]]
        schema = request["requestBody"]["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": document["components"]}).validate(json.loads(body))


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


@pytest.mark.parametrize("path", ["/api/jobs", "/api/replay"])
async def test_every_error_is_documented(tmp_path, path):
    """What any request may meet is documented for each operation, as a problem."""
    async with surfaced(tmp_path / "tracker.db") as app:
        ((operation),) = (await app.get("/api/openapi.json")).json()["paths"][path].values()
    for status in ("400", "401", "413", "421", "422", "429", "431", "500", "503"):
        assert [*operation["responses"][status]["content"]] == ["application/problem+json"]
    assert operation["security"] == ([{"token": []}] if path == "/api/replay" else [{}, {"token": []}])
