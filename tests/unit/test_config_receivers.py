"""The kinds of receivers, and the keys that each adds."""

import re
from typing import ClassVar

import pytest

from tracker import config
from tracker.config import Receiver, Secret, toml_table
from tracker.core.errors.config_error import ConfigError
from tracker.daemon.configuration import load
from tracker.delivery.notifiers.registry import NOTIFIER_KINDS, RECEIVER_KINDS

ENVIRON = {"HOME": "/home/someone", "MISTRAL_API_KEY": "key", "TOKEN": "xoxb-canary", "SECRET": "whsec_" + "A" * 32}
EITHER = "receivers[0].url: expected either the URL of an incoming webhook, or a bot's `token` and `channel`"
NO_URL = "receivers[0].url: missing, expected a URL, or a reference to one"
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
def test_keys_of_the_wrong_kind_are_told(tmp_path, lines, expected):
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
        config.load(str(file), (*RECEIVER_KINDS, PagerReceiver), ENVIRON)
    assert [re.sub(rf"^{re.escape(str(file))}:[0-9]+: ", "", line) for line in str(raised.value).splitlines()] == mistakes


def test_another_kind_needs_nothing_but_its_class(tmp_path):
    """A kind that `load` is given is read with the keys of every receiver and with its own."""
    file = tmp_path / "tracker.toml"
    file.write_text('[[receivers]]\nname = "r"\nkind = "pager"\nurl = "https://a"\nservice = "night"\nhold = "1s"')
    (receiver,) = config.load(str(file), (*RECEIVER_KINDS, PagerReceiver), ENVIRON).receivers
    assert receiver == PagerReceiver(name="r", url=Secret("https://a"), service="night", hold=1.0)
    assert (receiver.kind, receiver.host) == ("pager", "a")
