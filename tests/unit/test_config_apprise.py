"""The configuration of a service of Apprise: what is accepted, and what is wrong with the rest, without showing a URL."""

import re
import sys

import pytest

from tracker.config.model import Address
from tracker.core.errors.config_error import ConfigError
from tracker.daemon.factories.config_conversion import delivery_policy
from tracker.daemon.factories.notifier_factory import message_pace
from tracker.daemon.load_configuration import load
from tracker.delivery.notifiers.apprise import library

CANARY = "c4nary-t0ken"
ANY = 'expected the URL of one of Apprise\'s services, such as "gotifys://{host}/{token}", or a reference to one'
NOT_ALLOWED = "receivers[0].url: found a URL (not shown) with the parameter {}; expected it without"


def receiver(tmp_path, url, *lines):
    """The receiver with this URL, which is in an environment variable."""
    file = tmp_path / "tracker.toml"
    head = ["[[receivers]]", 'name = "phone"', 'kind = "apprise"', 'url = { env = "APPRISE_URL" }']
    file.write_text("\n".join([*head, *lines]))
    (found,) = load(str(file), {"HOME": "/home/someone", "MISTRAL_API_KEY": "key", "APPRISE_URL": url}).receivers
    return found


def mistakes(tmp_path, url, *lines):
    with pytest.raises(ConfigError) as raised:
        receiver(tmp_path, url, *lines)
    assert CANARY not in str(raised.value)
    return [re.sub(r"^.*?:[0-9]+: ", "", line) for line in str(raised.value).splitlines()]


@pytest.mark.parametrize(
    ("url", "service"),
    [
        (f"gotifys://push.example.com/{CANARY}", "Gotify"),
        (f"mailtos://me:{CANARY}@example.com?to=ops@example.com", "E-Mail"),
        ("ntfy://batches", "ntfy"),
        ("https://discord.com/api/webhooks/123456789012345678/abcdefghijklmnop", "Discord"),
    ],
)
def test_service_is_recognized_by_its_url(tmp_path, url, service):
    """The service is named in the place of a host, which may be a token; no URL is shown. A burst is one message."""
    found = receiver(tmp_path, url)
    assert (found.service, found.host) == (service, service)
    assert (found.url.reveal(), found.group_wait) == (url, 10.0)
    assert url not in repr(found)
    assert (delivery_policy(found).digest, message_pace(found)._gap) == (3, 1.0)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{CANARY}", ANY),
        (f"gotfy://push.example.com/{CANARY}", f"{ANY}; did you mean gotify://?"),
        (f"https://example.com/{CANARY}", ANY),
        (f"tgram://{CANARY}", "expected a URL of Telegram, such as tgram://{bot_token} or tgram://{bot_token}/{targets}"),
    ],
)
def test_url_that_apprise_refuses_is_a_mistake(tmp_path, url, expected):
    """It says what a URL of that service looks like, and shows nothing of the one that was found."""
    assert mistakes(tmp_path, url) == [f"receivers[0].url: found something else (not shown), {expected}"]


def test_package_that_a_service_needs_is_named(tmp_path, monkeypatch):
    """A service that cannot work as the machine is says what it needs, not that its URL is wrong."""
    monkeypatch.setattr(library.known_service("mqtt"), "enabled", False)
    (found,) = mistakes(tmp_path, f"mqtt://{CANARY}@localhost/topic")
    assert found.startswith("receivers[0].url: found a URL of MQTT Notification (not shown), which Apprise cannot use here; ")
    assert found.endswith("; expected that it has: paho-mqtt >= 2.1.0")


@pytest.mark.parametrize(
    ("parameter", "reason"),
    [
        ("retry=2", "retry: `retry` of the receiver says when attempts are repeated"),
        ("optional=yes", "optional: a failure is never passed over"),
        ("redirect=yes", "redirect: redirects are not followed"),
        ("verify=no", "verify: certificates are always checked"),
    ],
)
def test_parameters_that_break_a_promise_are_refused(tmp_path, parameter, reason):
    """A receiver's promises hold for every service."""
    assert mistakes(tmp_path, f"json://example.com/{CANARY}?{parameter}") == [NOT_ALLOWED.format(reason)]


@pytest.mark.parametrize("port", [99_999, 65_536, 0, -1])
def test_port_that_is_none_is_a_mistake(tmp_path, port):
    """Apprise takes any number for a port, and every attempt would fail; the highest one that there is does."""
    (found,) = mistakes(tmp_path, f"gotify://{CANARY}.example.com:{port}/{CANARY}")
    assert found == "receivers[0].url: found a URL (not shown) whose port is none, expected a port from 1 to 65535"
    assert receiver(tmp_path, f"gotify://example.com:65535/{CANARY}").service == "Gotify"


def test_template_that_is_a_file_is_refused(tmp_path):
    """Apprise reads no file, and loads none from elsewhere."""
    (found,) = mistakes(tmp_path, f"discord://123456789/{CANARY}?template=/etc/hostname")
    assert "with the parameter template: no file is read" in found


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        (['headers = { "X-Team" = "research" }'], "headers"),
        (['ca_file = "/dev/null"'], "ca_file"),
        (['client_certificate = { cert = "/dev/null", key = "/dev/null" }'], "client_certificate"),
    ],
)
def test_settings_of_our_own_connections_are_mistakes(tmp_path, lines, key):
    """What Apprise would ignore is not accepted in silence."""
    assert f"receivers[0].{key}: found it, but Apprise makes its own connections" in mistakes(
        tmp_path, "json://localhost", *lines
    )


def test_missing_extra_is_named(tmp_path, monkeypatch):
    """Without the library the mistake says how to install it."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    (found,) = mistakes(tmp_path, f"json://localhost/{CANARY}")
    assert found.endswith("needs the extra apprise: pip install 'batch-tracker[apprise]'")


def test_text_is_a_url_too(tmp_path):
    """A URL without a secret may stand in the file; one that no line can have may not."""
    file = tmp_path / "tracker.toml"
    file.write_text('[[receivers]]\nname = "log"\nkind = "apprise"\nurl = "syslog://"')
    (found,) = load(str(file), {"MISTRAL_API_KEY": "key", "HOME": "/home/someone"}).receivers
    assert found.service == "Syslog"
    file.write_text(f'[[receivers]]\nname = "log"\nkind = "apprise"\nurl = "json://\\u0007{CANARY}"')
    with pytest.raises(ConfigError, match=r"found a text that is empty or not printable \(not shown\)"):
        load(str(file), {"MISTRAL_API_KEY": "key", "HOME": "/home/someone"})


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        (f"gotify://push.example.com/{CANARY}", [Address("url", "gotify://push.example.com", "its events", "gotifys")]),
        (f"gotifys://push.example.com/{CANARY}", []),
        (
            "mailto://mail.example.com?from=b@example.com",
            [Address("url", "mailto://mail.example.com", "its events", "mailtos")],
        ),
        (f"mailto://me:{CANARY}@gmail.com", []),
        (f"discord://123456789/{CANARY}", []),
        ("syslog://", []),
    ],
)
def test_what_is_sent_without_encryption_is_known(tmp_path, url, addresses):
    """A service that could be reached with TLS and is not is warned of, by its host and the scheme to use."""
    assert list(receiver(tmp_path, url).addresses()) == addresses


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        (f"gotify://push.example.com/{CANARY}", CANARY),
        (f"discord://123456789/{CANARY}", "123456789"),
        ("ntfy://my-secret-topic", "my-secret-topic"),
        (f"mailtos://me:{CANARY}@example.com", CANARY),
        ("tgram://123456789:AAFabcdefghijklmnopqrstuvwxyzabcdefgh/12345", "AAFabcdefghijklmnopqrstuvwxyzabcdefgh"),
        ("json://example.com/hooks/c4nary", "/hooks/c4nary"),
    ],
)
def test_tokens_are_secret_wherever_the_url_has_them(tmp_path, url, secret):
    """A token in the place of a host, user or path is redacted by itself; the host and the scheme are not."""
    found = receiver(tmp_path, url)
    parts = found.parts_of_url(found.url.reveal())
    assert secret in parts
    assert not {"example.com", "push.example.com", url.partition("://")[0]} & set(parts)
