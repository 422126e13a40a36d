"""The generated documents, held to the product: the configuration's keys and examples, and the events' payloads."""

import base64
import importlib
import json
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pytest
from authority import Authority
from jsonschema import Draft202012Validator

from tracker.core.deliveries.signing import parse_secret, signature_headers
from tracker.daemon.load_configuration import load
from tracker.schemas import definitions, event_schema

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".github" / "documents.py"
CONFIGURATION = (ROOT / "config" / "README.md").read_text("utf-8")
EVENTS = (ROOT / "tracker" / "schemas" / "README.md").read_text("utf-8")
SECTIONS = ("storage", "http", "metrics", "telemetry", "network", "results", "prices", "accounts", "receivers", "maintenance")
SECRETS = ("BATCH_TRACKER_TOKEN", "OTLP_KEY", "GATEWAY_KEY", "MISTRAL_API_KEY", "PIPELINE_KEY", "SLACK_TOKEN")


sys.path.insert(0, str(SCRIPT.parent))
documents = importlib.import_module("documents")
KEYS = list(documents.keys())
each_key = pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A secret for each variable that an example names."""
    secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    named = dict.fromkeys(SECRETS, "a-secret-of-the-examples") | {"PIPELINE_SECRET": secret, "OPENAI_WEBHOOK_SECRET": secret}
    named |= dict.fromkeys(("DATABASE_URL", "DATABASE_LISTEN_URL"), "postgresql://tracker:secret@db/tracker")
    named |= {"APPRISE_URL": "ntfys://ntfy.example.com/batches"}
    return named | {"SLACK_URL": "https://hooks.slack.com/services/x", "HOME": str(tmp_path_factory.mktemp("home"))}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """The files of certificates that the examples name, and real ones to put in their place."""
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    cert, key = authority.issue("client")
    folder = "/etc/batch-tracker"
    return {"/etc/ssl/internal-ca.pem": authority.ca, f"{folder}/client.pem": cert, f"{folder}/client.key": key}


@pytest.fixture
def parse(tmp_path, environment, certificates):
    """The parser, for a text that may name these certificates."""

    def parse(text):
        for named, real in certificates.items():
            text = text.replace(named, str(real))
        path = tmp_path / "tracker.toml"
        path.write_text(text, "utf-8")
        return load(str(path), environment)

    return parse


def test_documents_are_up_to_date():
    """What is generated in config/README.md and tracker/schemas/README.md is what the product says today."""
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_picture_of_the_readme_can_be_drawn(tmp_path):
    """The script draws the demo's view, with the page's address and the events of the log."""
    script = ROOT / ".github" / "picture.py"
    done = subprocess.run([sys.executable, script, tmp_path / "demo.svg"], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    drawn = (tmp_path / "demo.svg").read_text("utf-8")
    assert drawn.startswith("<svg")
    assert "http://127.0.0.1:9471" in drawn
    assert "batch.created" in drawn


def test_every_section_is_documented():
    """The parser accepts the sections that the reference has, and no other."""
    assert documents.accepted("") == {*SECTIONS} == {key.section for key in KEYS}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_documented(section):
    """Each key that the parser accepts has an entry in config/README.md, and no entry is about another key."""
    entries = re.findall(rf"^### `{section}\.(\w+)`$", CONFIGURATION, re.MULTILINE)
    assert sorted(entries) == sorted(documents.accepted(section))


@each_key
def test_every_entry_has_its_type_text_and_example(key):
    """An entry names what the parser expects, explains the key and shows it in use."""
    entry = documents.key_entry(key)
    assert entry in CONFIGURATION
    assert len(key.text) > 10
    assert f"```toml\n{key.name} = " in entry


@each_key
def test_every_example_of_a_key_is_valid(key, parse):
    """The parser accepts each example as it stands, in a configuration that has the other required keys."""
    for line in {key.example, f"{key.name} = {key.value}"}:
        parse(_around(key, line))


@pytest.mark.parametrize("key", [key for key in KEYS if key.is_value], ids=lambda key: key.path)
def test_every_default_is_the_products(key, parse):
    """A configuration with the documented default is the same as one without the key."""
    with_default = parse(_around(key, f"{key.name} = {key.default}"))
    assert msgspec.structs.replace(with_default, source=None) == msgspec.structs.replace(parse(_around(key, "")), source=None)


@each_key
def test_every_required_key_is_reported_to_be_required(key, parse):
    """Without a required key the parser fails; without any other it does not."""
    if key.default is not None:
        parse(_around(key, ""))
        return
    with pytest.raises(Exception, match=rf"\.{key.name}: "):
        parse(_around(key, ""))


def test_configuration_of_the_introduction_is_valid(parse):
    """The small file of config/README.md, with each kind of receiver, is one that the parser accepts."""
    (text,) = re.findall(r"```toml\n(\[\[accounts.*?)```", CONFIGURATION, re.DOTALL)
    assert [receiver.name for receiver in parse(text).receivers] == ["pipeline", "team", "board", "phone"]


def _around_window(key, line):
    """Also a receiver that it names; a duration stands in the place of the end."""
    receiver = '[[receivers]]\nname = "team"\nkind = "slack"\nurl = { env = "SLACK_URL" }\n'
    text = receiver + documents.configuration(key.section, key.name, line)
    return re.sub(r"^end = .*$", "", text, flags=re.MULTILINE) if line and key.name == "duration" else text


def _around(key, line):
    """A whole configuration round a line of this key: for a key of Slack's or PostgreSQL's, with what it is part of."""
    if key.path in ("storage.schema", "storage.replica", "storage.listen_url"):
        return f'{documents.MINIMAL["accounts"]}[storage]\nurl = "postgresql://db/t"\n{line}\n'
    if key.section == "maintenance":
        return _around_window(key, line)
    if key.path in ("receivers.token", "receivers.channel", "receivers.api", "receivers.group_wait", "receivers.template"):
        slack = {"name": '"r"', "kind": '"slack"', "token": '{ env = "SLACK_TOKEN" }', "channel": '"#batches"'}
        others = "\n".join(f"{name} = {value}" for name, value in slack.items() if name != key.name or not line)
        return f"{documents.MINIMAL['accounts']}[[receivers]]\n{others}\n{line}\n"
    return documents.configuration(key.section, key.name, line)


@pytest.mark.slow
@pytest.mark.parametrize("type_", definitions())
def test_every_event_type_has_its_payload(type_):
    """Each event type has an entry that says what to do, and a payload that is a whole event of this type."""
    entry = re.split(r"^### ", EVENTS, flags=re.MULTILINE)[1:]
    (entry,) = (each for each in entry if each.startswith(f"`{type_}`\n"))
    (shown,) = re.findall(r"^```json\n(.+?)^```", entry, re.DOTALL | re.MULTILINE)
    event = json.loads(shown)
    assert event == documents.payload_of(type_)
    assert list(event) == list(documents.payload_of(type_))
    assert Draft202012Validator(event_schema(type_)).is_valid(event)
    assert "**What to do:**" in entry
    assert max(map(len, shown.splitlines())) <= documents.WIDTH + 4


@pytest.fixture
def verified():
    """The function of tracker/schemas/README.md that verifies a webhook."""
    (code,) = re.findall(r"^   ```python\n(.+?)^   ```", EVENTS, re.DOTALL | re.MULTILINE)
    names = {}
    exec(textwrap.dedent(code), names)  # noqa: S102 - it is what the document says
    return names["verified"]


def test_documented_verification_accepts_what_is_signed(verified):
    """The code in tracker/schemas/README.md accepts an event that the product signed, also while its secret is rotated."""
    secrets = ["whsec_" + base64.b64encode(bytes([number] * 32)).decode() for number in (1, 2)]
    body = json.dumps(documents.payload_of("batch.completed")).encode()
    headers = signature_headers([parse_secret(each) for each in secrets], "evt_1", int(time.time()), body)
    assert [verified(body, headers, secret)["type"] for secret in secrets] == ["batch.completed"] * 2


@pytest.mark.parametrize("wrong", ["body", "secret", "time"])
def test_documented_verification_refuses_forgeries(verified, wrong):
    """The same code refuses a changed body, another secret, and a signature of yesterday."""
    secret, other = ("whsec_" + base64.b64encode(bytes([number] * 32)).decode() for number in (1, 2))
    at = int(time.time()) - (86_400 if wrong == "time" else 0)
    headers = signature_headers([parse_secret(secret)], "evt_1", at, b"{}")
    with pytest.raises(ValueError, match="too old" if wrong == "time" else "signature"):
        verified(b"[]" if wrong == "body" else b"{}", headers, other if wrong == "secret" else secret)
