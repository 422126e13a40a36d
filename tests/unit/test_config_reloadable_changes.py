"""What another configuration changes, by name; and what a running daemon cannot take over."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from tracker.config import Account, Config, Http, Listen, Secret, Storage
from tracker.config.reloadable_changes import apply_changes
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver
from tracker.http.proxies import Proxies

ONE, TWO = Account(name="one", api_key=Secret("key-one")), Account(name="two", api_key=Secret("key-two"))
HOOK = WebhookReceiver(name="hook", url=Secret("https://example.com/canary"), secrets=(Secret("whsec_QUJD"),))
OLD = Config(source="tracker.toml", storage=Storage(Path("a.db")), http=Http(), accounts=(ONE, TWO), receivers=(HOOK,))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"source": "another.toml"}, {}),
        ({"accounts": (TWO, ONE)}, {}),
        ({"accounts": (ONE, Account(name="two", api_key=Secret("key-two")))}, {}),
        ({"accounts": (ONE,)}, {"removed": ("account two",)}),
        ({"accounts": (ONE, replace(TWO, api_key=Secret("rotated")))}, {"changed": ("account two",)}),
        ({"receivers": (HOOK, replace(HOOK, name="new"))}, {"added": ("receiver new",)}),
        ({"receivers": (replace(HOOK, secrets=(Secret("whsec_REVG"),)),)}, {"changed": ("receiver hook",)}),
        ({"receivers": (replace(HOOK, name="new"),)}, {"added": ("receiver new",), "removed": ("receiver hook",)}),
        ({"proxies": Proxies()}, {"changed": ("network.use_environment_proxies",)}),
        ({"storage": Storage(Path("a.db"), 60.0)}, {"changed": ("storage.keep_deliveries",)}),
        ({"storage": Storage(Path("a.db"), keep_events=60.0)}, {"changed": ("storage.keep_events",)}),
        ({"storage": Storage(Path("a.db"), segments=Path("b"))}, {"restart": ("storage.segments",)}),
        ({"storage": Storage(Path("b.db"))}, {"restart": ("storage.path",)}),
        ({"storage": Storage(Path("b.db"), 60.0)}, {"changed": ("storage.keep_deliveries",), "restart": ("storage.path",)}),
        (
            {"storage": Storage(None, url=Secret("postgresql://canary"), replica="b")},
            {"restart": ("storage.path", "storage.url", "storage.replica")},
        ),
        ({"http": Http(listen=(Listen("127.0.0.1", 1),))}, {"restart": ("http.listen",)}),
        ({"http": Http(token=Secret("canary"))}, {"restart": ("http.token",)}),
    ],
)
def test_difference_is_reported_by_name(changes, expected):
    """Whatever is different is named once, values are not; what cannot change stays and needs a restart."""
    in_force, difference = apply_changes(OLD, replace(OLD, **changes))
    named = {how: getattr(difference, how) for how in difference.__struct_fields__}
    assert named == dict.fromkeys(named, ()) | expected
    assert (in_force.storage.path, in_force.http) == (OLD.storage.path, OLD.http)
    taken = replace(OLD, **changes)
    assert (in_force.accounts, in_force.receivers) == (taken.accounts, taken.receivers)
    assert in_force.storage.keep_deliveries == taken.storage.keep_deliveries
    assert not any(canary in repr(difference) for canary in ("canary", "rotated", "whsec"))


@pytest.mark.parametrize(
    ("url", "is_taken_over"),
    [
        ("postgresql://tracker:new@db/log?sslmode=require", True),
        ("postgresql://tracker:new@db/other?sslmode=require", False),
        ("postgresql://tracker:new@elsewhere/log?sslmode=require", False),
        ("postgresql://other:new@db/log?sslmode=require", False),
        ("postgresql://tracker:new@db/log?sslmode=disable", False),
    ],
)
@pytest.mark.parametrize("is_file", [True, False])
def test_a_new_password_of_the_database_needs_no_restart(url, is_taken_over, is_file):
    """Where it is in a file connections read it anyway; another database, user or encryption is another matter."""
    file = {"file": "the file url", "reread": lambda: None} if is_file else {}
    old = replace(OLD, storage=Storage(None, url=Secret("postgresql://tracker:old@db/log?sslmode=require", **file)))
    in_force, difference = apply_changes(old, replace(old, storage=Storage(None, url=Secret(url, **file))))
    assert difference.restart == (() if is_taken_over and is_file else ("storage.url",))
    assert (in_force.storage.url.reveal() == url) == (is_taken_over and is_file)


def test_secrets_are_compared_by_value_and_shown_by_nothing():
    """The same secret read twice is the same, another is another, and neither text nor hash shows which."""
    assert Secret("canary") == Secret("canary")
    assert Secret("canary") != Secret("another")
    assert Secret("canary") != "canary"
    assert len({Secret("canary"), Secret("canary"), Secret("another")}) == 2
    assert hash(Secret("canary")) != hash("canary")
    assert "canary" not in f"{Secret('canary')!r} {Secret('canary')} {replace(ONE, api_key=Secret('canary'))}"
