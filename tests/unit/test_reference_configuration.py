"""The commented reference of the configuration is true: it loads, and what it calls a default is one."""

import re
import tomllib
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from authority import Authority

from tracker.config import Account, Http, Match, Secret, source
from tracker.config.model import ResultsConfig
from tracker.config.secrets.secret import Header
from tracker.config.telemetry import Telemetry
from tracker.core.results.cost import Price
from tracker.daemon.load_configuration import load
from tracker.delivery.notifiers.apprise.configuration import AppriseReceiver
from tracker.delivery.notifiers.kind_registry import RECEIVER_KINDS
from tracker.delivery.notifiers.slack.configuration import SlackReceiver
from tracker.delivery.notifiers.templates.message_template import MessageTemplate
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver

REFERENCE = Path(__file__).parents[2] / "config" / "tracker.toml"
ENVIRON = {
    "HOME": "/home/someone",
    "MISTRAL_API_KEY": "key",
    "BATCH_TRACKER_TOKEN": "token",
    "PIPELINE_SECRET": "whsec_" + "A" * 32,
    "OPENAI_WEBHOOK_SECRET": "whsec_" + "A" * 32,
    "SLACK_URL": "https://hooks.slack.com/x",
    "SLACK_TOKEN": "xoxb-1",
    "APPRISE_URL": "ntfys://ntfy.example.com/batches",
    "GATEWAY_KEY": "gateway-key",
    "OTLP_KEY": "Bearer otlp-key",
    "DATABASE_URL": "postgresql://tracker:secret@db.example.com/tracker",
    "DATABASE_LISTEN_URL": "postgresql://tracker:secret@db.example.com:5433/tracker",
    "PIPELINE_KEY": "Bearer pipeline-key",
}
TLS = {"ca_file", "client_certificate"}
SECTIONS = {
    "http": {"base_path", "external_url", "hosts", "listen", "token"},
    "storage": {
        "path",
        "url",
        "schema",
        "replica",
        "listen_url",
        "keep_deliveries",
        "keep_events",
        "segments",
        "progress_every",
    },
    "metrics": {"max_job_series"},
    "telemetry": {"traces", "endpoint", "headers"} | TLS,
    "network": {"use_environment_proxies"},
    "results": set(ResultsConfig.__struct_fields__),
    "prices": {"model", "input", "output", "pages", "currency"},
    "maintenance": {"name", "days", "start", "end", "duration", "timezone", "match", "events", "receivers", "webhooks"},
    "accounts": set(Account.__struct_encode_fields__) - {"tls"} | TLS,
    "receivers": {"kind", *(key for kind in RECEIVER_KINDS for key in kind.__struct_encode_fields__)} - {"tls"} | TLS,
}


@pytest.fixture
def uncommented(tmp_path):
    """The reference with every setting that it comments out taken at its word."""
    copy, authority = tmp_path / "tracker.toml", Authority(tmp_path)
    text = re.sub(r"^#(?=[^ #\n])", "", REFERENCE.read_text("utf-8"), flags=re.MULTILINE)
    cert, key = authority.issue("client")
    there = {
        "/etc/ssl/internal-ca.pem": authority.ca,
        "/etc/batch-tracker/client.pem": cert,
        "/etc/batch-tracker/client.key": key,
    }
    for example, file in there.items():
        text = text.replace(f'"{example}"', f'"{file}"')
    copy.write_text(text, "utf-8")
    return copy


@pytest.fixture
def on_sqlite(uncommented):
    """The same without the keys of PostgreSQL, which exclude `storage.path`."""
    return _without(uncommented, "(url|schema|replica|listen_url)")


@pytest.fixture
def on_postgres(uncommented):
    """The same without the keys of SQLite, which exclude `storage.url`."""
    return _without(uncommented, "(path|segments)")


def _without(file, keys):
    before, storage, after = re.split(
        r"^(\[storage\]$.*?)(?=^\[)", file.read_text("utf-8"), maxsplit=1, flags=re.MULTILINE | re.DOTALL
    )
    file.write_text(before + re.sub(rf"^{keys} = .*$", "", storage, flags=re.MULTILINE) + after, "utf-8")
    return file


@pytest.fixture
def defaults(monkeypatch, tmp_path):
    """What no file at all gives."""
    monkeypatch.setattr(source, "SYSTEM_FILE", tmp_path / "none.toml")
    return load(None, ENVIRON)


def without_secrets(value):
    """Readable where it differs: a `Secret` shows nothing."""
    return msgspec.to_builtins(value, enc_hook=lambda each: each.reveal() if isinstance(each, Secret) else str(each))


def test_reference_is_the_defaults(defaults):
    """A copy of the reference, unchanged, does what no file at all does."""
    as_it_is = load(str(REFERENCE), ENVIRON)
    assert without_secrets(msgspec.structs.replace(as_it_is, source=None)) == without_secrets(defaults)
    assert as_it_is.receivers == ()


def test_commented_settings_are_the_defaults(on_sqlite, defaults):
    """What the reference comments out as a default is what leaving it out gives; what it calls an example is one."""
    everything = load(str(on_sqlite), ENVIRON)
    (account,) = everything.accounts
    assert [(each.name, each.value.reveal()) for each in account.headers] == [
        ("x-gateway-key", "gateway-key"),
        ("x-team", "research"),
    ]
    assert account.tls.certificate
    assert account.progress_every == 300.0
    assert [each.reveal() for each in account.webhook_secrets] == [ENVIRON["OPENAI_WEBHOOK_SECRET"]]
    accounts = (msgspec.structs.replace(account, headers=(), tls=None, webhook_secrets=(), progress_every=None),)
    examples = {
        "storage": msgspec.structs.replace(everything.storage, segments=None),
        "receivers": (),
        "http": Http(),
        "results": ResultsConfig(),
        "prices": (),
        "maintenance": (),
        "telemetry": Telemetry(),
    }
    without_examples = msgspec.structs.replace(everything, source=None, accounts=accounts, **examples)
    assert without_secrets(without_examples) == without_secrets(defaults)
    assert everything.storage.segments == Path("/var/lib/batch-tracker/segments")
    assert everything.http.token.reveal() == "token"
    assert everything.telemetry.endpoint == "https://collector.example.com:4318/v1/traces"
    assert [each.value.reveal() for each in everything.telemetry.headers] == [ENVIRON["OTLP_KEY"]]
    utc = ZoneInfo("UTC")
    assert [(each.name, each.zone) for each in everything.maintenance] == [("nights", utc), ("weekend", utc)]
    assert everything.results == ResultsConfig(archive="/var/lib/batch-tracker/results")
    amounts = {"input_per_million": "0.05", "output_per_million": "0.15", "per_thousand_pages": "0.5"}
    in_euros = {field: Decimal(amount) for field, amount in amounts.items()}
    assert everything.prices == (Price(model="mistral-small-*", currency="EUR", **in_euros),)


def test_commented_database_is_an_example(on_postgres, defaults):
    """The commented keys of PostgreSQL load beside each other; the schema is the default one."""
    storage = load(str(on_postgres), ENVIRON).storage
    assert (storage.path, storage.schema, storage.replica) == (None, defaults.storage.schema, "tracker-1")
    assert [storage.url.reveal(), storage.listen_url.reveal()] == [ENVIRON["DATABASE_URL"], ENVIRON["DATABASE_LISTEN_URL"]]


def test_commented_receiver_has_the_defaults(on_sqlite):
    """Of the commented receiver, events, retry and hold are the defaults, and the example is read as it stands."""
    receiver, *messages = load(str(on_sqlite), ENVIRON).receivers
    example = WebhookReceiver(
        name="pipeline",
        url=Secret("https://example.com/hooks/batch"),
        secrets=(Secret(ENVIRON["PIPELINE_SECRET"]),),
        match=Match(account="default", model="mistral-small-*", endpoint="/v1/*", metadata={"team": "research"}),
        rate_limit=10.0,
        remind_every=21600.0,
        headers=(Header("authorization", Secret("Bearer pipeline-key"), secret=True),),
    )
    assert receiver.tls.certificate
    assert without_secrets(msgspec.structs.replace(receiver, tls=None)) == without_secrets(example)
    template = MessageTemplate("{{ job_title or title }}: {{ event.type }}{% if first_error %}, {{ first_error }}{% endif %}")
    team = SlackReceiver(name="team", url=Secret(ENVIRON["SLACK_URL"]), template=template)
    events = ("batch.*", "account.*", "receiver.*")
    board = SlackReceiver(name="board", token=Secret(ENVIRON["SLACK_TOKEN"]), channel="#batches", events=events)
    phone = AppriseReceiver(name="phone", url=Secret(ENVIRON["APPRISE_URL"]))
    assert list(map(without_secrets, messages)) == list(map(without_secrets, (team, board, phone)))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_in_the_reference(uncommented, section):
    """Each key that the configuration knows is explained, and no other."""
    found = tomllib.loads(uncommented.read_text("utf-8"))
    assert found.keys() == SECTIONS.keys()
    tables = found[section] if isinstance(found[section], list) else [found[section]]
    assert {key for values in tables for key in values} == SECTIONS[section]
