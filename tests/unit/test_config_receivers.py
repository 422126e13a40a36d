"""The kinds of receivers, and the keys that each adds."""

import re
from typing import ClassVar

import pytest

from tracker.config import Receiver, Secret, loading
from tracker.config.toml import toml_table
from tracker.core.errors.config_error import ConfigError
from tracker.daemon.load_configuration import load
from tracker.delivery.notifiers.kind_registry import NOTIFIER_KINDS, RECEIVER_KINDS
from tracker.providers.vendor_registry import VENDORS

ENVIRON = {"HOME": "/home/someone", "MISTRAL_API_KEY": "key", "TOKEN": "xoxb-canary", "SECRET": "whsec_" + "A" * 32}
EITHER = "receivers[0].url: expected either the URL of an incoming webhook, or a bot's `token` and `channel`"
NO_URL = "receivers[0].url: missing, expected a URL, or a reference to one"
TEMPLATE = 'expected a template of jinja2, or { file = "PATH" }'
OF_SLACK = "only a receiver of the kind 'slack' has it"
OF_WEBHOOK = "only a receiver of the kind 'webhook' has it"


def receivers(tmp_path, *lines):
    file = tmp_path / "tracker.toml"
    file.write_text("\n".join(["[[receivers]]", 'name = "r"', *lines]))
    return load(str(file), ENVIRON).receivers


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (['kind = "webhook"'], [NO_URL]),
        (['kind = "webhook"', 'url = "https://a"', 'channel = "#a"'], [f"receivers[0].channel: {OF_SLACK}"]),
        (
            ['kind = "webhook"', "token = { env = 'TOKEN' }", "api = 'https://a'"],
            [f"receivers[0].token: {OF_SLACK}", f"receivers[0].api: {OF_SLACK}", NO_URL],
        ),
        (
            ['kind = "webhook"', 'url = "https://a"', 'template = "x"'],
            ["receivers[0].template: only a receiver of the kind 'slack' or 'apprise' has it"],
        ),
        (['kind = "slack"'], [EITHER]),
        (['kind = "slack"', 'url = "https://a"', "token = { env = 'TOKEN' }", 'channel = "#a"'], [EITHER]),
        (['kind = "slack"', 'url = "https://a"', "secret = { env = 'SECRET' }"], [f"receivers[0].secret: {OF_WEBHOOK}"]),
        (
            ['kind = "slack"', "token = { env = 'TOKEN' }"],
            ['receivers[0].channel: missing, expected the channel that the bot writes to, such as "#batches"'],
        ),
        (['kind = "slack"', 'url = "https://a"', "api = 'slack'"],
         ["receivers[0].api: found 'slack', expected an http or https URL, such as \"https://api.mistral.ai\""]),
    ],
)  # fmt: skip
def test_keys_of_the_wrong_kind_are_reported(tmp_path, lines, expected):
    """Each key that is missing for the kind, or belongs to another, is named."""
    with pytest.raises(ConfigError) as raised:
        receivers(tmp_path, *lines)
    file = re.escape(str(tmp_path / "tracker.toml"))
    assert [re.sub(rf"^{file}:[0-9]+: ", "", line) for line in str(raised.value).splitlines()] == expected


def test_slack_is_configured_in_two_ways(tmp_path):
    """An incoming webhook needs its URL, a bot its token and channel; the rest has defaults."""
    (webhook,) = receivers(tmp_path, 'kind = "slack"', 'url = "https://hooks.slack.com/x"')
    assert (webhook.url.reveal(), webhook.token, webhook.group_wait) == ("https://hooks.slack.com/x", None, 10.0)
    (bot,) = receivers(tmp_path, 'kind = "slack"', "token = { env = 'TOKEN' }", 'channel = "#batches"', 'group_wait = "0s"')
    assert (bot.url, bot.token.reveal(), bot.channel, bot.group_wait) == (None, "xoxb-canary", "#batches", 0.0)
    assert "canary" not in repr(bot)


class PagerReceiver(Receiver, frozen=True, kw_only=True):
    kind: ClassVar[str] = "pager"
    service: str = "default"

    @classmethod
    def readers(cls, _environ):
        return {"service": toml_table.text}


@pytest.mark.parametrize(
    ("lines", "mistakes"),
    [
        (
            ['kind = "fax"'],
            [f"receivers[0].kind: found 'fax', expected {' or '.join(map(repr, NOTIFIER_KINDS))} or 'pager'", NO_URL],
        ),
        (['kind = "pager"', 'channel = "#a"', 'url = "https://a"'], [f"receivers[0].channel: {OF_SLACK}"]),
        (
            ['kind = "slack"', 'service = "s"', 'url = "https://a"'],
            ["receivers[0].service: only a receiver of the kind 'pager' has it"],
        ),
        (
            ['kind = "pager"', "service = 1"],
            ["receivers[0].service: found 1, expected a string, printable and not empty", NO_URL],
        ),
    ],
    ids=["unknown kind", "key of Slack", "its key elsewhere", "wrong value"],
)
def test_mistakes_name_every_registered_kind(tmp_path, lines, mistakes):
    """What is wrong is said by the kinds that `load` is given: their names, their keys, and the values of these."""
    file = tmp_path / "tracker.toml"
    file.write_text("\n".join(["[[receivers]]", 'name = "r"', *lines]))
    with pytest.raises(ConfigError) as raised:
        loading.load(str(file), (*RECEIVER_KINDS, PagerReceiver), VENDORS, ENVIRON)
    assert [re.sub(rf"^{re.escape(str(file))}:[0-9]+: ", "", line) for line in str(raised.value).splitlines()] == mistakes


def test_another_kind_needs_nothing_but_its_class(tmp_path):
    """A kind that `load` is given is read with the keys of every receiver and with its own."""
    file = tmp_path / "tracker.toml"
    file.write_text('[[receivers]]\nname = "r"\nkind = "pager"\nurl = "https://a"\nservice = "night"\nhold = "1s"')
    (receiver,) = loading.load(str(file), (*RECEIVER_KINDS, PagerReceiver), VENDORS, ENVIRON).receivers
    assert receiver == PagerReceiver(name="r", url=Secret("https://a"), service="night", hold=1.0)
    assert (receiver.kind, receiver.host) == ("pager", "a")


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("template = 2", f"found 2, {TEMPLATE}"),
        ('template = { env = "A" }', f"found a table, {TEMPLATE}"),
        (
            'template = """\na\n{{ b\n"""',
            f"found a mistake, line 2: unexpected end of template, expected 'end of print statement'; {TEMPLATE}",
        ),
        ('template = { file = "absent.txt" }', "the file absent.txt cannot be read: No such file or directory"),
        (f'template = "{"x" * 20_001}"', "found more than 20000 characters, expected a shorter template"),
    ],
)
def test_template_that_cannot_be_used_is_a_mistake(tmp_path, monkeypatch, line, mistake):
    """A template of the wrong form, one that jinja2 cannot read, and a file that is not there are named."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"receivers\[0\]\.template: ") as raised:
        receivers(tmp_path, 'kind = "slack"', 'url = "https://a"', line)
    assert str(raised.value).partition("template: ")[2] == mistake


def test_template_may_be_in_a_file(tmp_path):
    """A file is read with each loading, so that a reload has what it says by then; two that say the same are equal."""
    file = tmp_path / "words.txt"
    configured = ('kind = "slack"', 'url = "https://a"', f'template = {{ file = "{file}" }}')
    file.write_text("\ufeff{{ title }}", "utf-8")
    (before,), (same,) = receivers(tmp_path, *configured), receivers(tmp_path, *configured)
    assert before.template.source == "{{ title }}"
    assert before == same
    file.write_text("{{ text }}")
    (after,) = receivers(tmp_path, *configured)
    assert after.template.source == "{{ text }}"
    assert before != after


def test_slack_has_the_values_of_a_template_as_text(tmp_path):
    """A mention in a name is text in Slack; elsewhere there is nothing to escape it from."""
    event = {"type": "account.recovered", "account": "<!here> & co", "data": {"account": "<!here> & co"}}
    words = 'template = "<!here> {{ account }}"'
    (slack,) = receivers(tmp_path, 'kind = "slack"', 'url = "https://a"', words)
    assert slack.template.render([event], None) == "<!here> &lt;!here&gt; &amp; co"
    (service,) = receivers(tmp_path, 'kind = "apprise"', 'url = "json://a"', words)
    assert service.template.render([event], None) == "<!here> <!here> & co"
