"""The commented reference of the configuration tells the truth: it loads, and what it calls a default is one."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from authority import Authority

from tracker.config import Account, Http, Match, Secret, loading
from tracker.config.model import Header
from tracker.daemon.configuration import load
from tracker.delivery.notifiers.registry import RECEIVER_KINDS
from tracker.delivery.notifiers.slack.configuration import SlackReceiver
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver

REFERENCE = Path(__file__).parents[2] / "config" / "tracker.toml"
ENVIRON = {
    "HOME": "/home/someone",
    "MISTRAL_API_KEY": "key",
    "BATCH_TRACKER_TOKEN": "token",
    "PIPELINE_SECRET": "whsec_" + "A" * 32,
    "SLACK_URL": "https://hooks.slack.com/x",
    "SLACK_TOKEN": "xoxb-1",
    "GATEWAY_KEY": "gateway-key",
    "PIPELINE_KEY": "Bearer pipeline-key",
}
TLS = {"ca_file", "client_certificate"}
SECTIONS = {
    "http": {"base_path", "external_url", "hosts", "listen", "token"},
    "storage": {"path", "keep_deliveries"},
    "metrics": {"max_job_series"},
    "network": {"use_environment_proxies"},
    "accounts": set(Account.__struct_fields__) - {"tls"} | TLS,
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
def defaults(monkeypatch, tmp_path):
    """What no file at all gives."""
    monkeypatch.setattr(loading, "SYSTEM_FILE", tmp_path / "none.toml")
    return load(None, ENVIRON)


def without_secrets(value):
    """Readable where it differs: a `Secret` shows nothing."""
    return msgspec.to_builtins(value, enc_hook=lambda each: each.reveal() if isinstance(each, Secret) else str(each))


def test_reference_is_the_defaults(defaults):
    """A copy of the reference, unchanged, does what no file at all does."""
    as_it_is = load(str(REFERENCE), ENVIRON)
    assert without_secrets(msgspec.structs.replace(as_it_is, source=None)) == without_secrets(defaults)
    assert as_it_is.receivers == ()


def test_commented_settings_are_the_defaults(uncommented, defaults):
    """What the reference comments out as a default is what leaving it out gives; receivers and the token are examples."""
    everything = load(str(uncommented), ENVIRON)
    (account,) = everything.accounts
    assert [(each.name, each.value.reveal()) for each in account.headers] == [
        ("x-gateway-key", "gateway-key"),
        ("x-team", "research"),
    ]
    assert account.tls.certificate
    accounts = (msgspec.structs.replace(account, headers=(), tls=None),)
    without_examples = msgspec.structs.replace(everything, source=None, accounts=accounts, receivers=(), http=Http())
    assert without_secrets(without_examples) == without_secrets(defaults)
    assert everything.http.token.reveal() == "token"


def test_commented_receiver_has_the_defaults(uncommented):
    """Of the commented receiver, events, retry and hold are the defaults, and the example is read as it stands."""
    receiver, *slack = load(str(uncommented), ENVIRON).receivers
    example = WebhookReceiver(
        name="pipeline",
        url=Secret("https://example.com/hooks/batch"),
        secrets=(Secret(ENVIRON["PIPELINE_SECRET"]),),
        match=Match(account="default", model="mistral-small-*", endpoint="/v1/*", metadata={"team": "research"}),
        headers=(Header("authorization", Secret("Bearer pipeline-key"), secret=True),),
    )
    assert receiver.tls.certificate
    assert without_secrets(msgspec.structs.replace(receiver, tls=None)) == without_secrets(example)
    team = SlackReceiver(name="team", url=Secret(ENVIRON["SLACK_URL"]))
    events = ("batch.*", "account.*", "receiver.*")
    board = SlackReceiver(name="board", token=Secret(ENVIRON["SLACK_TOKEN"]), channel="#batches", events=events)
    assert list(map(without_secrets, slack)) == list(map(without_secrets, (team, board)))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_in_the_reference(uncommented, section):
    """Each key that the configuration knows is explained, and no other."""
    found = tomllib.loads(uncommented.read_text("utf-8"))
    assert found.keys() == SECTIONS.keys()
    tables = found[section] if isinstance(found[section], list) else [found[section]]
    assert {key for values in tables for key in values} == SECTIONS[section]
